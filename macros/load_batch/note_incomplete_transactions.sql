{#- Records the transactions that the new batch includes although events of them are missing, and settles earlier ones
    whose missing events it contains. See _load_batch__macros.yml. -#}
{% macro note_incomplete_transactions() %}
{%- set incomplete_transaction = load_batch_relation('incomplete_transaction') -%}
{%- set transaction_topic = cdc_topic('transaction') -%}
if exists (
    select from load_batch_transaction as part
    where not part.is_held and (part.was_taken or not part.is_whole)
) then
    insert into {{ incomplete_transaction }} as known (
        transaction_id, topic, events_announced, events_landed, events_refused, last_event,
        first_progress_at, last_progress_at, load_batch_id, settled_at, settled_by
    )
    with taken as (
        select
            change.*,
            change.occurrence > 1 or repeated.kafka_offset is not null as is_repeated
        from load_batch_change as change
        inner join load_batch_transaction as part
            on
                change.transaction_id = part.transaction_id
                and not part.is_held
                and (part.was_taken or not part.is_whole)
        inner join {{ load_batch_relation('load_batch_range') }} as batch_range
            on
                batch_range.load_batch_id = batch_id
                and change.topic = batch_range.topic
                and change.kafka_partition = batch_range.kafka_partition
                and change.kafka_offset < batch_range.to_offset
        left join {{ load_batch_relation('repeated_event') }} as repeated
            on
                change.topic = repeated.topic
                and change.kafka_partition = repeated.kafka_partition
                and change.kafka_offset = repeated.kafka_offset
    ),

    progress as (
        select
            taken.transaction_id,
            min(taken.landed_at) as first_at,
            max(taken.landed_at) as last_at
        from taken
        group by taken.transaction_id
    ),

    -- The END that a resync writes announces no events, so it does not bring what is missing.
    ended as (
        select distinct taken.transaction_id
        from taken
        -- lateral with offset 0 forces an index look-up each
        cross join lateral (
            select raw.value ->> 'connector' as connector
            from {{ source('staging', 'transaction') }} as raw
            where
                raw.kafka_partition = taken.kafka_partition
                and raw.kafka_offset = taken.kafka_offset
            offset 0
        ) as marker
        where
            taken.topic = '{{ transaction_topic }}'
            and taken.total_order = -1
            and marker.connector is distinct from 'airline-resync'
    ),

    announced as (
        select counted.*
        from ({{ load_batch_announced() | indent(8) }}) as counted
        inner join ended on counted.transaction_id = ended.transaction_id
    ),

    landed as (
        select
            taken.transaction_id,
            taken.topic,
            count(*) filter (where not taken.is_repeated) as event_count,
            max(array[taken.lsn, taken.table_order]) as last_event
        from taken
        where taken.topic <> '{{ transaction_topic }}'
        group by taken.transaction_id, taken.topic
    ),

    refused as (
        select
            letter.transaction_id,
            letter.topic,
            count(*) as event_count
        from load_batch_letter as letter
        inner join load_batch_transaction as part on letter.transaction_id = part.transaction_id
        inner join {{ load_batch_relation('load_batch_range') }} as batch_range
            on
                batch_range.load_batch_id = batch_id
                and letter.topic = batch_range.topic
                and letter.kafka_partition = batch_range.kafka_partition
                and letter.kafka_offset < batch_range.to_offset
                -- a dead letter before the batch was counted when its transaction was first included
                and (letter.kafka_offset >= batch_range.from_offset or not part.was_taken)
        group by letter.transaction_id, letter.topic
    ),

    remembered as (
        select earlier.*
        from progress
        -- lateral with offset 0 forces an index look-up each, however many are recorded
        cross join lateral (
            select held.*
            from {{ incomplete_transaction }} as held
            where held.transaction_id = progress.transaction_id
            offset 0
        ) as earlier
    ),

    place as (
        select landed.transaction_id, landed.topic from landed
        union
        select refused.transaction_id, refused.topic from refused
        union
        select announced.transaction_id, announced.topic from announced
        union
        select remembered.transaction_id, remembered.topic from remembered
        union
        -- stands for an END that did not come
        select progress.transaction_id, '{{ transaction_topic }}' as topic from progress
    ),

    summed as (
        select
            place.transaction_id,
            place.topic,
            remembered.transaction_id is not null as was_remembered,
            {%- if flags.FULL_REFRESH %}
            -- a full refresh counts from the first event, and retention may have removed some
            greatest(remembered.events_landed, coalesce(landed.event_count, 0) + coalesce(refused.event_count, 0))
            as events_landed,
            coalesce(refused.event_count, 0) as events_refused,
            {%- else %}
            coalesce(remembered.events_landed, 0) + coalesce(landed.event_count, 0) + coalesce(refused.event_count, 0)
            as events_landed,
            coalesce(remembered.events_refused, 0) + coalesce(refused.event_count, 0) as events_refused,
            {%- endif %}
            greatest(remembered.last_event, landed.last_event) as last_event,
            least(remembered.first_progress_at, progress.first_at) as first_progress_at,
            greatest(remembered.last_progress_at, progress.last_at) as last_progress_at,
            ended.transaction_id is not null as ends_now,
            exists (
                select from remembered as sibling
                where
                    sibling.transaction_id = place.transaction_id
                    and (
                        sibling.events_announced is not null
                        or (sibling.topic = '{{ transaction_topic }}' and sibling.settled_by = 'arrived')
                    )
            ) as had_ended,
            coalesce(announced.event_count, remembered.events_announced) as events_announced
        from place
        inner join progress on place.transaction_id = progress.transaction_id
        left join ended on place.transaction_id = ended.transaction_id
        left join announced on place.transaction_id = announced.transaction_id and place.topic = announced.topic
        left join landed on place.transaction_id = landed.transaction_id and place.topic = landed.topic
        left join refused on place.transaction_id = refused.transaction_id and place.topic = refused.topic
        left join remembered on place.transaction_id = remembered.transaction_id and place.topic = remembered.topic
    ),

    judged as (
        select
            summed.*,
            case
                when not summed.ends_now and not summed.had_ended then true
                -- its END came earlier: a transaction that was incomplete then has a row already
                when summed.had_ended and not summed.was_remembered then false
                -- see load_batch_transactions: events sent again make more than END announces
                else least(summed.events_landed - summed.events_refused, summed.last_event[2]) + summed.events_refused
                    < coalesce(summed.events_announced, 0)
            end as is_lacking
        from summed
    )

    select
        judged.transaction_id,
        judged.topic,
        judged.events_announced,
        judged.events_landed,
        judged.events_refused,
        judged.last_event,
        judged.first_progress_at,
        judged.last_progress_at,
        batch_id as load_batch_id,
        case when not judged.is_lacking then now() end as settled_at,
        case when not judged.is_lacking then 'arrived' end as settled_by
    from judged
    where judged.is_lacking or judged.was_remembered
    on conflict (transaction_id, topic) do update
    set
        events_announced = excluded.events_announced,
        events_landed = excluded.events_landed,
        events_refused = excluded.events_refused,
        last_event = excluded.last_event,
        first_progress_at = excluded.first_progress_at,
        last_progress_at = excluded.last_progress_at,
        load_batch_id = excluded.load_batch_id,
        settled_at = excluded.settled_at,
        settled_by = excluded.settled_by
    where known.settled_at is null;
end if;
{% endmacro %}
