{#- pre-hook of a hashed stage: gives the events that came without a long, unchanged value the value before them.
    See _cdc__macros.yml. -#}
{% macro restore_unavailable_values() %}
{%- set table_name = model.name | replace('vst_', '') -%}
{%- set table = load_batch_source(table_name) if load_batch_is_wanted() else none -%}
{%- if table and table.meta.long_columns -%}
{%- set columns = table.meta.long_columns | list -%}
{%- set placeholder = "'\"__debezium_unavailable_value\"'::jsonb" -%}
do $restore$
begin
    delete from {{ load_batch_relation('restored_image') }} where topic = '{{ cdc_topic(table_name) }}';

    insert into {{ load_batch_relation('restored_image') }} (topic, kafka_partition, kafka_offset, row_image)
    select
        batch.topic,
        change.kafka_partition,
        change.kafka_offset,
        change.row_image
    from ({{ newest_load_batch_ranges(table_name) }}) as batch
    cross join lateral (
        select
            raw.kafka_partition,
            raw.kafka_offset,
            raw.value -> 'after' as row_image
        from {{ source('staging', table_name) }} as raw
        where
            raw.kafka_partition = batch.kafka_partition
            and raw.kafka_offset >= batch.from_offset
            and raw.kafka_offset < batch.to_offset
            and raw.value ->> 'op' = 'u'
        offset 0
    ) as change
    where
        {%- for column in columns %}
        {{ 'or ' if not loop.first }}change.row_image -> '{{ column }}' = {{ placeholder }}
        {%- endfor %};

    if not found then
        return;
    end if;

    with batch as ({{ newest_load_batch_ranges(table_name) }}),

    -- what the batch says of these columns, for the keys in question
    mention as (
        select
            change.*,
            max(change.kafka_offset) filter (where change.is_known) over (
                partition by change.kafka_partition, change.key, change.column_name
                order by change.kafka_offset
            ) as known_offset
        from (
            select
                raw.kafka_partition,
                raw.kafka_offset,
                raw.key,
                long_column.column_name,
                raw.value -> 'after' -> long_column.column_name <> {{ placeholder }} as is_known
            from batch
            inner join {{ source('staging', table_name) }} as raw
                on
                    batch.kafka_partition = raw.kafka_partition
                    and batch.from_offset <= raw.kafka_offset
                    and batch.to_offset > raw.kafka_offset
            cross join unnest(array['{{ columns | join("', '") }}']) as long_column (column_name)
            where
                raw.value ->> 'op' in ('c', 'u', 'r')
                and raw.key in (
                    select damaged.key
                    from {{ load_batch_relation('restored_image') }} as restored
                    inner join {{ source('staging', table_name) }} as damaged
                        using (kafka_partition, kafka_offset)
                    where restored.topic = '{{ cdc_topic(table_name) }}'
                )
        ) as change
    ),

    repaired as (
        select
            mention.kafka_partition,
            mention.kafka_offset,
            jsonb_object_agg(
                mention.column_name,
                coalesce(known.value -> 'after' -> mention.column_name, loaded.value, 'null'::jsonb)
            ) as row_image
        from mention
        inner join batch on mention.kafka_partition = batch.kafka_partition
        left join {{ source('staging', table_name) }} as known
            on
                mention.kafka_partition = known.kafka_partition
                and mention.known_offset = known.kafka_offset
        left join lateral (
            {{ loaded_long_value(table_name, table) | indent(12) }}
        ) as loaded on mention.known_offset is null
        where not mention.is_known
        group by mention.kafka_partition, mention.kafka_offset
    )

    update {{ load_batch_relation('restored_image') }} as restored
    set row_image = restored.row_image || repaired.row_image
    from repaired
    where
        restored.topic = '{{ cdc_topic(table_name) }}'
        and restored.kafka_partition = repaired.kafka_partition
        and restored.kafka_offset = repaired.kafka_offset;
end
$restore$
{%- endif -%}
{% endmacro %}


{#- The value of mention.column_name that the key had before the batch, as the source would send it. From the
    satellite by its index; without a satellite yet there is none. -#}
{% macro loaded_long_value(table_name, table) %}
{%- set satellites = table.meta.long_columns.values() | unique | list -%}
{%- for satellite in satellites -%}
    {%- set node = (graph.nodes.values() | selectattr('name', 'equalto', satellite) | list)[0] -%}
    {%- set relation = adapter.get_relation(node.database, node.schema, node.alias) %}
    select
        {%- if relation %}
        case mention.column_name
            {%- for column, name in table.meta.long_columns.items() if name == satellite %}
            when '{{ column }}' then to_jsonb(version.{{ column }}::text)
            {%- endfor %}
        end as value
    from {{ relation }} as version
    where
        version.{{ table.meta.hash_key }} = {{ single_key_hash("(mention.key ->> '" ~ table.meta.key ~ "')") }}
        and version.load_date <= batch.from_load_date
    order by version.load_date desc
    limit 1
        {%- else %}
        null::jsonb as value
        {%- endif -%}
{%- endfor -%}
{% endmacro %}


{#- The hash key of a key of one column, as AutomateDV's stage makes it (docs: design, "Hashes", rule 1). -#}
{% macro single_key_hash(expression) -%}
    {%- set text = "nullif(trim(" ~ expression ~ "::varchar), '')" -%}
    {%- if var('automate_dv').hash | upper == 'SHA' -%}
        sha256(convert_to({{ text }}, 'UTF8'))
    {%- else -%}
        decode(md5({{ text }}), 'hex')
    {%- endif -%}
{%- endmacro %}


{#- The ranges of the newest load batch (the open one, else the last closed) in the topic of a table. -#}
{% macro newest_load_batch_ranges(table_name) -%}
    select newest.*
    from {{ load_batch_relation('load_batch_range') }} as newest
    where
        newest.load_batch_id = (select max(batch.load_batch_id) from {{ load_batch_relation('load_batch') }} as batch)
        and newest.topic = '{{ cdc_topic(table_name) }}'
{%- endmacro %}
