"""What has landed and is not loaded, before dbt and before an ingester have run."""

from __future__ import annotations

from contextlib import closing

import psycopg2

from infra.warehouse.pending import Pending, pending


def test_what_landed_is_pending_before_anything_was_loaded(postgres_server):
    """A first load would be skipped, or whoever asks ends with an error about a missing table."""
    dsn = postgres_server.create_database("pending")
    # A first load makes the tables that dashboards and DAGs ask for.
    assert pending(dsn) == Pending(0, False, is_first=True) and pending(dsn)
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "create schema staging;"
            " create table staging.ingest_offset (topic text, kafka_partition int,"
            " next_offset bigint);"
            " insert into staging.ingest_offset values ('airline.public.seats', 0, 3),"
            " ('airline.public.seats', 1, 4)"
        )
    assert pending(dsn) == Pending(7, False, is_first=True) and pending(dsn)
    assert not Pending(0, False)
