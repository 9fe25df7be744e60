-- What airline_monitor sees of sessions and replicas: figures, and neither statements nor addresses. pg_monitor would show it
-- all of that, and every setting too. May run again at any time.
revoke pg_monitor from airline_monitor;
grant pg_read_all_stats to airline_figures;
create schema if not exists airline_figures;

-- A view would ask with the rights of whoever reads it.
create or replace function airline_figures.sessions()
returns table (
    pid integer,
    usename name,
    application_name text,
    backend_type text,
    state text,
    state_change timestamptz,
    wait_event_type text,
    xact_start timestamptz
)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select
        session.pid,
        session.usename,
        session.application_name,
        session.backend_type,
        session.state,
        session.state_change,
        session.wait_event_type,
        session.xact_start
    from pg_catalog.pg_stat_activity as session;
end;

create or replace function airline_figures.replicas()
returns table (pid integer, application_name text, state text, replay_lsn pg_lsn, replay_lag interval)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select replica.pid, replica.application_name, replica.state, replica.replay_lsn, replica.replay_lag
    from pg_catalog.pg_stat_replication as replica;
end;

alter function airline_figures.sessions() owner to airline_figures;
alter function airline_figures.replicas() owner to airline_figures;
revoke all on function airline_figures.sessions(), airline_figures.replicas() from public;
grant execute on function airline_figures.sessions(), airline_figures.replicas() to airline_monitor;

-- Under the names of the system's own: who may see all, and the monitor, ask the same questions.
create or replace view airline_figures.pg_stat_activity as select * from airline_figures.sessions();
create or replace view airline_figures.pg_stat_replication as select * from airline_figures.replicas();
grant usage on schema airline_figures to airline_monitor;
grant select on airline_figures.pg_stat_activity, airline_figures.pg_stat_replication to airline_monitor;
-- Here alone: in the warehouse dbt's role may make a schema of that name.
do $search$
begin
    execute format(
        'alter role airline_monitor in database %I set search_path to airline_figures, pg_catalog, public',
        current_database()
    );
end
$search$;
