"""What people see at the end: the marts' first rows, and where everything is."""

from __future__ import annotations

from contextlib import closing

import psycopg2
from psycopg2 import sql

from infra.dbt import packages
from infra.parts.registry import registry
from infra.postgres import roles
from infra.settings import SERVERS, Settings
from infra.stack.progress import aligned
from infra.stack.terminal import wrapped

SCHEMAS = ("dwh_marts", "presentation")
ROWS = 3
WIDEST = 32


def marts(settings: Settings) -> str:
    """The first rows of each mart, as an analyst sees them: nobody's name is printed."""
    parts = []
    with (
        closing(psycopg2.connect(roles.login(settings, "dwh", roles.ANALYST))) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            """
            select table_schema, table_name
            from information_schema.tables
            where table_schema in %s
            order by table_schema, table_name
            """,
            (SCHEMAS,),
        )
        for schema, name in cursor.fetchall():
            cursor.execute(
                sql.SQL("select * from {} limit {}").format(
                    sql.Identifier(schema, name), sql.Literal(ROWS)
                )
            )
            heads = [column.name for column in cursor.description]
            rows = [
                tuple(None if value is None else str(value)[:WIDEST] for value in row)
                for row in cursor.fetchall()
            ]
            parts.append(f"\n{schema}.{name}\n{aligned(rows, heads)}")
    return "\n".join(parts) if parts else "\nno marts yet: './airline dbt build'"


def addresses(settings: Settings) -> str:
    """Where each service is."""
    servers = {name: place for place, name in enumerate(SERVERS)}
    services = sorted(registry(settings), key=lambda each: servers.get(each.name, len(servers)))
    rows = [
        *((each.name, each.address()) for each in services if each.address()),
        ("AutomateDV", packages.in_use()),
        ("state, logs", str(settings.home)),
    ]
    width = max(len(name) for name, _ in rows) + 2
    lines = "\n".join(wrapped(f"  {name:<{width}}{where}", width + 2) for name, where in rows)
    return f"\n{lines}\n\n  next: ./airline status · simulate · audit · psql dwh"
