"""Rows that were deleted at the source while nobody read its log, and the deletes for raw."""

from __future__ import annotations

import json
import time
from contextlib import closing, suppress
from typing import Any

import psycopg2
from kafka import KafkaProducer
from psycopg2 import sql

import catalogue
from infra.errors import AirlineError
from infra.kafka import access
from infra.postgres import sessions
from infra.settings import Settings
from infra.source import capture
from infra.warehouse import dbt_dsn

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
    where
        raw.kafka_offset < start.first_offset
        -- What is no change event tells of no row, nor does an event of another primary key: a row
        -- that is there may have what it has of this key.
        and raw.key ?& {columns}
        and case jsonb_typeof(raw.key) when 'object' then raw.key - {columns} = '{{}}' end
        and raw.value ->> 'op' in ('c', 'r', 'u', 'd')
        and 'object' = jsonb_typeof(
            raw.value -> case raw.value ->> 'op' when 'd' then 'before' else 'after' end
        )
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

# Rows of which raw has nothing left: retention dropped what it had, and only the vault knows them.
KNOWN_TO_THE_VAULT = """
select null::integer, known.key
from (select jsonb_build_object({key}) as key from dwh_business.{current}) as known
where not exists (
    select from staging.{table} as raw where raw.key = known.key and raw.value is not null
)
order by known.key
"""

# (partition, key); without a partition it is the one that Kafka gives the key.
Missed = list[tuple[int | None, dict[str, Any]]]


def find(settings: Settings, table: str, start: dict[int, int]) -> Missed:
    """Each row that raw or the vault knew before `start` and that is gone since.

    `start`: partition -> offset. Staging must have everything up to the topic's end.
    """
    if not start:
        return []
    values = sql.SQL(", ").join(
        sql.SQL("({}, {})").format(sql.Literal(partition), sql.Literal(offset))
        for partition, offset in start.items()
    )
    columns = _key_columns(settings, table)
    names = {
        "table": sql.Identifier(table),
        "start": values,
        "current": sql.Identifier(f"current_{table}"),
        "columns": sql.Literal(columns),
        "key": sql.SQL(", ").join(
            sql.SQL("{}, {}").format(sql.Literal(column), sql.Identifier(column))
            for column in columns
        ),
    }
    with closing(psycopg2.connect(dbt_dsn(settings))) as connection, connection.cursor() as ask:
        # Both questions are about one moment of raw.
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        _refuse_dead_letters(ask, table, start)
        # The planner knows little of what landed a moment ago, and takes it for few rows. All of
        # them are read, on both sides: rows are matched by hash, never one by one.
        ask.execute("set local enable_nestloop = off")
        ask.execute(sql.SQL(MISSED).format(**names))
        missed = ask.fetchall()
        # Without the views dbt has never run here: then nothing was dropped either.
        with suppress(psycopg2.errors.UndefinedTable):
            ask.execute(sql.SQL(KNOWN_TO_THE_VAULT).format(**names))
            missed += ask.fetchall()
    # Noted before it is done: what could be missing above is there by now.
    if was_dropped(settings, table, start):
        raise AirlineError(
            f"retention has dropped events of the snapshot of {table} meanwhile, so what was "
            "deleted cannot be told",
            "'./airline resync' begins it anew",
        )
    # Kafka tells the partition by the key's bytes, and jsonb does not keep the order of columns.
    return [(partition, {column: key[column] for column in columns}) for partition, key in missed]


def was_dropped(settings: Settings, table: str, start: dict[int, int]) -> bool:
    """Whether retention has dropped events from `start` on: a row may be there without one."""
    topic = catalogue.topic(table)
    try:
        dropped = sessions.query(
            dbt_dsn(settings),
            "select kafka_partition, below_offset from staging.removed_event"
            f" where topic = '{topic}'",
        )
    except psycopg2.errors.UndefinedTable:
        # Retention has never dropped anything here.
        return False
    return any(below > start.get(partition, below) for partition, below in dropped)


def write(settings: Settings, table: str, start: dict[int, int], missed: Missed) -> None:
    """Writes a delete for each key into its topic, and a tombstone after it, all or none."""
    moment = _moment(settings, table, start)
    topic = catalogue.topic(table)
    with closing(
        KafkaProducer(**access.client(settings), acks="all", transactional_id=CONNECTOR)
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
            "name": catalogue.topic_prefix(),
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
    with closing(psycopg2.connect(dbt_dsn(settings))) as connection, connection.cursor() as ask:
        for partition, offset in start.items():
            ask.execute(
                sql.SQL(
                    "select value -> 'source' ->> 'ts_us' from staging.{}"
                    " where kafka_partition = %s and kafka_offset >= %s and value ->> 'op' = 'r'"
                    " and value -> 'source' ->> 'ts_us' ~ '^[0-9]{{1,18}}$'"
                    " order by kafka_offset limit 1"
                ).format(sql.Identifier(table)),
                (partition, offset),
            )
            if found := ask.fetchone():
                return int(found[0])
    # An empty table has no row in a snapshot: then the source's present.
    with (
        closing(psycopg2.connect(settings.dsn("primary"))) as connection,
        connection.cursor() as ask,
    ):
        ask.execute("select (extract(epoch from clock_timestamp()) * 1000000)::bigint")
        return ask.fetchone()[0]


def _key_columns(settings: Settings, table: str) -> list[str]:
    """The table's key as events have it: its primary key at the source."""
    with (
        closing(psycopg2.connect(settings.dsn("primary"))) as source,
        source.cursor() as cursor,
    ):
        now = capture.read(cursor).relations.get(table)
    return list(now.key) if now and now.key else list(catalogue.tables()[table].key)


def _refuse_dead_letters(cursor, table: str, start: dict[int, int]) -> None:
    """A row whose event was refused is no row that is gone."""
    for partition, offset in start.items():
        cursor.execute(
            "select count(*) from staging.dead_letter"
            " where topic = %s and kafka_partition = %s and kafka_offset >= %s"
            " and (resolution is null or resolution = 'discarded')",
            (catalogue.topic(table), partition, offset),
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
