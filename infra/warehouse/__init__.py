"""The warehouse's database, roles and schemas; what is in the schemas belongs to ingest/ and
dbt.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg2
from psycopg2 import sql

from infra import roles
from infra.postgres import Server
from infra.settings import Settings

SCHEMAS = Path(__file__).with_name("schemas.sql")
# What landed and is not loaded; ./airline and the DAG vault_load ask the same.
PENDING = Path(__file__).with_name("pending.sql")


def make(settings: Settings, server: Server) -> bool:
    """Makes database, roles and schemas; running it again changes nothing.

    Returns whether the database is new.
    """
    roles.make(settings, "dwh", server.dsn())
    is_new = roles.make_database(server.dsn(), settings.dwh_db)
    with (
        closing(psycopg2.connect(server.dsn(settings.dwh_db))) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            sql.SQL(SCHEMAS.read_text()).format(database=sql.Identifier(settings.dwh_db))
        )
    return is_new
