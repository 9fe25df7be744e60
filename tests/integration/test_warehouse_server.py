"""The warehouse's PostgreSQL as `up` configures it, when it is killed."""

from __future__ import annotations

from contextlib import closing

import psycopg2

from infra.warehouse.service import Warehouse
from tests.integration.conftest import PostgresServer, settings_in


def test_a_sequence_goes_on_after_a_kill(reachable_folder):
    """After a crash of a young warehouse a load batch, or a run of Airflow, gets
    the number of one that is there, and is refused.

    With wal_level=minimal a sequence that is made and used in one transaction is not logged, and
    for the next 32 values neither: PostgreSQL believes that it has.
    """
    server = PostgresServer(settings_in(reachable_folder / "killed"), Warehouse.parameters)
    server.start()
    try:
        run(
            server,
            "create table batch (number bigint generated always as identity primary key);"
            "insert into batch default values",
        )
        run(server, "insert into batch default values")
        server.kill()
        server.start()
        run(server, "insert into batch default values")
    finally:
        server.stop()


def run(server: PostgresServer, statements: str) -> None:
    """One transaction, in a session of its own."""
    with closing(psycopg2.connect(server.dsn())) as connection, connection:
        connection.cursor().execute(statements)
