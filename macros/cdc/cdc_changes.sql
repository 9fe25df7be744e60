{#- The change events of a source table in the newest load batch, one row per event, in the order in
    which they happened. See _cdc__macros.yml. -#}
{% macro cdc_changes(table_name) %}
{%- set load_date_us -%}
            numbered.transaction_ordinal
            + greatest(
                max(numbered.commit_us - numbered.transaction_ordinal) over in_order,
                numbered.from_load_date_us
            )
{%- endset -%}
{%- set source_of = json_member('change.value', 'source') -%}
select
    event.kafka_partition,
    event.kafka_offset,
    event.source_lsn,
    event.op in ('d', 't') as is_deleted,
    event.op = 't' as is_truncated,
    event.row_image,
    -- The load date: the commit time, moved so that it is strictly later than that of the previous transaction in the
    -- partition. With commit times t and transaction ordinals i: load_date(i) = i + max over j <= i of (t(j) - j), in
    -- microseconds, continued from the previous batch.
    {{ moment_of_microseconds('event.load_date_us') | indent(4) }} as load_date
from (
    select
        numbered.*,
        {{ cast_to(load_date_us, 'bigint') }} as load_date_us
    from (
        select
            ordered.*,
            sum(ordered.begins_transaction) over in_order as transaction_ordinal
        from (
            select
                landed.*,
                case
                    when
                        landed.transaction_id is distinct from
                        lag(landed.transaction_id, 1, landed.transaction_before) over in_order
                        then 1
                    else 0
                end as begins_transaction
            from (
                select
                    change.kafka_partition,
                    change.kafka_offset,
                    {{ json_text('change.value', 'op') }} as op,
                    {{ transaction_of('change') }} as transaction_id,
                    batch.transaction_before,
                    {{ cast_to(json_text(source_of, 'ts_us'), 'bigint') }} as commit_us,
                    {{ cast_to(json_text(source_of, 'lsn'), 'bigint') }} as source_lsn,
                    -- Of a deleted row only the primary key: Debezium fills the other columns with placeholders.
                    case
                        when {{ json_text('change.value', 'op') }} = 'd' then {{ key_image(table_name, 'change') }}
                        else coalesce(restored.row_image, {{ json_member('change.value', 'after') }})
                    end as row_image,
                    {{ microseconds_of('batch.from_load_date') }} as from_load_date_us
                from (
                    select
                        batch_range.*,
                        -- a snapshot that began in the previous batch continues as one transaction, and so do the deletes of a resync
                        (
                            select {{ transaction_of('raw') }}
                            from {{ source('staging', table_name) }} as raw
                            where
                                raw.kafka_partition = batch_range.kafka_partition
                                and raw.kafka_offset = {{ last_change_before(table_name, 'batch_range') | indent(32) }}
                                and ({{ json_text('raw.value', 'op') }} = 'r' or {{ json_text(json_member('raw.value', 'source'), 'txId') }} is null)
                        ) as transaction_before
                    from {{ load_batch_relation('load_batch_range') }} as batch_range
                ) as batch
                cross join lateral (
                    {{ batch_events(table_name, 'batch') | indent(20) }}
                ) as change
                -- an event lacks a long value that did not change: here it is put back
                left join {{ load_batch_relation('restored_image') }} as restored
                    on
                        batch.topic = restored.topic
                        and change.kafka_partition = restored.kafka_partition
                        and change.kafka_offset = restored.kafka_offset
                -- an event that repeats an earlier one adds no history
                left join {{ load_batch_relation('repeated_event') }} as repeated
                    on
                        batch.topic = repeated.topic
                        and change.kafka_partition = repeated.kafka_partition
                        and change.kafka_offset = repeated.kafka_offset
                -- nor does an event that was set aside
                left join {{ load_batch_relation('set_aside_event') }} as set_aside
                    on
                        batch.topic = set_aside.topic
                        and change.kafka_partition = set_aside.kafka_partition
                        and change.kafka_offset = set_aside.kafka_offset
                        and set_aside.loaded_by is null
                where
                    batch.load_batch_id = (
                        select max(newest.load_batch_id) from {{ load_batch_relation('load_batch') }} as newest
                    )
                    and batch.topic = '{{ cdc_topic(table_name) }}'
                    -- A tombstone is for Kafka's log compaction; the delete itself is the event before it.
                    and change.value is not null
                    and repeated.kafka_offset is null
                    and set_aside.kafka_offset is null
            ) as landed
            window in_order as (partition by landed.kafka_partition order by landed.kafka_offset)
        ) as ordered
        window in_order as (partition by ordered.kafka_partition order by ordered.kafka_offset)
    ) as numbered
    window in_order as (partition by numbered.kafka_partition order by numbered.kafka_offset)
) as event
{% endmacro %}


{#- The events of a batch in one partition: those of its range, and those that were set aside before and are loaded with
    it. A lateral subquery of a row of load_batch_range. -#}
{% macro batch_events(table_name, batch) -%}
(
    -- planned apart: one primary-key range scan per partition, whatever the statistics say
    select
        raw.kafka_partition,
        raw.kafka_offset,
        raw.key,
        raw.value
    from {{ source('staging', table_name) }} as raw
    where
        raw.kafka_partition = {{ batch }}.kafka_partition
        and raw.kafka_offset >= {{ batch }}.from_offset
        and raw.kafka_offset < {{ batch }}.to_offset
    {{ planned_apart() }}
)
union all
(
    select
        raw.kafka_partition,
        raw.kafka_offset,
        raw.key,
        raw.value
    from {{ load_batch_relation('set_aside_event') }} as replayed
    inner join {{ source('staging', table_name) }} as raw
        on
            replayed.kafka_partition = raw.kafka_partition
            and replayed.kafka_offset = raw.kafka_offset
    where
        replayed.topic = {{ batch }}.topic
        and replayed.kafka_partition = {{ batch }}.kafka_partition
        and replayed.loaded_by = {{ batch }}.load_batch_id
        and replayed.kafka_offset < {{ batch }}.from_offset
    {{ planned_apart() }}
)
{%- endmacro %}


{#- The primary key of a deleted row, as JSON. -#}
{% macro key_image(table_name, event) -%}
    {%- set before = json_member(event ~ '.value', 'before') -%}
    {%- if execute -%}
        {%- set members = {} -%}
        {%- for column in load_batch_source(table_name).meta.primary_key -%}
            {%- do members.update({column: json_member(before, column)}) -%}
        {%- endfor -%}
        {{ json_object(members) }}
    {%- else -%}
        {{ before }}
    {%- endif -%}
{%- endmacro %}


{#- The transaction of an event. All rows of a snapshot count as one transaction, and so do the deletes of a resync, which
    have none. -#}
{% macro transaction_of(event) -%}
    case when {{ json_text(event ~ '.value', 'op') }} = 'r' then 'snapshot ' else '' end
    || coalesce({{ json_text(json_member(event ~ '.value', 'source'), 'txId') }}, '')
{%- endmacro %}


{#- The offset of the newest event, tombstones aside, that lies before a range: a row with kafka_partition and from_offset. -#}
{% macro last_change_before(table_name, range) -%}
(
    select max(earlier.kafka_offset)
    from {{ source('staging', table_name) }} as earlier
    where
        earlier.kafka_partition = {{ range }}.kafka_partition
        and earlier.kafka_offset < {{ range }}.from_offset
        and earlier.value is not null
)
{%- endmacro %}
