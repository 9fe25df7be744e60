{#- Identity and place of each streamed change event from the end of the last loaded batch up to what has landed: one pass
    over the JSON for everything that opening a batch needs. See _load_batch__macros.yml. -#}
{% macro load_batch_changes() %}
{%- for table_name in load_batch_tables() + ['transaction'] %}
select
    landed.topic,
    landed.from_offset,
    change.kafka_partition,
    change.kafka_offset,
    change.landed_at,
    change.transaction_id,
    change.total_order,
    change.table_order,
    change.lsn,
    -- above 1: repeats another event of this batch; the first one can be loaded, if any of them can
    row_number() over (
        partition by change.kafka_partition, change.transaction_id, change.total_order, change.lsn
        order by change.is_set_aside, change.kafka_offset
    ) as occurrence
from load_batch_landed as landed
-- lateral with offset 0 forces one primary-key range scan per partition, independent of statistics
cross join lateral (
    select
        raw.kafka_partition,
        raw.kafka_offset,
        raw.landed_at,
        {{ event_identity(table_name, 'raw') | indent(8) }},
        -- its number among the events of its table in the transaction
        (raw.value -> 'transaction' ->> 'data_collection_order')::bigint as table_order,
        -- set aside, but landed: it counts
        set_aside.kafka_offset is not null as is_set_aside
    from {{ source('staging', table_name) }} as raw
    left join {{ load_batch_relation('set_aside_event') }} as set_aside
        on
            set_aside.topic = '{{ cdc_topic(table_name) }}'
            and raw.kafka_partition = set_aside.kafka_partition
            and raw.kafka_offset = set_aside.kafka_offset
    where
        raw.kafka_partition = landed.kafka_partition
        and raw.kafka_offset >= landed.from_offset
        and raw.kafka_offset < landed.next_offset
        and raw.value is not null
        -- An event that is not set aside was examined: it has a place in its transaction, or is a snapshot row.
        and case
            when set_aside.kafka_offset is not null then {{ has_identity(table_name, 'raw') | indent(12) }}
            else {{ 'true' if table_name == 'transaction' else "jsonb_typeof(raw.value -> 'transaction') = 'object'" }}
        end
    offset 0
) as change
where landed.topic = '{{ cdc_topic(table_name) }}'
{{ 'union all' if not loop.last }}
{%- endfor %}
{% endmacro %}


{#- Per topic and partition: the range from the end of the last loaded batch up to what has landed. A temporary table, so
    that every statement of the transaction that opens the batch uses the same range. Stored offsets move in the
    transaction that lands their rows, so all events of the range are visible. -#}
{% macro load_batch_landed() %}
select
    position.topic,
    position.kafka_partition,
    coalesce(loaded.to_offset, 0) as from_offset,
    position.next_offset,
    loaded.to_load_date as from_load_date
from {{ source('staging_control', 'ingest_offset') }} as position
left join (
    select
        finished.topic,
        finished.kafka_partition,
        finished.to_offset,
        finished.to_load_date
    from {{ load_batch_relation('load_batch_range') }} as finished
    where
        finished.load_batch_id = (
            select max(batch.load_batch_id)
            from {{ load_batch_relation('load_batch') }} as batch
            where batch.outcome = 'loaded'
        )
        and not {{ flags.FULL_REFRESH }}
) as loaded
    on
        position.topic = loaded.topic
        and position.kafka_partition = loaded.kafka_partition
{%- endmacro %}


{#- The identity of an event of a streamed transaction, by which a repetition is recognised, and its position in the
    source's log. In the transaction topic: BEGIN (place 0) and END (place -1). -#}
{% macro event_identity(table_name, event) -%}
{%- if table_name == 'transaction' -%}
split_part({{ event }}.value ->> 'id', ':', 1)::bigint as transaction_id,
case {{ event }}.value ->> 'status' when 'BEGIN' then 0 when 'END' then -1 end::bigint as total_order,
nullif(split_part({{ event }}.value ->> 'id', ':', 2), '')::bigint as lsn
{%- else -%}
({{ event }}.value -> 'source' ->> 'txId')::bigint as transaction_id,
({{ event }}.value -> 'transaction' ->> 'total_order')::bigint as total_order,
({{ event }}.value -> 'source' ->> 'lsn')::bigint as lsn
{%- endif -%}
{%- endmacro %}
