{#- Examines each event that has landed since the last loaded batch, and sets aside what cannot be loaded. Runs in the
    block that opens a batch, before anything casts a value. See _load_batch__macros.yml. -#}
{% macro set_aside_events() %}
{%- set set_aside_event = load_batch_relation('set_aside_event') -%}
-- Events that no loaded batch has included are examined again: the model may have changed since.
delete from {{ set_aside_event }} as known
using load_batch_landed as landed
where
    known.topic = landed.topic
    and known.kafka_partition = landed.kafka_partition
    and known.kafka_offset >= landed.from_offset
    and known.resolution is distinct from 'discarded';
{% for table_name in load_batch_tables() + ['transaction'] %}
{{ set_aside_faults(table_name, 'load_batch_landed') }}
{% endfor %}
{%- for table_name in load_batch_tables() if load_batch_source(table_name).meta.long_columns %}
{{ set_aside_dependants(table_name, 'load_batch_landed') }}
{%- endfor %}
{% endmacro %}


{#- Sets aside the events of a table that cannot be loaded, in the ranges of a temporary table with topic, kafka_partition,
    from_offset and next_offset. -#}
{% macro set_aside_faults(table_name, ranges) -%}
insert into {{ load_batch_relation('set_aside_event') }} (topic, kafka_partition, kafka_offset, column_name, reason, load_batch_id)
select
    landed.topic,
    examined.kafka_partition,
    examined.kafka_offset,
    nullif(examined.fault[1], '') as column_name,
    examined.fault[2] as reason,
    batch_id
from {{ ranges }} as landed
cross join lateral (
    select
        event.kafka_partition,
        event.kafka_offset,
        {{ landed_event_fault(table_name, 'event') | indent(8) }} as fault
    from (
        select
            raw.kafka_partition,
            raw.kafka_offset,
            raw.value,
            {{ event_image('raw') | indent(12) }}
        from {{ source('staging', table_name) }} as raw
        where
            raw.kafka_partition = landed.kafka_partition
            and raw.kafka_offset >= landed.from_offset
            and raw.kafka_offset < landed.next_offset
            and raw.value is not null
        offset 0
    ) as event
    offset 0
) as examined
where landed.topic = '{{ cdc_topic(table_name) }}' and examined.fault is not null
on conflict do nothing;
{%- endmacro %}


{#- Why an event of a table of the schema `staging` cannot be loaded. -#}
{% macro landed_event_fault(table_name, event) -%}
    {{ transaction_fault(event) if table_name == 'transaction' else event_fault(table_name, event) }}
{%- endmacro %}


{#- The parts of an event that event_fault reads, each extracted from the JSON once. -#}
{% macro event_image(event) -%}
{{ event }}.key,
{{ event }}.landed_at,
{{ event }}.value ->> 'op' as op,
{{ event }}.value -> 'source' as source,
{{ event }}.value -> 'transaction' as transaction,
case {{ event }}.value ->> 'op' when 'd' then {{ event }}.value -> 'before' else {{ event }}.value -> 'after' end as image
{%- endmacro %}


{#- An update that does not change a long value comes without it. If the event with the previous value was set aside, the
    update is too: there is no value to put back. -#}
{% macro set_aside_dependants(table_name, ranges) %}
{%- set set_aside_event = load_batch_relation('set_aside_event') -%}
{%- set topic = cdc_topic(table_name) -%}
{%- set columns = load_batch_source(table_name).meta.long_columns | list -%}
if exists (
    select from {{ set_aside_event }} as known where known.topic = '{{ topic }}' and known.resolution is null
) then
    -- such updates may form a chain: each iteration finds the ones that depend on the previous iteration
    loop
        insert into {{ set_aside_event }} (topic, kafka_partition, kafka_offset, column_name, reason, load_batch_id)
        select distinct on (later.kafka_partition, later.kafka_offset)
            landed.topic,
            later.kafka_partition,
            later.kafka_offset,
            later.column_name,
            'did not change with this event, and the value before it was set aside with offset ' || before.kafka_offset,
            batch_id
        from {{ ranges }} as landed
        cross join lateral (
            select
                raw.kafka_partition,
                raw.kafka_offset,
                raw.key,
                long_column.column_name
            from {{ source('staging', table_name) }} as raw
            cross join unnest(array['{{ columns | join("', '") }}']) as long_column (column_name)
            where
                raw.kafka_partition = landed.kafka_partition
                and raw.kafka_offset >= landed.from_offset
                and raw.kafka_offset < landed.next_offset
                and raw.value -> 'after' -> long_column.column_name = {{ json_value("'\"" ~ unavailable_value() ~ "\"'") }}
                and raw.key in (
                    select cause.key
                    from {{ set_aside_event }} as known
                    inner join {{ source('staging', table_name) }} as cause
                        on
                            known.kafka_partition = cause.kafka_partition
                            and known.kafka_offset = cause.kafka_offset
                    where known.topic = '{{ topic }}' and known.resolution is null
                )
            offset 0
        ) as later
        -- the newest earlier event of the row that carries this value
        cross join lateral (
            select earlier.kafka_offset
            from {{ source('staging', table_name) }} as earlier
            where
                earlier.kafka_partition = later.kafka_partition
                and earlier.kafka_offset < later.kafka_offset
                and earlier.kafka_offset >= (
                    select min(known.kafka_offset)
                    from {{ set_aside_event }} as known
                    where
                        known.topic = '{{ topic }}'
                        and known.kafka_partition = later.kafka_partition
                        and known.resolution is null
                )
                and earlier.key = later.key
                and earlier.value is not null
                and (
                    earlier.value -> 'after' -> later.column_name is distinct from {{ json_value("'\"" ~ unavailable_value() ~ "\"'") }}
                    or exists (
                        select from {{ set_aside_event }} as known
                        where
                            known.topic = '{{ topic }}'
                            and known.kafka_partition = earlier.kafka_partition
                            and known.kafka_offset = earlier.kafka_offset
                    )
                )
            order by earlier.kafka_offset desc
            limit 1
        ) as before
        inner join {{ set_aside_event }} as cause
            on
                landed.topic = cause.topic
                and later.kafka_partition = cause.kafka_partition
                and before.kafka_offset = cause.kafka_offset
                and cause.resolution is null
        where landed.topic = '{{ topic }}'
        order by later.kafka_partition, later.kafka_offset, later.column_name
        on conflict do nothing;
        exit when not found;
    end loop;
end if;
{% endmacro %}


{#- Examines replayed events again with the current model. Runs in the block that opens a batch, and by
    `dbt run-operation examine_replays` for an immediate answer. -#}
{% macro examine_replayed_events() %}
{%- set set_aside_event = load_batch_relation('set_aside_event') -%}
{%- for table_name in load_batch_tables() + ['transaction'] %}
{%- set topic = cdc_topic(table_name) %}
if exists (
    select from {{ set_aside_event }} as known
    where known.topic = '{{ topic }}' and known.resolution = 'replayed' and known.loaded_by is null
) then
update {{ set_aside_event }} as asked
set
    resolution = null,
    resolved_at = null,
    column_name = nullif(examined.fault[1], ''),
    reason = examined.fault[2]
from (
    select
        event.kafka_partition,
        event.kafka_offset,
        {{ landed_event_fault(table_name, 'event') | indent(8) }} as fault
    from (
        select
            raw.kafka_partition,
            raw.kafka_offset,
            raw.value,
            {{ event_image('raw') | indent(12) }}
        from {{ set_aside_event }} as known
        inner join {{ source('staging', table_name) }} as raw
            on
                known.kafka_partition = raw.kafka_partition
                and known.kafka_offset = raw.kafka_offset
        where
            known.topic = '{{ topic }}'
            and known.resolution = 'replayed'
            and known.loaded_by is null
        offset 0
    ) as event
    offset 0
) as examined
where
    asked.topic = '{{ topic }}'
    and asked.kafka_partition = examined.kafka_partition
    and asked.kafka_offset = examined.kafka_offset
    and examined.fault is not null;
{% if table_name != 'transaction' %}
-- A replayed event is obsolete if a later version of its row is loaded or in the open batch.
with asked as (
    select raw.kafka_partition, raw.kafka_offset, raw.key, raw.value
    from {{ set_aside_event }} as known
    inner join {{ source('staging', table_name) }} as raw
        on
            known.kafka_partition = raw.kafka_partition
            and known.kafka_offset = raw.kafka_offset
    where
        known.topic = '{{ topic }}'
        and known.resolution = 'replayed'
        and known.loaded_by is null
),

reached as (
    select newest.kafka_partition, newest.to_offset
    from {{ load_batch_relation('load_batch_range') }} as newest
    where
        newest.topic = '{{ topic }}'
        and newest.load_batch_id = (
            select max(read.load_batch_id)
            from {{ load_batch_relation('load_batch_range') }} as read
            inner join {{ load_batch_relation('load_batch') }} as batch using (load_batch_id)
            where batch.outcome is distinct from 'superseded'
        )
),

loaded as (
    select raw.kafka_partition, raw.kafka_offset, raw.key, raw.value
    from reached
    inner join {{ source('staging', table_name) }} as raw
        on
            reached.kafka_partition = raw.kafka_partition
            and reached.to_offset > raw.kafka_offset
    where
        raw.value is not null
        and not exists (
            select from {{ set_aside_event }} as other
            where
                other.topic = '{{ topic }}'
                and other.kafka_partition = raw.kafka_partition
                and other.kafka_offset = raw.kafka_offset
                and other.loaded_by is null
        )
        and not exists (
            select from {{ load_batch_relation('repeated_event') }} as other
            where
                other.topic = '{{ topic }}'
                and other.kafka_partition = raw.kafka_partition
                and other.kafka_offset = raw.kafka_offset
        )
),

newer as (
    select asked.kafka_partition, asked.kafka_offset, later.kafka_offset as newer_offset
    from asked
    inner join loaded as later
        on
            asked.kafka_partition = later.kafka_partition
            and asked.key = later.key
            and asked.kafka_offset < later.kafka_offset
    union all
    -- a truncation may be in any partition
    select asked.kafka_partition, asked.kafka_offset, later.kafka_offset as newer_offset
    from asked
    inner join loaded as later
        on
            later.value ->> 'op' = 't'
            and (later.value -> 'source' ->> 'lsn')::numeric > (asked.value -> 'source' ->> 'lsn')::numeric
)

update {{ set_aside_event }} as known
set resolution = null, resolved_at = null, newer_offset = newest.newer_offset
from (
    select newer.kafka_partition, newer.kafka_offset, max(newer.newer_offset) as newer_offset
    from newer
    group by newer.kafka_partition, newer.kafka_offset
) as newest
where
    known.topic = '{{ topic }}'
    and known.kafka_partition = newest.kafka_partition
    and known.kafka_offset = newest.kafka_offset;
{% endif %}
end if;
{% endfor %}
{% endmacro %}


{#- `dbt run-operation examine_replays`: called by `./airline dead-letters replay`. -#}
{% macro examine_replays() %}
{%- if execute -%}
    {%- call statement('examine_replays') -%}
{{ load_batch_role() }}
select pg_advisory_xact_lock(hashtext('airline load batch'));
{{ create_load_batch_tables() }}
{{ create_is_json() }}
do $examine$
begin
    {{ examine_replayed_events() }}
end
$examine$;
commit;
    {%- endcall -%}
{%- endif -%}
{% endmacro %}
