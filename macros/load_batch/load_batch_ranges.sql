{#- The ranges of offsets of the batch just opened: from where the last loaded batch ended up to what has
    landed, cut so that no source transaction is split. See _load_batch__macros.yml. -#}
{% macro load_batch_ranges() %}
{%- set transaction_topic = load_batch_topic('transaction') | trim -%}
{%- set patience = "interval '" ~ var('transaction_patience') ~ "'" -%}
with landed as (
    select * from load_batch_landed
),

-- END of a transaction says how many events it has in each table.
ends as (
    select
        raw.kafka_offset as end_offset,
        raw.landed_at,
        split_part(raw.value ->> 'id', ':', 1)::bigint as transaction_id,
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

-- Debezium, started again within a transaction, counts it anew from somewhere before: more events then come than
-- END says, and the one that comes last has the number that END says.
counted as (
    select
        change.transaction_id,
        change.topic,
        least(
            count(*) filter (where change.occurrence = 1),
            (max(array[change.lsn, change.table_order]))[2]
        ) as event_count
    from load_batch_change as change
    where change.topic <> '{{ transaction_topic }}'
    group by change.transaction_id, change.topic
),

-- What comes again in part was loaded whole before.
seen as (
    select distinct change.transaction_id
    from load_batch_change as change
    inner join {{ load_batch_relation('repeated_event') }} as repeated
        on
            change.topic = repeated.topic
            and change.kafka_partition = repeated.kafka_partition
            and change.kafka_offset = repeated.kafka_offset
    where change.occurrence = 1
),

-- A dead letter has landed as well. jsonb refused it, but as text it says of which transaction it is (a quote within
-- a value of it is escaped); what somebody else wrote into the topic is of none. Those right before the batch are
-- of a transaction that waited.
letters as (
    {%- for table_name in load_batch_tables() %}
    select
        landed.topic,
        substring(encode(letter.value, 'escape') from '"transaction": ?{"id": ?"(\d+):')::bigint as transaction_id
    from landed
    inner join {{ source('staging_control', 'dead_letter') }} as letter
        on
            landed.topic = letter.topic
            and landed.kafka_partition = letter.kafka_partition
            and landed.next_offset > letter.kafka_offset
    where
        landed.topic = '{{ load_batch_topic(table_name) | trim }}'
        -- replayed ones are counted with the other events
        and coalesce(letter.resolution, 'discarded') = 'discarded'
        and letter.kafka_offset > coalesce({{ last_change_before(table_name, 'landed') | indent(8) }}, -1)
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

refused as (
    select
        letters.transaction_id,
        letters.topic,
        count(*) as event_count
    from letters
    group by letters.transaction_id, letters.topic
),

-- What transactions lack of the tables that are loaded.
lacking as (
    select
        ends.end_offset,
        ends.landed_at
    from ends
    cross join lateral (
        select
            'airline.' || told.data_collection as topic,
            told.event_count
        from jsonb_to_recordset(ends.data_collections) as told (data_collection text, event_count bigint)
    ) as expected
    left join counted
        on
            ends.transaction_id = counted.transaction_id
            and expected.topic = counted.topic
    left join refused
        on
            ends.transaction_id = refused.transaction_id
            and expected.topic = refused.topic
    where
        expected.topic in (
            {%- for table_name in load_batch_tables() %}
            '{{ load_batch_topic(table_name) | trim }}'{{ ',' if not loop.last }}
            {%- endfor %}
        )
        and coalesce(counted.event_count, 0) + coalesce(refused.event_count, 0) < expected.event_count
        and ends.transaction_id not in (select seen.transaction_id from seen)
),

-- Transactions come one after the other in the transaction topic, so the first one that has not landed
-- whole ends the batch for all tables. After a while it is taken as it is: better in two batches than a
-- load that waits for ever.
first_incomplete as (
    select min(lacking.end_offset) as end_offset
    from lacking
    where lacking.landed_at > now() - {{ patience }}
),

whole as (
    select seen.transaction_id
    from seen

    union

    select ends.transaction_id
    from ends
    cross join first_incomplete
    where first_incomplete.end_offset is null or ends.end_offset < first_incomplete.end_offset
),

cuts as (
    select
        change.topic,
        change.kafka_partition,
        min(change.kafka_offset) as to_offset
    from load_batch_change as change
    left join whole on change.transaction_id = whole.transaction_id
    where
        whole.transaction_id is null
        and change.topic <> '{{ transaction_topic }}'
        and change.landed_at > now() - {{ patience }}
    group by change.topic, change.kafka_partition

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
from {{ load_batch_relation('load_batch') }} as opened
cross join landed
left join cuts
    on
        landed.topic = cuts.topic
        and landed.kafka_partition = cuts.kafka_partition
where opened.closed_at is null
{% endmacro %}
