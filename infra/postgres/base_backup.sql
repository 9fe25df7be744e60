-- Why: infra/postgres/base_backup.py. May run again at any time.
create schema if not exists airline_doors;

-- The checkpoint is an immediate one: a login would wait minutes for another.
create or replace function airline_doors.begin_backup() returns event_trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if
        session_user = {role}
        and exists (
            select from pg_stat_activity
            where pid = pg_backend_pid() and backend_type = 'walsender'
        )
    then
        -- A replica has the same files, and the role reads no changes there.
        if pg_is_in_recovery() then
            raise insufficient_privilege using message = 'the role reads changes of the primary alone';
        end if;
        perform pg_backup_start('none: the role may copy no server', true);
    end if;
end
$$;
revoke all on function airline_doors.begin_backup() from public;

do $make$
begin
    if not exists (select from pg_event_trigger where evtname = 'airline_begin_backup') then
        create event trigger airline_begin_backup on login execute function airline_doors.begin_backup();
        -- Also where a session asks for none, as a replica's apply process does.
        alter event trigger airline_begin_backup enable always;
    end if;
end
$make$;
