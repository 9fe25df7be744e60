{#- Columns that were added to the source after the vault was made. They are kept in satellites of their own, so that the
    existing satellites do not change. See _load_batch__macros.yml. -#}
{% macro added_columns(table_name) %}
    {{ return(load_batch_source(table_name).meta.added_columns or {}) }}
{% endmacro %}


{#- Whether a satellite is one of those: its history begins when its columns were added to the source. -#}
{% macro is_added_satellite(name) %}
    {%- for table_name in load_batch_tables() if name in added_columns(table_name).values() -%}
        {{ return(true) }}
    {%- endfor -%}
    {{ return(false) }}
{% endmacro %}


{#- The added columns of a table whose satellite does not exist yet. -#}
{% macro columns_to_fill(table_name) %}
    {%- set columns = [] -%}
    {%- for column, satellite in added_columns(table_name).items() -%}
        {%- for node in graph.nodes.values() if node.name == satellite and adapter.get_relation(node.database, node.schema, node.alias) is none -%}
            {%- do columns.append(column) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(columns) }}
{% endmacro %}


{#- Extends the open batch by the events of a table since its new columns appeared, so that their satellite is filled.
    Runs in the block that opens a batch; batch_id is its id. -#}
{% macro fill_added_satellites() %}
{%- if not flags.FULL_REFRESH -%}
{%- for table_name in load_batch_tables() if columns_to_fill(table_name) %}
{%- set columns = columns_to_fill(table_name) -%}
{%- set landed = source('staging', table_name) -%}
{%- set load_batch_range = load_batch_relation('load_batch_range') %}
drop table if exists load_batch_fill;
create temporary table load_batch_fill on commit drop as
select present.topic, present.kafka_partition, present.from_offset, present.from_offset as next_offset, present.from_load_date
from {{ load_batch_range }} as present
where present.load_batch_id = batch_id and present.topic = '{{ cdc_topic(table_name) }}';

-- Searches the loaded batches backwards for the first one with an event that has one of the columns.
for unfilled in select fill.kafka_partition, fill.next_offset from load_batch_fill as fill loop
    for loaded_before in
        select loaded.from_offset, loaded.to_offset, loaded.from_load_date
        from {{ load_batch_range }} as loaded
        inner join {{ load_batch_relation('load_batch') }} as batch using (load_batch_id)
        where
            loaded.topic = '{{ cdc_topic(table_name) }}'
            and loaded.kafka_partition = unfilled.kafka_partition
            and loaded.from_offset < least(loaded.to_offset, unfilled.next_offset)
            and batch.outcome = 'loaded'
        order by loaded.load_batch_id desc
    loop
        if exists (
            select from {{ landed }} as raw
            where
                raw.kafka_partition = unfilled.kafka_partition
                and raw.kafka_offset >= loaded_before.from_offset
                and raw.kafka_offset < loaded_before.to_offset
                and raw.value -> 'after' ?| array['{{ columns | join("', '") }}']
        ) then
            update load_batch_fill as fill
            set from_offset = loaded_before.from_offset, from_load_date = loaded_before.from_load_date
            where fill.kafka_partition = unfilled.kafka_partition and fill.from_offset > loaded_before.from_offset;
        elsif exists (
            select from {{ landed }} as raw
            where
                raw.kafka_partition = unfilled.kafka_partition
                and raw.kafka_offset >= loaded_before.from_offset
                and raw.kafka_offset < loaded_before.to_offset
                and jsonb_typeof(raw.value -> 'after') = 'object'
        ) then
            exit;
        end if;
    end loop;
end loop;

-- The values of these columns were not examined before.
{{ set_aside_faults(table_name, 'load_batch_fill') }}
{%- if load_batch_source(table_name).meta.long_columns %}
{{ set_aside_dependants(table_name, 'load_batch_fill') }}
{%- endif %}

update {{ load_batch_range }} as present
set
    from_offset = fill.from_offset,
    from_load_date = fill.from_load_date,
    -- load dates continue from those of the batch before
    to_load_date = coalesce(present.to_load_date, present.from_load_date)
from load_batch_fill as fill
where
    present.load_batch_id = batch_id
    and present.topic = fill.topic
    and present.kafka_partition = fill.kafka_partition
    and fill.from_offset < fill.next_offset;
{%- endfor %}
{%- endif -%}
{% endmacro %}
