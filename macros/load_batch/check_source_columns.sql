{#- Stops a batch in which a table of the source has lost a column. See _load_batch__macros.yml. -#}
{% macro check_source_columns() %}
{%- for table_name in load_batch_tables() %}
{%- set columns = load_batch_source(table_name).meta.columns | reject('in', dropped_columns(table_name)) | list %}
select array_agg(expected.column_name), max(newest.kafka_offset)
into lost_columns, at_offset
from {{ load_batch_relation('load_batch_range') }} as batch_range
cross join lateral (
    -- columns come and go for all later events: the newest one tells
    select
        raw.kafka_offset,
        raw.value -> 'after' as row_image
    from {{ source('staging', table_name) }} as raw
    where
        raw.kafka_partition = batch_range.kafka_partition
        and raw.kafka_offset >= batch_range.from_offset
        and raw.kafka_offset < batch_range.to_offset
        and raw.value ->> 'op' in ('c', 'u', 'r')
    order by raw.kafka_offset desc
    limit 1
) as newest
cross join unnest(array['{{ columns | join("', '") }}']) as expected (column_name)
where
    batch_range.load_batch_id = batch_id
    and batch_range.topic = '{{ cdc_topic(table_name) }}'
    and not newest.row_image ? expected.column_name;

if lost_columns is not null then
    raise exception 'the source no longer sends %', (
        select string_agg('{{ table_name }}.' || lost.column_name, ', ') from unnest(lost_columns) as lost (column_name)
    ) using
        detail = format('Seen in staging.{{ table_name }} at offset %s. Loaded as it is, every changed row would lose that value.', at_offset),
        hint = 'Put the column back at the source, or, if it is gone for good, name it in the variable dropped_columns '
            'of dbt_project.yml: it counts as null from then on. Nothing was loaded, and nothing is lost.';
end if;
{%- endfor %}
{% endmacro %}


{#- Columns of a source table that are known to be gone: variable dropped_columns, a list of "table.column". -#}
{% macro dropped_columns(table_name) %}
    {%- set names = [] -%}
    {%- for name in var('dropped_columns') if name.split('.')[0] == table_name -%}
        {%- do names.append(name.split('.')[1]) -%}
    {%- endfor -%}
    {{ return(names) }}
{% endmacro %}


{#- The source table of the schema `staging` by its name, or none. -#}
{% macro load_batch_source(table_name) %}
    {%- for source in graph.sources.values() if source.source_name == 'staging' and source.name == table_name -%}
        {{ return(source) }}
    {%- endfor -%}
    {{ return(none) }}
{% endmacro %}
