{#- on-run-start: opens a load batch if none is open, and notes which batch this invocation works on.
    See _load_batch__macros.yml. -#}
{% macro open_load_batch() %}
{%- do check_version() -%}
{%- if load_batch_is_wanted() -%}
{%- do check_history_is_complete() -%}
{%- do check_raw_is_complete() -%}
{%- do check_hashing() -%}
{%- set load_batch = load_batch_relation('load_batch') -%}
{%- set load_batch_range = load_batch_relation('load_batch_range') -%}
{{ load_batch_role() }}

-- Serialises runs that start at the same time, so that they open one batch; two that create the same object conflict.
select pg_advisory_xact_lock(hashtext('airline load batch'));
{{ create_load_batch_tables() }}
{{ create_hashing_table() }}
{{ create_is_json() }}
{{ widen_columns() }}
{% if flags.FULL_REFRESH %}
update {{ load_batch }} set closed_at = now(), outcome = 'superseded' where closed_at is null;
{% endif %}
insert into {{ load_batch }} (is_full_refresh)
select {{ flags.FULL_REFRESH }}
where not exists (select 1 from {{ load_batch }} where closed_at is null);

do $open$
declare
    batch_id bigint;
    is_new boolean;
    unfilled record;
    loaded_before record;
begin
    select batch.load_batch_id into batch_id from {{ load_batch }} as batch where batch.closed_at is null;
    {{ note_hashing() }}
    is_new := not exists (select from {{ load_batch_range }} as present where present.load_batch_id = batch_id);

    if is_new then
        {%- if flags.FULL_REFRESH %}
        -- read again from the first event, like everything else
        delete from {{ load_batch_relation('landed_lsn') }};
        delete from {{ load_batch_relation('repeated_event') }};
        delete from {{ load_batch_relation('set_aside_event') }} where resolution is distinct from 'discarded';
        {%- endif %}
        -- Queried once: events land meanwhile, and each statement would see another end.
        create temporary table load_batch_landed on commit drop as
        {{ load_batch_landed() }};

        {{ set_aside_events() }}
        {{ examine_replayed_events() }}

        create temporary table load_batch_change on commit drop as
        {{ load_batch_changes() }};
        analyze load_batch_change;

        {{ note_repeated_events() }}

        create temporary table load_batch_letter on commit drop as
        {{ load_batch_letters() }};
        create temporary table load_batch_transaction on commit drop as
        {{ load_batch_transactions() }};
        analyze load_batch_transaction;

        insert into {{ load_batch_range }}
            (load_batch_id, topic, kafka_partition, from_offset, to_offset, from_load_date)
        {{ load_batch_ranges() }};

        {{ note_landed_lsn() }}

        {{ note_incomplete_transactions() }}

        -- Replayed events that can be loaded now become part of this batch.
        update {{ load_batch_relation('set_aside_event') }}
        set loaded_by = batch_id
        where resolution = 'replayed' and loaded_by is null;
    end if;

    {{ fill_added_satellites() }}
end
$open$;

insert into {{ load_batch_relation('load_batch_run') }} (invocation_id, load_batch_id)
select '{{ invocation_id }}', load_batch_id
from {{ load_batch }}
where closed_at is null
on conflict (invocation_id) do nothing;
{%- endif -%}
{% endmacro %}


{% macro create_load_batch_tables() %}
{%- set load_batch = load_batch_relation('load_batch') -%}
set local client_min_messages = warning;
create schema if not exists dwh_control;
create table if not exists {{ load_batch }} (
    load_batch_id bigint generated always as identity primary key,
    is_full_refresh boolean not null,
    opened_at timestamptz not null default now(),
    closed_at timestamptz,
    outcome text check (outcome in ('loaded', 'superseded')),
    check ((closed_at is null) = (outcome is null))
);
create unique index if not exists load_batch_one_open on {{ load_batch }} ((true)) where closed_at is null;
create table if not exists {{ load_batch_relation('load_batch_range') }} (
    load_batch_id bigint not null references {{ load_batch }},
    topic text not null,
    kafka_partition integer not null,
    from_offset bigint not null,
    to_offset bigint not null check (to_offset >= from_offset),
    from_load_date timestamptz,
    to_load_date timestamptz,
    primary key (load_batch_id, topic, kafka_partition)
);
create table if not exists {{ load_batch_relation('load_batch_run') }} (
    invocation_id text primary key,
    load_batch_id bigint not null references {{ load_batch }},
    started_at timestamptz not null default now()
);
create table if not exists {{ load_batch_relation('landed_lsn') }} (
    topic text not null,
    kafka_partition integer not null,
    chunk bigint not null,
    min_lsn bigint not null,
    max_lsn bigint not null,
    primary key (topic, kafka_partition, chunk)
);
create table if not exists {{ load_batch_relation('repeated_event') }} (
    topic text not null,
    kafka_partition integer not null,
    kafka_offset bigint not null,
    primary key (topic, kafka_partition, kafka_offset)
);
create table if not exists {{ load_batch_relation('restored_image') }} (
    topic text not null,
    kafka_partition integer not null,
    kafka_offset bigint not null,
    row_image jsonb not null,
    primary key (topic, kafka_partition, kafka_offset)
);
create table if not exists {{ load_batch_relation('incomplete_transaction') }} (
    transaction_id bigint not null,
    topic text not null,
    events_announced bigint,
    events_landed bigint not null,
    events_refused bigint not null,
    last_event bigint [],
    first_progress_at timestamptz not null,
    last_progress_at timestamptz not null,
    load_batch_id bigint not null,
    noticed_at timestamptz not null default now(),
    settled_at timestamptz,
    settled_by text check (settled_by in ('arrived', 'audit', 'resync')),
    primary key (transaction_id, topic),
    check ((settled_at is null) = (settled_by is null))
);
create index if not exists incomplete_transaction_open
on {{ load_batch_relation('incomplete_transaction') }} (topic) where settled_at is null;
create table if not exists {{ load_batch_relation('set_aside_event') }} (
    topic text not null,
    kafka_partition integer not null,
    kafka_offset bigint not null,
    column_name text,
    reason text not null,
    load_batch_id bigint not null,
    noticed_at timestamptz not null default now(),
    resolution text check (resolution in ('replayed', 'discarded')),
    resolved_at timestamptz,
    newer_offset bigint,
    loaded_by bigint,
    primary key (topic, kafka_partition, kafka_offset)
);
comment on table {{ load_batch }} is
'One row per load batch: the cut of the landed change events that one load of the vault reads. At most one is open.';
comment on column {{ load_batch }}.outcome is
'loaded: every vault model succeeded; superseded: a full refresh took its place; null: open.';
comment on table {{ load_batch_relation('load_batch_range') }} is
'One row per load batch, topic and partition: the half-open range of Kafka offsets that the batch reads.';
comment on column {{ load_batch_relation('load_batch_range') }}.from_load_date is
'Newest load date of the partition before this batch: load dates go on strictly after it.';
comment on table {{ load_batch_relation('load_batch_run') }} is
'One row per dbt invocation that loads: the batch it works on.';
comment on table {{ load_batch_relation('landed_lsn') }} is
'One row per topic, partition and {{ landed_lsn_chunk() }} offsets: the positions in the source''s log of the events there. Tells where an event that comes again would have come before.';
comment on table {{ load_batch_relation('repeated_event') }} is
'One row per landed event that repeats an earlier one (same transaction, same place in it). Loads leave them out.';
comment on table {{ load_batch_relation('set_aside_event') }} is
'One row per landed event that cannot be loaded as it is. Its neighbours are loaded. See ./airline dead-letters.';
comment on column {{ load_batch_relation('set_aside_event') }}.reason is
'What is wrong with the column of that name (or with the whole event), without any value of it.';
comment on column {{ load_batch_relation('set_aside_event') }}.load_batch_id is
'The batch at whose opening it was noticed.';
comment on column {{ load_batch_relation('set_aside_event') }}.resolution is
'What a person decided: a replayed event is loaded by the batch loaded_by, a discarded one never. Null: nothing yet.';
comment on column {{ load_batch_relation('set_aside_event') }}.newer_offset is
'Found at a replay: a later version of the row is loaded, so this one belongs to the past.';
comment on table {{ load_batch_relation('restored_image') }} is
'One row per event of the newest batch that came without a long, unchanged value: its row with the previous value in place.';
comment on table {{ load_batch_relation('incomplete_transaction') }} is
'One row per source transaction and topic that a batch took although events were missing. Open until they arrive, or an audit or a resync has compared the table. With the topic {{ cdc_topic("transaction") }}: its END is missing, and with it every count.';
comment on column {{ load_batch_relation('incomplete_transaction') }}.events_announced is
'Events of the topic that END announced; null while END has not come.';
comment on column {{ load_batch_relation('incomplete_transaction') }}.events_landed is
'Events of the topic that batches have taken, dead letters included.';
comment on column {{ load_batch_relation('incomplete_transaction') }}.events_refused is
'Of those the dead letters.';
comment on column {{ load_batch_relation('incomplete_transaction') }}.last_event is
'Of the last event in the source''s log: {its position there, its number among the transaction''s events of the table}.';
comment on column {{ load_batch_relation('incomplete_transaction') }}.load_batch_id is
'Newest load batch that took events of the transaction.';
comment on column {{ load_batch_relation('incomplete_transaction') }}.settled_by is
'arrived: a later batch brought what was missing; audit: the table was equal to the source''s after the load; resync: the table was read anew; null: open.';
{% endmacro %}


{#- After the lock of open_load_batch, like all that it creates. -#}
{% macro create_is_json() %}
{%- set is_json = load_batch_relation('is_json') -%}
do $make$
begin
    if to_regprocedure('dwh_control.is_json(text)') is null then
        create function {{ is_json }}(value text) returns boolean
        language plpgsql immutable strict as $is_json$
        begin
            return pg_input_is_valid(value, 'jsonb');
        exception when statement_too_complex or program_limit_exceeded then
            return false;
        end
        $is_json$;
        comment on function {{ is_json }}(text) is
        'Whether a text is jsonb; false also where it is nested too deep for PostgreSQL.';
    end if;
end
$make$;
{% endmacro %}


{#- Refuses to make a vault table from the newest batch alone: it would silently lack its history. -#}
{% macro check_history_is_complete() %}
    {%- set vault = load_batch_models() -%}
    {%- set loaded_before = none -%}
    {%- if adapter.get_relation(target.database, 'dwh_control', 'load_batch') is not none -%}
        {%- set found = run_query("select 1 from " ~ load_batch_relation('load_batch') ~ " where outcome = 'loaded' limit 1") -%}
        {%- set loaded_before = found.rows | length > 0 -%}
    {%- endif -%}
    {%- for id in selected_resources if id in vault and graph.nodes[id].config.incremental_strategy == 'append' -%}
        {%- set node = graph.nodes[id] -%}
        {%- if flags.FULL_REFRESH -%}
            {%- for parent in node.depends_on.nodes if parent in vault and parent not in selected_resources -%}
                {{ exceptions.raise_compiler_error(
                    "--full-refresh of " ~ node.name ~ " without " ~ graph.nodes[parent].name ~ " would keep only the newest batch of its history. "
                    ~ "Take its stages along: --full-refresh --select +" ~ node.name
                ) }}
            {%- endfor -%}
        {%- elif loaded_before and not is_added_satellite(node.name) and adapter.get_relation(target.database, node.schema, node.alias) is none -%}
            {{ exceptions.raise_compiler_error(
                node.schema ~ "." ~ node.alias ~ " does not exist, but batches were loaded before: made now, it would lack their history. "
                ~ "Load it from the first event: dbt run --full-refresh --select +" ~ node.name
            ) }}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}
