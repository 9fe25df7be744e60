"""Rewrites tables of the warehouse's server that had clear values, and gives its log no old bytes.

A vacuum frees the room of dead rows and does not clear it; `VACUUM FULL` writes the living rows
into new files, and the old ones go. Statistics of columns, the server's log (WAL) and files of
queries that were sorted on disk have copies too.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager

import psycopg2

from infra.errors import AirlineError
from infra.postgres import roles
from infra.postgres.server import Server
from infra.settings import Settings
from infra.subject.needles import Erased
from infra.warehouse.service import Warehouse

# What held clear values, or whole events. (A part that is missing is left out.)
TABLES = (
    "staging_pii.identity",
    "staging_pii.act",
    "staging.dead_letter",
    "dwh_control.set_aside_event",
)
# Have the most common values of columns, in clear.
STATISTICS = ("pg_catalog.pg_statistic", "pg_catalog.pg_statistic_ext_data")
# How long a lock may take: whoever asks for the table meanwhile waits as well. In seconds.
LOCK = 5
# How long sessions may take that still see deleted rows, or that hold a table, in seconds.
PATIENCE = 300
# The longest wait for segments that nobody needs any more, and how often a full one is begun.
MOST_SEGMENTS = 2000


def run(settings: Settings, act: Erased, tables: Iterable[str] = TABLES) -> Mapping[str, int]:
    """Raises AirlineError where a session keeps what is deleted alive, or holds a table."""
    server = Warehouse(settings).server
    counts = rewrite(server, settings.dwh_db, tables)
    for database in roles.OWN_DATABASES.values():
        if _exists(server, database):
            rewrite(server, database, ())
    counts["warehouse: temporary files removed"] = remove_temporary(server)
    counts["warehouse: segments of WAL removed"] = renew_wal(server)
    return counts


def rewrite(server: Server, database: str, tables: Iterable[str]) -> dict[str, int]:
    """Rewrites these tables and the statistics of the database. Returns table -> bytes that it got
    smaller by.
    """
    counts: dict[str, int] = {}
    with _session(server, database) as ask:
        # As the server spells them; those that are there.
        there = ask(
            "select format('%%I.%%I', space.nspname, relation.relname) from pg_class as relation"
            " inner join pg_namespace as space on space.oid = relation.relnamespace"
            " where relation.oid in"
            " (select to_regclass(asked.told) from unnest(%s::text[]) as asked (told))"
            " order by 1",
            list(tables),
        )
        _wait_for_readers(ask)
        for (table,) in there:
            size = "select pg_total_relation_size(%s::regclass)"
            [(before,)] = ask(size, table)
            _alone(ask, f"vacuum (full, analyze) {table}")
            [(after,)] = ask(size, table)
            counts[f"{database}: {table} (bytes)"] = before - after
        # Of what the tables were analysed before.
        _wait_for_readers(ask)
        for table in STATISTICS:
            _alone(ask, f"vacuum full {table}")
    return counts


def renew_wal(server: Server) -> int:
    """Has the server remove all of its log that was written before this call. Returns how many
    segments went.
    """
    with _session(server, "postgres") as ask:
        if ask("show wal_recycle") != [("off",)]:
            raise AirlineError(
                f"{server.name} uses segments of its log again, with what they had (wal_recycle)",
                "'./airline up' sets it, then './airline subject resume'",
            )
        before = _segments(ask)
        [(last,)] = ask("select pg_walfile_name(pg_current_wal_insert_lsn())")
        # Segments that were made ready for use again before have old bytes: they are filled anew.
        last = max(last, *before)
        for _ in range(MOST_SEGMENTS):
            ask("select pg_logical_emit_message(false, 'airline-purge', '')")
            ask("select pg_switch_wal()")
            # A switch in the first byte of a segment stays in it.
            [(now,)] = ask("select pg_walfile_name(pg_current_wal_insert_lsn() + 1)")
            if now > last:
                break
        ask("select pg_logical_emit_message(false, 'airline-purge', '', true)")
        ask("checkpoint")
        ask("checkpoint")
        left = {each for each in before if each <= last} & _segments(ask)
        if left:
            raise AirlineError(
                f"{server.name} keeps {len(left)} segments of its log from before (the first is "
                f"{min(left)})",
                "see pg_replication_slots, archive_mode and wal_keep_size of that server: one of "
                "them needs its old log; './airline subject resume' goes on",
            )
        return len(before)


def remove_temporary(server: Server) -> int:
    """Removes files of queries whose session is gone: the server does so at its start only."""
    # Listed before the sessions are: what a new one makes is its own.
    files = [file for file in server.data.glob("base/pgsql_tmp/pgsql_tmp*") if file.is_file()]
    with _session(server, "postgres") as ask:
        alive = {pid for (pid,) in ask("select pid from pg_stat_activity")}
    removed = 0
    for file in files:
        named = re.match(r"pgsql_tmp(\d+)\.", file.name)
        if named and int(named[1]) not in alive:
            file.unlink(missing_ok=True)
            removed += 1
    return removed


Ask = Callable[..., list[tuple]]


@contextmanager
def _session(server: Server, database: str) -> Iterator[Ask]:
    """Each statement on its own, as admin. Other errors of the server are AirlineErrors."""
    try:
        with closing(psycopg2.connect(server.dsn(database))) as connection:
            connection.autocommit = True

            def ask(statement: str, *values: object) -> list[tuple]:
                with connection.cursor() as cursor:
                    cursor.execute(statement, values or None)
                    return cursor.fetchall() if cursor.description else []

            # A superuser runs nothing of what others left in a path.
            ask("set search_path = pg_catalog")
            yield ask
    except psycopg2.Error as error:
        raise AirlineError(
            f"{server.name}: {str(error).strip().splitlines()[0] if str(error) else error}",
            "see './airline status'; './airline subject resume' goes on from here",
        ) from None


def _exists(server: Server, database: str) -> bool:
    with _session(server, "postgres") as ask:
        return bool(ask("select from pg_database where datname = %s", database))


def _wait_for_readers(ask: Ask) -> None:
    """A row that some session may still read is living, and would be written again."""
    [(now,)] = ask("select pg_current_xact_id()::text::bigint")
    deadline = time.monotonic() + PATIENCE
    while True:
        older = ask(
            "select pid, usename, application_name from pg_stat_activity"
            " where pid <> pg_backend_pid() and datname = current_database()"
            " and greatest(age(backend_xmin), age(backend_xid))"
            " > age((%s %% 4294967296)::text::xid)",
            now,
        )
        prepared = ask("select gid from pg_prepared_xacts where database = current_database()")
        if not older and not prepared:
            return
        if time.monotonic() > deadline:
            who = [f"process {pid} of {user} ({name})" for pid, user, name in older]
            who += [f"the prepared transaction {gid}" for (gid,) in prepared]
            raise AirlineError(
                f"rows that are deleted are still read by {', '.join(who)}",
                "end that session, or wait for it; './airline subject resume' goes on",
            )
        time.sleep(0.5)


def _alone(ask: Ask, statement: str) -> None:
    """Runs what needs a table for itself, and lets others through while it waits."""
    ask(f"set lock_timeout = '{LOCK}s'")
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            ask(statement)
            return
        except psycopg2.errors.LockNotAvailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def _segments(ask: Ask) -> set[str]:
    return {
        name
        for (name,) in ask("select name from pg_ls_waldir()")
        if re.fullmatch("[0-9A-F]{24}", name)
    }
