{#- The ranges of offsets of the batch just opened: from where the last loaded batch ended up to what has
    landed, cut so that no source transaction is split. See _load_batch__macros.yml. -#}
{% macro load_batch_ranges() %}
{%- set transaction_topic = 'airline.transaction' -%}
with opened as (
    select
        batch.load_batch_id,
        batch.is_full_refresh
    from {{ load_batch_relation('load_batch') }} as batch
    where
        batch.closed_at is null
        and not exists (
            select 1
            from {{ load_batch_relation('load_batch_range') }} as present
            where present.load_batch_id = batch.load_batch_id
        )
),

loaded as (
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
        and not (select opened.is_full_refresh from opened)
),

-- One statement, one snapshot: offsets move in the transaction that lands their rows.
landed as (
    select
        position.topic,
        position.kafka_partition,
        coalesce(loaded.to_offset, 0) as from_offset,
        position.next_offset,
        loaded.to_load_date as from_load_date
    from {{ source('staging_control', 'ingest_offset') }} as position
    left join loaded
        on
            position.topic = loaded.topic
            and position.kafka_partition = loaded.kafka_partition
),

changes as (
    {%- for table_name in load_batch_tables() %}
    select
        landed.topic,
        change.kafka_partition,
        change.kafka_offset,
        change.transaction_id,
        change.landed_at
    from landed
    cross join lateral (
        select
            raw.kafka_partition,
            raw.kafka_offset,
            raw.landed_at,
            raw.value -> 'source' ->> 'txId' as transaction_id
        from {{ source('staging', table_name) }} as raw
        where
            raw.kafka_partition = landed.kafka_partition
            and raw.kafka_offset >= landed.from_offset
            and raw.kafka_offset < landed.next_offset
            -- rows of a snapshot belong to no transaction
            and jsonb_typeof(raw.value -> 'transaction') = 'object'
        offset 0
    ) as change
    where landed.topic = '{{ cdc_topic(table_name) }}'
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

-- END of a transaction says how many events it has in each table.
ends as (
    select
        raw.kafka_offset as end_offset,
        raw.landed_at,
        split_part(raw.value ->> 'id', ':', 1) as transaction_id,
        raw.value -> 'data_collections' as data_collections
    from landed
    inner join {{ source('staging', 'transaction') }} as raw
        on
            landed.kafka_partition = raw.kafka_partition
            and landed.from_offset <= raw.kafka_offset
            and landed.next_offset > raw.kafka_offset
    where
        landed.topic = '{{ transaction_topic }}'
        and raw.value ->> 'status' = 'END'
),

counted as (
    select
        changes.transaction_id,
        changes.topic,
        count(*) as event_count
    from changes
    group by changes.transaction_id, changes.topic
),

-- Transactions come one after the other in the transaction topic, so the first one that has not landed
-- whole ends the batch for all tables. Ten minutes later it is taken as it is: better in two batches than
-- a load that waits for ever.
first_incomplete as (
    select min(ends.end_offset) as end_offset
    from ends
    cross join lateral jsonb_to_recordset(ends.data_collections) as expected (
        data_collection text, event_count bigint
    )
    inner join landed on landed.topic = 'airline.' || expected.data_collection and landed.kafka_partition = 0
    left join counted
        on
            ends.transaction_id = counted.transaction_id
            and landed.topic = counted.topic
    where
        coalesce(counted.event_count, 0) < expected.event_count
        and ends.landed_at > now() - interval '10 minutes'
),

whole as (
    select distinct ends.transaction_id
    from ends
    cross join first_incomplete
    where first_incomplete.end_offset is null or ends.end_offset < first_incomplete.end_offset
),

cuts as (
    select
        changes.topic,
        changes.kafka_partition,
        min(changes.kafka_offset) as to_offset
    from changes
    left join whole on changes.transaction_id = whole.transaction_id
    where
        whole.transaction_id is null
        and changes.landed_at > now() - interval '10 minutes'
    group by changes.topic, changes.kafka_partition

    union all

    select
        '{{ transaction_topic }}' as topic,
        0 as kafka_partition,
        first_incomplete.end_offset as to_offset
    from first_incomplete
    where first_incomplete.end_offset is not null
)

select
    opened.load_batch_id,
    landed.topic,
    landed.kafka_partition,
    landed.from_offset,
    coalesce(cuts.to_offset, landed.next_offset) as to_offset,
    landed.from_load_date
from opened
cross join landed
left join cuts
    on
        landed.topic = cuts.topic
        and landed.kafka_partition = cuts.kafka_partition
{% endmacro %}
