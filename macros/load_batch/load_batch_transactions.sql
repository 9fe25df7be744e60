{#- The transactions of the landed events, and which of them a batch must not include yet.
    See _load_batch__macros.yml. -#}
{% macro load_batch_transactions() %}
{%- set transaction_topic = cdc_topic('transaction') -%}
with announced as (
    {{ load_batch_announced() | indent(4) }}
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

refused as (
    select
        letter.transaction_id,
        letter.topic,
        count(*) as event_count
    from load_batch_letter as letter
    group by letter.transaction_id, letter.topic
),

-- Missing events of transactions, in the tables that are loaded.
lacking as (
    select distinct expected.transaction_id
    from announced as expected
    left join counted
        on
            expected.transaction_id = counted.transaction_id
            and expected.topic = counted.topic
    left join refused
        on
            expected.transaction_id = refused.transaction_id
            and expected.topic = refused.topic
    where coalesce(counted.event_count, 0) + coalesce(refused.event_count, 0) < expected.event_count
),

-- A partly repeated transaction was fully loaded earlier.
seen as (
    select distinct change.transaction_id
    from load_batch_change as change
    inner join {{ load_batch_relation('repeated_event') }} as repeated
        on
            change.topic = repeated.topic
            and change.kafka_partition = repeated.kafka_partition
            and change.kafka_offset = repeated.kafka_offset
    where change.occurrence = 1
    {%- if flags.FULL_REFRESH and load_batch_removed_event_exists() %}

    union

    -- So was what an earlier batch read. Retention may have removed its other events, or its END: of a table it
    -- keeps more than of the transactions where an event that was set aside waits for a decision.
    select change.transaction_id
    from load_batch_change as change
    inner join {{ load_batch_relation('load_batch_range') }} as earlier
        on
            change.topic = earlier.topic
            and change.kafka_partition = earlier.kafka_partition
            and change.kafka_offset < earlier.to_offset
    where
        earlier.load_batch_id = (
            select max(loaded.load_batch_id)
            from {{ load_batch_relation('load_batch') }} as loaded
            where loaded.outcome = 'loaded'
        )
    {%- endif %}
),

landed as (
    select
        change.transaction_id,
        coalesce(
            min(change.kafka_offset) filter (where change.topic = '{{ transaction_topic }}' and change.total_order = -1),
            min(change.kafka_offset) filter (where change.topic = '{{ transaction_topic }}')
        ) as place,
        coalesce(bool_or(change.topic = '{{ transaction_topic }}' and change.total_order = -1), false) as has_ended,
        min(change.landed_at) as first_landed_at,
        max(change.landed_at) as last_landed_at
    from load_batch_change as change
    where change.transaction_id is not null
    group by change.transaction_id
),

known as (
    select
        landed.*,
        seen.transaction_id is not null
        or (landed.has_ended and lacking.transaction_id is null) as is_whole,
        remembered.transaction_id is not null as was_taken
    from landed
    left join seen on landed.transaction_id = seen.transaction_id
    left join lacking on landed.transaction_id = lacking.transaction_id
    -- lateral with offset 0: a look-up each, however many are remembered
    left join lateral (
        select incomplete.transaction_id
        from {{ load_batch_relation('incomplete_transaction') }} as incomplete
        where incomplete.transaction_id = landed.transaction_id
        limit 1
        offset 0
    ) as remembered on true
),

-- A transaction that was included in part is not held back again: its waiting time is over.
judged as (
    select
        known.*,
        not known.is_whole
        and not known.was_taken
        and known.last_landed_at > now() - interval '{{ var("transaction_patience") }}' as is_awaited
    from known
)

-- Transactions are in order in the transaction topic, so the first one that is waited for ends the
-- batch for all tables.
select
    judged.*,
    judged.is_awaited
    or coalesce(judged.place > min(judged.place) filter (where judged.is_awaited) over (), false) as is_held
from judged
{% endmacro %}


{#- How many events the ENDs that have landed announce, per transaction and topic that is loaded. -#}
{% macro load_batch_announced() -%}
select
    change.transaction_id,
    '{{ var("topic_prefix") }}.' || announced.data_collection as topic,
    max(announced.event_count) as event_count,
    min(change.kafka_offset) as end_offset
from load_batch_landed as landed
-- lateral with offset 0: one primary-key range scan, whatever the statistics say
cross join lateral (
    select
        raw.kafka_partition,
        raw.kafka_offset,
        nullif(raw.value -> 'data_collections', 'null') as data_collections
    from {{ source('staging', 'transaction') }} as raw
    where
        raw.kafka_partition = landed.kafka_partition
        and raw.kafka_offset >= landed.from_offset
        and raw.kafka_offset < landed.next_offset
    offset 0
) as marker
inner join load_batch_change as change
    on
        landed.topic = change.topic
        and marker.kafka_partition = change.kafka_partition
        and marker.kafka_offset = change.kafka_offset
-- the condition selects END events only
cross join lateral jsonb_to_recordset(case change.total_order when -1 then marker.data_collections end)
    as announced (data_collection text, event_count bigint)
where
    landed.topic = '{{ cdc_topic("transaction") }}'
    and change.total_order = -1
    and '{{ var("topic_prefix") }}.' || announced.data_collection in (
        {%- for table_name in load_batch_tables() %}
        '{{ cdc_topic(table_name) }}'{{ ',' if not loop.last }}
        {%- endfor %}
    )
group by change.transaction_id, announced.data_collection
{%- endmacro %}


{#- Dead letters of the landed transactions: they count as landed. jsonb refused them, but their text contains the
    transaction's id (quotes within values are escaped); a message that something else wrote into the topic has none.
    Those right before the batch belong to a transaction that was held back. -#}
{% macro load_batch_letters() %}
select
    letter.topic,
    letter.kafka_partition,
    letter.kafka_offset,
    letter.transaction_id
from (
    {%- for table_name in load_batch_tables() %}
    select
        refused.topic,
        refused.kafka_partition,
        refused.kafka_offset,
        substring(encode(refused.value, 'escape') from '"transaction": ?{"id": ?"(\d{1,18}):')::bigint as transaction_id
    from load_batch_landed as landed
    inner join {{ source('staging_control', 'dead_letter') }} as refused
        on
            landed.topic = refused.topic
            and landed.kafka_partition = refused.kafka_partition
            and landed.next_offset > refused.kafka_offset
    where
        landed.topic = '{{ cdc_topic(table_name) }}'
        -- replayed ones are in the staging table and counted there
        and coalesce(refused.resolution, 'discarded') = 'discarded'
        and refused.kafka_offset > coalesce({{ last_change_before(table_name, 'landed') | indent(8) }}, -1)
    {{ 'union all' if not loop.last }}
    {%- endfor %}
) as letter
where letter.transaction_id is not null
{% endmacro %}


{#- Whether retention has ever removed raw events. -#}
{% macro load_batch_removed_event_exists() %}
    {{ return(adapter.get_relation(target.database, 'staging', 'removed_event') is not none) }}
{% endmacro %}
