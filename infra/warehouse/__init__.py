"""The warehouse's database, roles and schemas; what is in the schemas belongs to ingest/ and
dbt.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg2
from psycopg2 import sql

from infra.postgres import roles
from infra.postgres.server import Server
from infra.settings import Settings
from infra.warehouse import layout

SCHEMAS = Path(__file__).with_name("schemas.sql")


def dbt_dsn(settings: Settings) -> str:
    """libpq connection string as dbt's role, which owns vault and load batches."""
    return settings.dsn("dwh", user=roles.DBT, password=settings.secret(roles.DBT))


def make(settings: Settings, server: Server) -> list[layout.Migration]:
    """Makes database, roles and schemas, and brings those of an earlier version up; running it
    again changes nothing. Returns the migrations that an earlier version's data went through.

    Raises AirlineError, before it changes anything, where a newer version has been here.
    """
    layout.refuse_newer(layout.recorded_in(server.dsn(settings.dwh_db)))
    roles.make(settings, "dwh", server.dsn())
    roles.make_database(server.dsn(), settings.dwh_db)
    with (
        closing(psycopg2.connect(server.dsn(settings.dwh_db))) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        layout.hold(cursor)
        found = layout.recorded(cursor)
        layout.refuse_newer(found)
        cursor.execute(
            sql.SQL(SCHEMAS.read_text()).format(database=sql.Identifier(settings.dwh_db))
        )
        applied = layout.migrate(cursor, found)
    return applied if found.is_made else []
