{#- Records which landed events repeat an earlier one. See _load_batch__macros.yml. -#}
{% macro note_repeated_events() %}
{%- set landed_lsn = load_batch_relation('landed_lsn') -%}
{%- set repeated_event = load_batch_relation('repeated_event') -%}
insert into {{ repeated_event }} (topic, kafka_partition, kafka_offset)
select change.topic, change.kafka_partition, change.kafka_offset
from load_batch_change as change
where change.occurrence > 1
on conflict do nothing;

-- An event that was sent before this batch has a log position that the topic had reached by then. Interleaved
-- transactions add false candidates; the identity join removes them.
create temporary table load_batch_suspect on commit drop as
select change.*
from load_batch_change as change
inner join (
    select mark.topic, mark.kafka_partition, max(mark.max_lsn) as max_lsn
    from {{ landed_lsn }} as mark
    group by mark.topic, mark.kafka_partition
) as reached
    on
        change.topic = reached.topic
        and change.kafka_partition = reached.kafka_partition
        and change.lsn <= reached.max_lsn;

if exists (select from load_batch_suspect) then
    {%- for table_name in load_batch_tables() + ['transaction'] %}
    insert into {{ repeated_event }} (topic, kafka_partition, kafka_offset)
    select distinct suspect.topic, suspect.kafka_partition, suspect.kafka_offset
    from (
        select distinct mark.kafka_partition, mark.chunk, member.from_offset
        from load_batch_suspect as member
        inner join {{ landed_lsn }} as mark
            on
                member.topic = mark.topic
                and member.kafka_partition = mark.kafka_partition
                and member.lsn between mark.min_lsn and mark.max_lsn
        where member.topic = '{{ cdc_topic(table_name) }}'
    ) as chunk
    cross join lateral (
        select
            {{ event_identity(table_name, 'raw') | indent(12) }}
        from {{ source('staging', table_name) }} as raw
        where
            raw.kafka_partition = chunk.kafka_partition
            and raw.kafka_offset >= chunk.chunk * {{ landed_lsn_chunk() }}
            and raw.kafka_offset < least((chunk.chunk + 1) * {{ landed_lsn_chunk() }}, chunk.from_offset)
            and {{ has_identity(table_name, 'raw') | indent(12) }}
            -- an event that was set aside was not loaded, so one that repeats it counts as the first
            and not exists (
                select from {{ load_batch_relation('set_aside_event') }} as known
                where
                    known.topic = '{{ cdc_topic(table_name) }}'
                    and known.kafka_partition = raw.kafka_partition
                    and known.kafka_offset = raw.kafka_offset
            )
        offset 0
    ) as earlier
    inner join load_batch_suspect as suspect
        on
            suspect.topic = '{{ cdc_topic(table_name) }}'
            and chunk.kafka_partition = suspect.kafka_partition
            and earlier.lsn = suspect.lsn
            and earlier.transaction_id = suspect.transaction_id
            and earlier.total_order = suspect.total_order
    on conflict do nothing;
    {%- endfor %}
end if;
{% endmacro %}


{#- Records the log positions of the events in the new batch. -#}
{% macro note_landed_lsn() %}
insert into {{ load_batch_relation('landed_lsn') }} as mark (topic, kafka_partition, chunk, min_lsn, max_lsn)
select
    change.topic,
    change.kafka_partition,
    change.kafka_offset / {{ landed_lsn_chunk() }} as chunk,
    min(change.lsn) as min_lsn,
    max(change.lsn) as max_lsn
from load_batch_change as change
inner join {{ load_batch_relation('load_batch_range') }} as batch_range
    on
        change.topic = batch_range.topic
        and change.kafka_partition = batch_range.kafka_partition
        and change.kafka_offset < batch_range.to_offset
where batch_range.load_batch_id = batch_id and change.lsn is not null
group by change.topic, change.kafka_partition, change.kafka_offset / {{ landed_lsn_chunk() }}
on conflict (topic, kafka_partition, chunk) do update
set min_lsn = least(mark.min_lsn, excluded.min_lsn), max_lsn = greatest(mark.max_lsn, excluded.max_lsn);
{% endmacro %}


{#- Offsets per row of landed_lsn: so many are read again to look for an event that may be repeated. Its twin in Python is
    LANDED_LSN_CHUNK in infra/warehouse/event_retention.py; a unit test compares the two. -#}
{% macro landed_lsn_chunk() -%} 1000 {%- endmacro %}
