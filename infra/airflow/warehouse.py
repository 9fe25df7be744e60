"""Short statements of the DAGs on the warehouse, besides dbt, through its Connection."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from airflow.sdk import BaseHook
from psycopg2 import sql

from infra.airflow import config
from infra.settings import TCP_LIMITS
from infra.warehouse.pending import Pending, pending

log = logging.getLogger(__name__)


def unread() -> Pending:
    """What has landed and is not loaded, asked as dbt's role."""
    return pending(dsn(config.WAREHOUSE_CONNECTION))


def create_schema(schema: str) -> None:
    """Makes the schema if it is missing; dbt makes the table in it."""
    with _cursor() as cursor:
        cursor.execute("select from pg_namespace where nspname = %s", (schema,))
        if cursor.rowcount:
            log.info("schema %s is there", schema)
            return
        cursor.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        log.info("schema %s created", schema)


def clean_stale(schema: str, table: str) -> None:
    """Drops temporary tables that a killed run of dbt left behind.

    The table's own old rows are removed in the transaction that writes the new ones, so that no
    dashboard sees an empty table.
    """
    with _cursor() as cursor:
        cursor.execute(
            "select tablename from pg_tables where schemaname = %s and tablename like %s",
            (schema, f"{table}\\_\\_dbt\\_%"),
        )
        left = [name for (name,) in cursor.fetchall()]
        for name in left:
            cursor.execute(sql.SQL("drop table {}").format(sql.Identifier(schema, name)))
    log.info("dropped %s", ", ".join(left) if left else "nothing: no run left anything behind")


def connect(name: str) -> psycopg2.extensions.connection:
    """Logs in by an Airflow Connection.

    Not with PostgresHook: it uses psycopg 3 if that is installed, which has another API.
    """
    return psycopg2.connect(dsn(name))


def dsn(name: str) -> str:
    """libpq connection string of an Airflow Connection."""
    known = BaseHook.get_connection(name)
    return psycopg2.extensions.make_dsn(
        host=known.host,
        port=known.port,
        dbname=known.schema,
        user=known.login,
        password=known.password,
        **TCP_LIMITS,
    )


@contextmanager
def _cursor() -> Iterator[Any]:
    """A cursor as dbt's role; commits at the end."""
    with (
        closing(connect(config.WAREHOUSE_CONNECTION)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        yield cursor
