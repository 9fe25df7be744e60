"""The warehouse's database, roles and schemas; what is in the schemas belongs to ingest/ and
dbt.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
from psycopg2 import sql

from infra.postgres import roles, sessions
from infra.postgres.server import Server
from infra.settings import Settings
from infra.warehouse import layout, tokens

# The key of the book of persons, by which landing finds somebody (ingest/book.py).
IDENTITY_KEY = "identity_key"
SCHEMAS = Path(__file__).with_name("schemas.sql")


def dbt_dsn(settings: Settings) -> str:
    """libpq connection string as dbt's role, which owns vault and load batches."""
    return roles.login(settings, "dwh", roles.DBT)


def landing_dsn(settings: Settings) -> str:
    """The same as the ingester's role, which owns what landed."""
    return roles.login(settings, "dwh", roles.INGEST)


def figures_dsn(settings: Settings) -> str:
    """The same as the role that reads figures: what landed, load batches, how dbt's nodes ended.

    A superuser must not ask for them: it would run whatever dbt's role made of the tables.
    """
    return roles.login(settings, "dwh", roles.MONITOR)


def rows_dsn(settings: Settings) -> str:
    """The same as the role that reads the current rows, to compare them."""
    return roles.login(settings, "dwh", roles.AUDIT)


def make(
    settings: Settings, server: Server, say: Callable[[str], None] = lambda _: None
) -> list[layout.Migration]:
    """Makes database, roles and schemas, and brings those of an earlier version up; running it
    again changes nothing. `say` is told of what takes long. Returns the migrations that an earlier
    version's data went through.

    Raises AirlineError, before it changes anything, where a newer version has been here.
    """
    layout.refuse_newer(layout.recorded_in(figures_dsn(settings)))
    roles.make(settings, "dwh", server.dsn())
    roles.make_database(server.dsn(), settings.dwh_db)
    with (
        closing(psycopg2.connect(server.dsn(settings.dwh_db))) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        layout.hold(cursor)
        # Another session, for what dbt's role may have put there is read here.
        with sessions.reading(figures_dsn(settings)) as asking:
            found = layout.recorded(asking)
        layout.refuse_newer(found)
        cursor.execute(
            sql.SQL(SCHEMAS.read_text()).format(database=sql.Identifier(settings.dwh_db))
        )
        key = settings.secret(IDENTITY_KEY)
        code = {4: lambda cursor: tokens.apply(cursor, key, say)}
        applied = layout.migrate(cursor, found, code=code)
    return applied if found.is_made else []
