"""Keeps a role that reads changes from copying the whole server.

A connection for logical replication takes the command BASE_BACKUP as one for the replica does,
whatever pg_hba.conf says, and hands out every file, those of other databases and of all roles
included. A session takes no second backup while it has one: so each such session of the role gets
one that is begun for it as it logs in, and that it has no right to end.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg2
from psycopg2 import sql

SQL = Path(__file__).with_name("base_backup.sql")


def refuse(dsn: str, role: str) -> None:
    """`dsn`: the database that the role may come into, as a superuser. Running it again changes
    nothing.
    """
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL(SQL.read_text()).format(role=sql.Literal(role)))
