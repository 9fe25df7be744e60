-- Schemas of the warehouse and who may do what in them. May run again at any time.

-- Hashes must not depend on a session's settings.
alter database {database} set timezone to 'UTC';
alter database {database} set datestyle to 'ISO, YMD';
alter database {database} set intervalstyle to 'postgres';
-- Without "$user": dbt's role may make schemas, and one with the name of another role would be searched in its sessions.
alter database {database} set search_path to public;

revoke all on database {database} from public;
revoke create on schema public from public;
grant connect on database {database}
to airline_ingest, airline_dbt, airline_monitor, airline_audit, airline_bi, airline_manager, airline_analyst, airline_ops;
grant temporary on database {database} to airline_ingest, airline_dbt;
-- dbt makes its schemas itself when models name new ones.
grant create on database {database} to airline_dbt;

create schema if not exists staging authorization airline_ingest;
-- The book of persons: who reads it reads names (ingest/schema.py makes its tables, and lets in dbt and the auditor).
create schema if not exists staging_pii authorization airline_ingest;
-- dbt makes tables here. The schema is not its own: it could drop what others rely on, and put something else there.
create schema if not exists dwh_control;
alter schema dwh_control owner to current_user;
grant usage, create on schema dwh_control to airline_dbt;
create schema if not exists dwh_stage authorization airline_dbt;
create schema if not exists dwh_detailed authorization airline_dbt;
create schema if not exists dwh_business authorization airline_dbt;
create schema if not exists dwh_marts authorization airline_dbt;
create schema if not exists presentation authorization airline_dbt;
-- Marts with names and documents.
create schema if not exists presentation_pii authorization airline_dbt;
create schema if not exists snapshots authorization airline_dbt;

-- Which version of the product the tables are of (infra/warehouse/layout.py). Whoever writes asks before it does.
create table if not exists dwh_control.migration (
    version integer primary key,
    name text not null,
    applied_at timestamptz not null default now(),
    applied_by text not null
);
comment on table dwh_control.migration is
'One row per version of staging, control tables and vault that the warehouse has reached. The newest is its version.';
comment on column dwh_control.migration.applied_by is 'Version and commit of the code that ./airline up ran.';
grant usage on schema dwh_control to airline_ingest;
grant select on dwh_control.migration to airline_ingest, airline_dbt;

-- What dbt notes of its runs (macros/results) and an audit of itself (infra/audit). Made here, so that whoever runs first
-- finds them; `status` and the messages to owners read them. Where they are there nothing is locked.
do $make$
begin
    if to_regclass('dwh_control.node_result') is null then
        create table dwh_control.node_result (
            node_id text primary key,
            node_name text not null,
            kind text not null,
            node_group text not null,
            model_name text not null,
            schema_name text not null,
            status text not null,
            invocation_id text not null,
            ran_at timestamptz not null,
            succeeded_at timestamptz,
            failing_since timestamptz,
            skipped_since timestamptz
        );
        alter table dwh_control.node_result owner to airline_dbt;
        comment on table dwh_control.node_result is
        'One row per model, snapshot, seed and test of dbt that has run: how it ended last, whoever ran it.';
        comment on column dwh_control.node_result.node_group is
        'The group of models/groups.yml whose owner is told.';
        comment on column dwh_control.node_result.model_name is
        'What it is about: of a test its model, where it has one; else its own name.';
        comment on column dwh_control.node_result.failing_since is
        'When the first of the failures was that no success has followed; null if well.';
        comment on column dwh_control.node_result.skipped_since is
        'Since when it is not built because something before it fails; null if it is.';
    end if;

    if to_regclass('dwh_control.audit_result') is null then
        create table dwh_control.audit_result (
            audit_id bigint generated always as identity primary key,
            finished_at timestamptz not null default now(),
            differences bigint not null,
            findings integer not null,
            tables text [] not null
        );
        alter table dwh_control.audit_result owner to airline_dbt;
        comment on table dwh_control.audit_result is
        'One row per audit that compared source and vault after loading: the newest says whether they are equal. No rows of either.';
        comment on column dwh_control.audit_result.findings is
        'What kept the source, or one of its tables, from being captured or compared.';
        comment on column dwh_control.audit_result.tables is
        'The tables that differ or have findings.';
    end if;
end
$make$;

-- dbt reads what the ingester landed.
grant usage on schema staging to airline_dbt;
grant select on all tables in schema staging to airline_dbt;
alter default privileges for role airline_ingest in schema staging
grant select on tables to airline_dbt;

-- An audit reads current rows and what loading notes of itself; it writes as dbt's role.
grant usage on schema dwh_business, dwh_control to airline_audit;
grant select on all tables in schema dwh_business, dwh_control to airline_audit;
alter default privileges for role airline_dbt in schema dwh_business
grant select on tables to airline_audit;
alter default privileges for role airline_dbt in schema dwh_control
grant select on tables to airline_audit;

-- Dashboards read marts and nothing else. Which of them a role reads stands at the model (meta `readers`), and each build
-- grants it (macros/access); an earlier version granted all of two schemas.
grant usage on schema dwh_marts, presentation to airline_bi, airline_manager, airline_analyst, airline_ops;
grant usage on schema presentation_pii to airline_bi, airline_manager;
alter default privileges for role airline_dbt in schema dwh_marts
revoke select on tables from airline_bi;
alter default privileges for role airline_dbt in schema presentation
revoke select on tables from airline_bi;

-- A function runs for whom it is granted: some of dbt's run with its rights, and anybody could call them in an expression.
alter default privileges for role airline_dbt revoke execute on functions from public;
alter default privileges for role airline_ingest revoke execute on functions from public;
do $shut$
declare
    function_name regprocedure;
begin
    for function_name in
        select oid from pg_proc
        where
            pronamespace in (
                select oid from pg_namespace
                where nspowner in ('airline_dbt'::regrole, 'airline_ingest'::regrole)
            )
            and has_function_privilege('public', oid, 'execute')
    loop
        execute format('revoke execute on function %s from public', function_name);
    end loop;

    -- Whoever reads could hold the locks of loads and builds for ever, and write large objects and the log of changes.
    -- What is granted on PostgreSQL's own functions is granted in this database alone.
    for function_name in
        select oid from pg_proc
        where
            pronamespace = 'pg_catalog'::regnamespace
            and proname ~ '^(pg_(try_)?advisory_|lo_|loread$|lowrite$|pg_logical_emit_message$)'
            and has_function_privilege('public', oid, 'execute')
    loop
        execute format('revoke execute on function %s from public', function_name);
        if function_name::text ~ 'advisory_' then
            execute format(
                'grant execute on function %s to airline_dbt, airline_ingest', function_name
            );
        end if;
    end loop;
end
$shut$;

-- The key of pseudonyms (macro pseudonym): made here and known nowhere else. HMAC hashes a value after one block made of the
-- key, and the result after another; so many bytes are a block of SHA-256.
create schema if not exists dwh_secrets;
grant usage on schema dwh_secrets to airline_dbt;
create table if not exists dwh_secrets.pseudonym_key (
    is_only boolean primary key default true check (is_only),
    inner_block bytea not null check (length(inner_block) = 64),
    outer_block bytea not null check (length(outer_block) = 64)
);
comment on table dwh_secrets.pseudonym_key is
'One row: the key that pseudonyms of passengers are made with, as the two blocks of HMAC. With another one everybody gets another pseudonym.';
grant select on dwh_secrets.pseudonym_key to airline_dbt;
do $key$
declare
    key_bytes bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
        || sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    inner_bytes bytea := key_bytes;
    outer_bytes bytea := key_bytes;
begin
    if exists (select from dwh_secrets.pseudonym_key) then
        return;
    end if;
    for place in 0 .. 63 loop
        inner_bytes := set_byte(inner_bytes, place, get_byte(key_bytes, place) # 54);
        outer_bytes := set_byte(outer_bytes, place, get_byte(key_bytes, place) # 92);
    end loop;
    insert into dwh_secrets.pseudonym_key (inner_block, outer_block) values (inner_bytes, outer_bytes);
end
$key$;

-- When the newest row of the tables of presentation was written; null where there is none.
create or replace function dwh_control.newest_mart_row() returns timestamptz
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    newest timestamptz;
    found_here timestamptz;
    place record;
begin
    for place in
        select table_name, column_name from information_schema.columns
        where
            table_schema = 'presentation'
            and data_type = 'timestamp with time zone'
            and column_name in ('built_at', 'loaded_at', 'updated_at', 'load_date', 'created_at')
    loop
        execute format('select max(%I) from presentation.%I', place.column_name, place.table_name)
        into found_here;
        newest := greatest(newest, found_here);
    end loop;
    return newest;
end
$$;
alter function dwh_control.newest_mart_row() owner to airline_dbt;
revoke all on function dwh_control.newest_mart_row() from public;

-- When the oldest event landed that no loaded batch has read; null where there is none.
create or replace function dwh_control.oldest_unread_event() returns timestamptz
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    oldest timestamptz;
    found_here timestamptz;
    place record;
begin
    for place in
        select topic, kafka_partition from staging.ingest_offset
        where split_part(topic, '.', -2) = 'public'
    loop
        execute format(
            'select landed_at from staging.%I where kafka_partition = $2 and kafka_offset >= coalesce(('
            '  select to_offset from dwh_control.load_batch_range'
            '  where topic = $1 and kafka_partition = $2 and load_batch_id = ('
            '    select max(load_batch_id) from dwh_control.load_batch where outcome = ''loaded'')'
            '), 0) order by kafka_offset limit 1',
            split_part(place.topic, '.', -1)
        )
        into found_here using place.topic, place.kafka_partition;
        oldest := least(oldest, found_here);
    end loop;
    return oldest;
end
$$;
alter function dwh_control.oldest_unread_event() owner to airline_dbt;
revoke all on function dwh_control.oldest_unread_event() from public;

-- Metrics: figures about loading and the age of the marts; no rows of either.
grant execute on function dwh_control.newest_mart_row() to airline_monitor;
grant execute on function dwh_control.oldest_unread_event() to airline_monitor;
grant usage on schema dwh_control, staging to airline_monitor;
grant select on all tables in schema dwh_control to airline_monitor;
alter default privileges for role airline_dbt in schema dwh_control
grant select on tables to airline_monitor;
