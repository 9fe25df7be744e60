"""Rows that were deleted at the source while nobody read its log, and the deletes for raw."""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import Any

import psycopg2
from kafka import KafkaProducer
from psycopg2 import sql

from infra.errors import AirlineError
from infra.settings import TOPIC_PREFIX, Settings

# Deletes that we write carry this where Debezium's carry "postgresql".
CONNECTOR = "airline-resync"

# `start`: for each partition the offset from which on its events are the snapshot's or newer.
# A key that was there before and is in no event since is gone. A key that came back since is not
# our business: the event that brought it says what it is now.
MISSED = """
with start (kafka_partition, first_offset) as (values {start}),

before as (
    select raw.kafka_partition, raw.key, max(raw.kafka_offset) as kafka_offset
    from start
    inner join staging.{table} as raw using (kafka_partition)
    where raw.kafka_offset < start.first_offset and raw.key is not null and raw.value is not null
    group by raw.kafka_partition, raw.key
),

truncated as (
    select raw.kafka_partition, max(raw.kafka_offset) as kafka_offset
    from start
    inner join staging.{table} as raw using (kafka_partition)
    where raw.kafka_offset < start.first_offset and raw.value ->> 'op' = 't'
    group by raw.kafka_partition
)

select before.kafka_partition, before.key
from before
inner join staging.{table} as newest using (kafka_partition, kafka_offset)
left join truncated using (kafka_partition)
where
    newest.value ->> 'op' <> 'd'
    and before.kafka_offset > coalesce(truncated.kafka_offset, -1)
    and not exists (
        select
        from start
        inner join staging.{table} as since using (kafka_partition)
        where since.kafka_offset >= start.first_offset and since.key = before.key
    )
order by before.kafka_partition, before.kafka_offset
"""

Missed = list[tuple[int, dict[str, Any]]]


def find(settings: Settings, table: str, start: dict[int, int]) -> Missed:
    """(partition, key) of each row that was in raw before `start` and is gone since.

    `start`: partition -> offset. Staging must have everything up to the topic's end.
    """
    if not start:
        return []
    values = sql.SQL(", ").join(
        sql.SQL("({}, {})").format(sql.Literal(partition), sql.Literal(offset))
        for partition, offset in start.items()
    )
    statement = sql.SQL(MISSED).format(table=sql.Identifier(table), start=values)
    with closing(psycopg2.connect(settings.dsn("dwh"))) as connection, connection.cursor() as ask:
        _refuse_dead_letters(ask, table, start)
        ask.execute(statement)
        return ask.fetchall()


def write(settings: Settings, table: str, start: dict[int, int], missed: Missed) -> None:
    """Writes a delete for each key into its topic, and a tombstone after it, all or none."""
    moment = _moment(settings, table, start)
    topic = f"{TOPIC_PREFIX}.public.{table}"
    with closing(
        KafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap, acks="all", transactional_id=CONNECTOR
        )
    ) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        sent = []
        for partition, key in missed:
            place = {"key": _json(key), "partition": partition}
            delete = _delete(settings, table, key, moment)
            sent.append(producer.send(topic, value=_json(delete), **place))
            sent.append(producer.send(topic, value=None, **place))
        producer.flush()
        for each in sent:
            each.get(timeout=60)
        producer.commit_transaction()


def _delete(settings: Settings, table: str, key: dict[str, Any], moment: int) -> dict[str, Any]:
    """Debezium's event for a delete. It belongs to no transaction that anybody has seen."""
    now = time.time_ns()
    return {
        "before": key,
        "after": None,
        "source": {
            "version": "",
            "connector": CONNECTOR,
            "name": TOPIC_PREFIX,
            "ts_ms": moment // 1000,
            "snapshot": "false",
            "db": settings.source_db,
            "sequence": None,
            "ts_us": moment,
            "ts_ns": moment * 1000,
            "schema": "public",
            "table": table,
            "txId": None,
            "lsn": None,
            "xmin": None,
        },
        "transaction": None,
        "op": "d",
        "ts_ms": now // 1_000_000,
        "ts_us": now // 1000,
        "ts_ns": now,
    }


def _moment(settings: Settings, table: str, start: dict[int, int]) -> int:
    """When the row is known to have been gone, in microseconds: the snapshot's time."""
    with closing(psycopg2.connect(settings.dsn("dwh"))) as connection, connection.cursor() as ask:
        for partition, offset in start.items():
            ask.execute(
                sql.SQL(
                    "select (value -> 'source' ->> 'ts_us')::bigint from staging.{}"
                    " where kafka_partition = %s and kafka_offset >= %s and value ->> 'op' = 'r'"
                    " order by kafka_offset limit 1"
                ).format(sql.Identifier(table)),
                (partition, offset),
            )
            if found := ask.fetchone():
                return found[0]
    # An empty table has no row in a snapshot: then the source's present.
    with (
        closing(psycopg2.connect(settings.dsn("primary"))) as connection,
        connection.cursor() as ask,
    ):
        ask.execute("select (extract(epoch from clock_timestamp()) * 1000000)::bigint")
        return ask.fetchone()[0]


def _refuse_dead_letters(cursor, table: str, start: dict[int, int]) -> None:
    """A row whose event was refused is no row that is gone."""
    for partition, offset in start.items():
        cursor.execute(
            "select count(*) from staging.dead_letter"
            " where topic = %s and kafka_partition = %s and kafka_offset >= %s"
            " and (resolution is null or resolution = 'discarded')",
            (f"{TOPIC_PREFIX}.public.{table}", partition, offset),
        )
        [count] = cursor.fetchone()
        if count:
            raise AirlineError(
                f"{count} events of the snapshot of {table} are in staging.dead_letter, so what "
                "was deleted cannot be told",
                "replay them ('./airline dead-letters'), then './airline resync' goes on",
            )


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
