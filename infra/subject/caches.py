"""What other parts keep of what they were shown: Superset's and Airflow's databases, and files.

Superset caches no results here (superset_config.py). What it does keep are statements with
literals, filters, addresses, and reports as files. Each value is replaced by as many `*`, so that
nothing else in a row or a log changes; what cannot be changed so is removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from infra.errors import AirlineError
from infra.mail import delivery
from infra.postgres import roles
from infra.postgres.server import Server
from infra.settings import Settings
from infra.subject import inside, look, rewrite
from infra.subject.needles import Erased, Needles, identifiers
from infra.warehouse.service import Warehouse

# Servers' files: changed by them alone.
SERVERS = ("dwh", "dwh.half", "kafka")
# What is no log, cache or letter: secrets, configuration, processes' numbers.
KEPT = ("secrets", "config", "run")
SQLITE = b"SQLite format 3\0"
COLUMNS = """
select format('%I.%I', space.nspname, relation.relname), array_agg(column_of.attname::text),
    array_agg(format_type(column_of.atttypid, null))
from pg_class as relation
inner join pg_namespace as space on space.oid = relation.relnamespace
inner join pg_attribute as column_of on column_of.attrelid = relation.oid
inner join pg_type as kind on kind.oid = column_of.atttypid
where relation.relkind = 'r' and space.nspname !~ '^(pg_|information_schema)'
    and column_of.attnum > 0 and not column_of.attisdropped and column_of.attgenerated = ''
    and (kind.typcategory = 'S' or kind.typname in ('json', 'jsonb', 'bytea'))
group by 1 order by 1
"""
TABLES = """
select format('%I.%I', space.nspname, relation.relname) from pg_class as relation
inner join pg_namespace as space on space.oid = relation.relnamespace
where relation.relkind = 'r' and space.nspname !~ '^(pg_|information_schema)' order by 1
"""


def run(settings: Settings, act: Erased) -> Mapping[str, int]:
    """Raises AirlineError where a database does not answer."""
    needles = Needles(look.of_nobody_else(settings, identifiers(act)))
    server = Warehouse(settings).server
    counts = {"reports removed": remove_reports(settings)}
    counts |= hide_in_files(settings, needles)
    for database in roles.OWN_DATABASES.values():
        counts |= hide_in_database(server, database, needles)
    counts["warehouse: segments of WAL removed"] = rewrite.renew_wal(server)
    return counts


def remove_reports(settings: Settings) -> int:
    """All reports that were sent as files: what is in a picture nobody finds."""
    removed = 0
    for file in delivery.messages(settings).glob(f"{delivery.REPORT}*"):
        file.unlink(missing_ok=True)
        removed += 1
    return removed


def hide_in_files(settings: Settings, needles: Needles) -> dict[str, int]:
    """Logs, dbt's folders, letters, queues: everything below the home but the servers' files."""
    counts = {"files changed": 0, "files removed": 0}
    left_out = {settings.home / "data" / name for name in SERVERS}
    left_out |= {settings.home / name for name in KEPT} | {settings.cache}
    for file in look.files(settings):
        if left_out & {*file.parents}:
            continue
        try:
            found = list(look.look(file, needles))
            with file.open("rb") as opened:
                is_database = opened.read(len(SQLITE)) == SQLITE
            if is_database:
                # Rows that are gone leave their bytes, and no search opens them.
                if found:
                    _clean_sqlite(file, needles)
                    counts["files changed"] += 1
            elif any(each.within for each in found):
                file.unlink()
                counts["files removed"] += 1
            elif found:
                hide_in_file(file, needles)
                counts["files changed"] += 1
        except (FileNotFoundError, inside.NotOpened):
            continue  # the search says what it cannot open
    return counts


def hide_in_file(file: Path, needles: Needles) -> None:
    """In its place: a service goes on writing to the same file."""
    with file.open("r+b") as opened:
        for hit in list(needles.find_in(_windows(opened))):
            opened.seek(hit.at)
            content = opened.read(hit.end - hit.at)
            opened.seek(hit.at)
            opened.write(needles.hidden(content))
        opened.flush()
        os.fsync(opened.fileno())
    # Of hits that overlap one was found.
    if any(True for _ in look.look(file, needles, opens=False)):
        hide_in_file(file, needles)


def _windows(opened: Any) -> Iterator[bytes]:
    at = 0
    while True:
        opened.seek(at)
        window = opened.read(look.WINDOW)
        if not window:
            return
        at += len(window)
        yield window


def _clean_sqlite(file: Path, needles: Needles) -> None:
    import sqlite3

    try:
        with closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as database:
            database.execute("pragma secure_delete = on")
            names = database.execute("select name from sqlite_master where type = 'table'")
            for (name,) in names.fetchall():
                table = '"' + name.replace('"', '""') + '"'
                described = database.execute(f"pragma table_info({table})").fetchall()
                for column in ['"' + each[1].replace('"', '""') + '"' for each in described]:
                    for row, value in database.execute(
                        f"select rowid, {column} from {table}"
                        f" where typeof({column}) in ('text', 'blob')"
                    ).fetchall():
                        plain = value if isinstance(value, bytes) else value.encode()
                        if needles.find(plain):
                            hidden: Any = needles.hidden(plain)
                            if isinstance(value, str):
                                hidden = hidden.decode()
                            database.execute(
                                f"update {table} set {column} = ? where rowid = ?", (hidden, row)
                            )
            database.execute("vacuum")
            database.execute("pragma wal_checkpoint(truncate)")
    except sqlite3.Error as error:
        raise AirlineError(
            f"{file} cannot be cleaned ({error})",
            "'./airline subject resume' tries again",
        ) from None


def hide_in_database(server: Server, database: str, needles: Needles) -> dict[str, int]:
    """Hides the values in all texts of a database, then rewrites its tables: rows that are gone
    leave theirs. Returns table -> values changed; {} where there is no such database.
    """
    try:
        connection = psycopg2.connect(server.dsn(database))
    except psycopg2.OperationalError as error:
        if "does not exist" in str(error):
            return {}
        raise AirlineError(
            f"{server.name} does not answer", "'./airline subject resume' goes on"
        ) from None
    counts: dict[str, int] = {}
    with closing(connection), connection.cursor() as ask:
        # A superuser runs nothing that others made: no trigger, nothing that a path leads to.
        ask.execute("set search_path = pg_catalog")
        ask.execute("set session_replication_role = replica")
        connection.commit()
        ask.execute(COLUMNS)
        for table, columns, kinds in ask.fetchall():
            changed = _hide_in_table(
                connection, table, dict(zip(columns, kinds, strict=True)), needles
            )
            if changed:
                counts[f"{database}: {table}"] = changed
        ask.execute(TABLES)
        tables = [table for (table,) in ask.fetchall()]
        connection.commit()
    rewrite.rewrite(server, database, tables)
    return counts


def _hide_in_table(
    connection: Any, table: str, columns: Mapping[str, str], needles: Needles
) -> int:
    """Rows that somebody changes meanwhile are looked at again."""
    changed = 0
    while True:
        missed = False
        names = [sql.Identifier(each) for each in columns]
        with connection.cursor("texts") as read:
            read.itersize = 500
            read.execute(
                sql.SQL("select ctid::text, {} from ").format(
                    sql.SQL(", ").join(
                        name if kind == "bytea" else sql.SQL("{}::text").format(name)
                        for name, kind in zip(names, columns.values(), strict=True)
                    )
                )
                + sql.SQL(table)
            )
            found = [
                (place, column, bytes(value) if isinstance(value, memoryview) else value)
                for place, *values in read
                for column, value in zip(columns, values, strict=True)
                if value is not None
                and needles.find(value.encode() if isinstance(value, str) else bytes(value))
            ]
        by_row: dict[str, list[tuple[str, Any]]] = {}
        for place, column, value in found:
            by_row.setdefault(place, []).append((column, value))
        with connection.cursor() as change:
            for place, values in by_row.items():
                assigned, same, new, old = [], [], [], []
                for column, value in values:
                    kind = sql.SQL(columns[column])
                    name = sql.Identifier(column)
                    assigned.append(sql.SQL("{} = %s::{}").format(name, kind))
                    cast = sql.SQL("{}" if columns[column] == "bytea" else "{}::text").format(name)
                    same.append(sql.SQL("{} = %s").format(cast))
                    new.append(
                        needles.hidden(value.encode()).decode()
                        if isinstance(value, str)
                        else needles.hidden(value)
                    )
                    old.append(value)
                change.execute(
                    sql.SQL("update {} set {} where ctid = %s and {}").format(
                        sql.SQL(table), sql.SQL(", ").join(assigned), sql.SQL(" and ").join(same)
                    ),
                    (*new, place, *old),
                )
                missed |= change.rowcount == 0
                changed += len(values) if change.rowcount else 0
        connection.commit()
        if not missed:
            return changed
