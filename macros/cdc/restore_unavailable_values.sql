{#- pre-hook of a hashed stage: puts the previous value into events that came without a long, unchanged one.
    See _cdc__macros.yml. -#}
{% macro restore_unavailable_values() %}
{%- set table_name = model.name | replace('vst_', '') -%}
{%- set table = load_batch_source(table_name) if load_batch_is_wanted() else none -%}
{%- if table and table.meta.long_columns -%}
{%- set columns = table.meta.long_columns | list -%}
do $restore$
begin
    delete from {{ load_batch_relation('restored_image') }} where topic = '{{ cdc_topic(table_name) }}';

    insert into {{ load_batch_relation('restored_image') }} (topic, kafka_partition, kafka_offset, row_image)
    select
        batch.topic,
        change.kafka_partition,
        change.kafka_offset,
        change.value -> 'after' as row_image
    from ({{ newest_load_batch_ranges(table_name) }}) as batch
    cross join lateral (
        {{ batch_events(table_name, 'batch') | indent(8) }}
    ) as change
    where
        -- an update of the primary key comes as a delete and a create
        change.value ->> 'op' in ('c', 'u')
        and (
            {%- for column in columns %}
            {{ 'or ' if not loop.first }}change.value -> 'after' -> '{{ column }}' = {{ json_value("'\"" ~ unavailable_value() ~ "\"'") }}
            {%- endfor %}
        );

    if not found then
        return;
    end if;

    with recursive batch as ({{ newest_load_batch_ranges(table_name) }}),

    -- every change in the batch, without those that repeat an earlier event
    event as materialized (
        select
            raw.kafka_partition,
            raw.kafka_offset,
            raw.key,
            raw.value ->> 'op' as op,
            raw.value -> 'source' ->> 'txId' as transaction_id,
            raw.value -> 'source' ->> 'lsn' as lsn,
            restored.kafka_offset is not null as is_damaged
        from batch
        cross join lateral (
            {{ batch_events(table_name, 'batch') | indent(12) }}
        ) as raw
        left join {{ load_batch_relation('restored_image') }} as restored
            on
                batch.topic = restored.topic
                and raw.kafka_partition = restored.kafka_partition
                and raw.kafka_offset = restored.kafka_offset
        left join {{ load_batch_relation('repeated_event') }} as repeated
            on
                batch.topic = repeated.topic
                and raw.kafka_partition = repeated.kafka_partition
                and raw.kafka_offset = repeated.kafka_offset
        left join {{ load_batch_relation('set_aside_event') }} as set_aside
            on
                batch.topic = set_aside.topic
                and raw.kafka_partition = set_aside.kafka_partition
                and raw.kafka_offset = set_aside.kafka_offset
                and set_aside.loaded_by is null
        where
            raw.value ->> 'op' in ('c', 'u', 'r', 'd')
            and repeated.kafka_offset is null
            and set_aside.kafka_offset is null
    ),

    -- A row whose primary key changed: one record of the source's log deletes the old key and creates the new one.
    key_change as materialized (
        select
            created.kafka_partition,
            created.kafka_offset,
            created.key,
            deleted.kafka_partition as old_partition,
            deleted.kafka_offset as old_offset,
            deleted.key as old_key
        from event as created
        inner join event as deleted
            on
                created.transaction_id = deleted.transaction_id
                and created.lsn = deleted.lsn
        where created.op = 'c' and created.is_damaged and deleted.op = 'd'
    ),

    -- the keys with a missing value, and the keys that their rows had before
    wanted (key) as (
        select event.key
        from event
        where event.is_damaged
        union
        select key_change.old_key
        from wanted
        inner join key_change on wanted.key = key_change.key
    ),

    -- the values of these columns in the batch, by row: a row begins with the event that creates it
    mention as materialized (
        select
            event_value.*,
            max(event_value.kafka_offset) filter (where event_value.is_known) over (
                partition by event_value.kafka_partition, event_value.key, event_value.column_name, event_value.created_offset
                order by event_value.kafka_offset
            ) as known_offset
        from (
            select
                event.kafka_partition,
                event.kafka_offset,
                event.key,
                event.is_damaged,
                long_column.column_name,
                event.op <> 'd' and raw.value -> 'after' -> long_column.column_name <> {{ json_value("'\"" ~ unavailable_value() ~ "\"'") }} as is_known,
                max(event.kafka_offset) filter (where event.op in ('c', 'r')) over (
                    partition by event.kafka_partition, event.key, long_column.column_name
                    order by event.kafka_offset
                ) as created_offset
            from event
            inner join {{ source('staging', table_name) }} as raw
                on
                    event.kafka_partition = raw.kafka_partition
                    and event.kafka_offset = raw.kafka_offset
            cross join unnest(array['{{ columns | join("', '") }}']) as long_column (column_name)
            where event.key in (select wanted.key from wanted)
        ) as event_value
    ),

    -- Trace each missing value through the row's earlier keys, to the event that carries it, or to the key that the
    -- row had before the batch.
    said as (
        select
            mention.kafka_partition as damaged_partition,
            mention.kafka_offset as damaged_offset,
            0 as steps,
            mention.*
        from mention
        where mention.is_damaged and not mention.is_known
        union all
        select
            said.damaged_partition,
            said.damaged_offset,
            said.steps + 1 as steps,
            before.*
        from said
        inner join key_change
            on
                said.kafka_partition = key_change.kafka_partition
                and said.created_offset = key_change.kafka_offset
        inner join mention as before
            on
                key_change.old_partition = before.kafka_partition
                and key_change.old_offset = before.kafka_offset
                and said.column_name = before.column_name
        where said.known_offset is null
    ),

    repaired as (
        select
            said.damaged_partition as kafka_partition,
            said.damaged_offset as kafka_offset,
            jsonb_object_agg(
                said.column_name,
                coalesce(known.value -> 'after' -> said.column_name, loaded.value, 'null'::jsonb)
                -- For a repeated name the last value wins: the end of the trace.
                order by said.steps
            ) as row_image
        from said
        inner join batch on said.kafka_partition = batch.kafka_partition
        left join {{ source('staging', table_name) }} as known
            on
                said.kafka_partition = known.kafka_partition
                and said.known_offset = known.kafka_offset
        left join lateral (
            {{ loaded_long_value(table_name, table) | indent(12) }}
        ) as loaded on said.known_offset is null and said.created_offset is null
        group by said.damaged_partition, said.damaged_offset
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


{#- The value of said.column_name that the key had before the batch, as the source would send it. Read by index from the
    satellite that holds it; null where there is no satellite yet. -#}
{% macro loaded_long_value(table_name, table) %}
    select
        case said.column_name
            {%- for column, satellite in table.meta.long_columns.items() %}
            {%- set node = (graph.nodes.values() | selectattr('name', 'equalto', satellite) | list)[0] -%}
            {%- set relation = adapter.get_relation(node.database, node.schema, node.alias) %}
            when '{{ column }}' then
                {%- if relation %} (
                    select to_jsonb(version.{{ column }}::text)
                    from {{ relation }} as version
                    where
                        version.{{ table.meta.hash_key }} = {{ key_hash(table, 'said.key') }}
                        and version.load_date <= batch.from_load_date
                    order by version.load_date desc
                    limit 1
                )
                {%- else %} null::jsonb
                {%- endif %}
            {%- endfor %}
        end as value
{% endmacro %}


{#- The hash key of the business key in the JSON of an event's key. -#}
{% macro key_hash(table, key) -%}
    {%- set columns = table.meta.primary_key -%}
    (
        select {{ automate_dv.hash(columns=columns[0] if columns | length == 1 else columns, alias='hash_key') }}
        from (
            select
                {%- for column in columns %}
                {%- set value = "(" ~ key ~ " ->> '" ~ column ~ "')" %}
                {{ business_key(value) if table.meta.columns[column] == 'text' else value }} as {{ column }}{{ ',' if not loop.last }}
                {%- endfor %}
        ) as business_key
    )
{%- endmacro %}


{#- The ranges of the newest load batch (the open one, else the last closed) in the topic of a table. -#}
{% macro newest_load_batch_ranges(table_name) -%}
    select newest.*
    from {{ load_batch_relation('load_batch_range') }} as newest
    where
        newest.load_batch_id = (select max(batch.load_batch_id) from {{ load_batch_relation('load_batch') }} as batch)
        and newest.topic = '{{ cdc_topic(table_name) }}'
{%- endmacro %}
