"""The source database: connections, creation of its tables, whether it has data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import psycopg2.errors
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extensions import parse_dsn

import catalogue
from infra.errors import AirlineError
from infra.source import capture

_HERE = Path(__file__).parent
_OF_A_TABLE = re.compile(r"^CREATE TABLE", re.MULTILINE)
# Advisory lock of everything that sets up or fills this database; an arbitrary number.
_LOCK = 5_432_001


def address(dsn: str) -> str:
    """What to call the database in a message: host:port/dbname, never the password."""
    parts = parse_dsn(dsn)
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def connect(dsn: str, application: str = "airline source") -> Connection:
    """A connection in UTC. Raises AirlineError where the database does not answer."""
    try:
        return psycopg2.connect(
            dsn,
            application_name=application,
            options="-c timezone=UTC -c client_min_messages=warning",
        )
    except psycopg2.OperationalError as error:
        raise AirlineError(
            f"the source database {address(dsn)} could not be reached: {str(error).strip()}",
            "see './airline status', or start it with './airline up'",
        ) from None


@contextmanager
def transaction(dsn: str) -> Iterator[Connection]:
    """A connection with one transaction: committed at the end, rolled back after an error.

    An advisory lock serialises these transactions, so that two loads cannot interleave.
    """
    with closing(connect(dsn)) as connection, tables_known(dsn), connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        yield connection


@contextmanager
def tables_known(dsn: str) -> Iterator[None]:
    """Raises AirlineError that says what to do if the tables are missing."""
    try:
        yield
    except psycopg2.errors.UndefinedTable as error:
        raise AirlineError(
            f"{address(dsn)} is not a booking system yet: {error.diag.message_primary}",
            "create the tables with './airline up' or 'python -m infra.source setup'",
        ) from None


def columns() -> dict[str, tuple[str, ...]]:
    """Table -> its columns as schema.sql makes them, in the order of the CSV files; a table after
    those that it refers to. Columns that were added later are written by nobody of ours.
    """
    tables = catalogue.tables()
    return {name: tables[name].original for name in catalogue.names()}


def setup(dsn: str) -> list[str]:
    """Creates tables, view, publication and grants; tables that exist are left as they are.

    The publication and replica identities are made by infra/source/capture.py. Returns what was
    repaired and what could not be done, a line each.
    """
    with transaction(dsn) as connection, connection.cursor() as cursor:
        said = []
        for name in ("schema.sql", "views.sql"):
            for statement in re.split(r";\n", (_HERE / name).read_text(encoding="utf-8")):
                if statement.strip():
                    said += _run(cursor, statement)
        source = capture.read(cursor)
        is_new = source.publication is None and not capture.was_published(cursor)
        mended = capture.mend(cursor, source)
        capture.let_read(cursor, source)
    return said + ([] if is_new else mended)


def _run(cursor: Cursor, statement: str) -> list[str]:
    """Runs one statement of the schema. If somebody has changed a table, its comments, indexes and
    views may fail; nothing depends on them, so the failure is returned as text.
    """
    cursor.execute("SAVEPOINT statement")
    try:
        cursor.execute(statement)
    except psycopg2.ProgrammingError as error:
        if _OF_A_TABLE.search(statement):
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT statement")
        return [f"not made: {_said(statement)} ({error.diag.message_primary})"]
    cursor.execute("RELEASE SAVEPOINT statement")
    return []


def _said(statement: str) -> str:
    lines = [line for line in statement.splitlines() if not line.startswith("--")]
    return re.split(r" IS | AS$| AS | \(", " ".join(" ".join(lines).split()))[0].lower()


def is_empty(dsn: str) -> bool:
    """Whether no table of the booking system holds a row."""
    with closing(connect(dsn)) as connection, tables_known(dsn), connection.cursor() as cursor:
        held = " OR ".join(f"EXISTS (SELECT FROM {table})" for table in catalogue.names())
        cursor.execute(f"SELECT NOT ({held})")
        return cursor.fetchone()[0]


def truncate(connection: Connection) -> None:
    """Truncates all tables in the caller's transaction; CDC captures the truncation."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(catalogue.names())} RESTART IDENTITY")


def finish_load(connection: Connection) -> None:
    """After rows with explicit numbers were loaded: sets the sequence of flights to the highest
    number, and analyses the tables.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('flights', 'flight_id'),"
            " greatest(max(flight_id), 1), max(flight_id) IS NOT NULL) FROM flights"
        )
        cursor.execute(f"ANALYZE {', '.join(catalogue.names())}")
