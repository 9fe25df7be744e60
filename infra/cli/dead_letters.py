"""`dead-letters`: the ingester's own verb, and what a replay means for the vault."""

from __future__ import annotations

import os

import psycopg2

from infra.cli.services import Warehouse, ingest_environment
from infra.settings import Settings


def main(settings: Settings, arguments: list[str]) -> int:
    """Runs it as the ingester's role; returns its exit code."""
    from ingest import dead_letters

    os.environ.update(ingest_environment(settings))
    code = dead_letters.main(arguments, prog="./airline dead-letters")
    if arguments[:1] == ["replay"]:
        late = too_late(settings)
        if late:
            print(
                f"{late:,} replayed after load batches had passed their offsets: {advice(settings)}"
            )
    return code


def advice(settings: Settings) -> str:
    """How replayed events that load batches had passed come into the vault."""
    [(removed,)] = Warehouse(settings).server.query(
        "select to_regclass('staging.removed_event') is not null", dbname=settings.dwh_db
    )
    if removed:
        # A full refresh is refused there: it would lose what only the vault still knows.
        return "raw is not whole any more; './airline resync TABLE' brings their rows as they are"
    return "'./airline dbt build --full-refresh' brings them into the vault"


def counts(settings: Settings) -> tuple[int, int]:
    """(dead letters that wait for a decision, replayed ones that the vault has not read)."""
    [(waiting,)] = Warehouse(settings).server.query(
        "select count(*) from staging.dead_letter where resolution is null",
        dbname=settings.dwh_db,
    )
    return waiting, too_late(settings)


def too_late(settings: Settings) -> int:
    """Replayed events whose offsets no load batch has read since, though one has before.

    Batches go forward only: an event that lands behind them is read by a full refresh.
    """
    try:
        [(count,)] = Warehouse(settings).server.query(
            """
            select count(*)
            from (
                select letter.resolved_at, max(batch.opened_at) as read_at
                from staging.dead_letter as letter
                inner join dwh_control.load_batch_range as part
                    on letter.topic = part.topic
                    and letter.kafka_partition = part.kafka_partition
                    and letter.kafka_offset >= part.from_offset
                    and letter.kafka_offset < part.to_offset
                inner join dwh_control.load_batch as batch
                    on part.load_batch_id = batch.load_batch_id
                    and batch.outcome is distinct from 'superseded'
                where letter.resolution in ('replayed', 'edited')
                group by letter.topic, letter.kafka_partition, letter.kafka_offset,
                    letter.resolved_at
            ) as letter
            where read_at <= resolved_at
            """,
            dbname=settings.dwh_db,
        )
    except psycopg2.errors.UndefinedTable:
        # dbt has never run here: every event is still to be read.
        return 0
    return count
