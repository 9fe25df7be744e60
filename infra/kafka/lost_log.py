"""Repairs logs that lost their end, so that landing continues without using an offset twice.

Landed events stay in raw under their offsets, as history. The log assigns the same offsets again,
so it is filled with marked messages up to the stored position, and the events that it has in place
of the lost ones are written again after that: there they land, in order, at new offsets. Nothing in
raw changes, and offsets remain the order of landing.

Every step can be repeated after a kill: messages of an attempt are marked, and lie before the
offset from which the next attempt lets landing continue.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import Any

import psycopg2
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import AbortTransactionSpec
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError
from psycopg2 import sql

import catalogue
from infra.errors import AirlineError
from infra.kafka import access
from infra.kafka.broker import Broker
from infra.postgres import roles
from infra.settings import Settings
from ingest import broker as ingest_broker
from ingest.book import blurred
from ingest.config import table_of
from ingest.continuity import Log, Position, breaks
from ingest.encode import timestamp_ms
from ingest.land import stored_positions

# The header of messages written by a repair; its value is the repaired position.
HEADER = "airline-repair"
# As in missed_deletes: the one that writes into the topics while the connector is stopped.
TRANSACTIONAL_ID = "airline-resync"
# Offsets compared first, backwards from the position; each further attempt compares four times as
# many.
FIRST_LOOK = 1000
# Messages in flight at the same time.
AT_ONCE = 5000
# The broker's maximum transaction time: there may be many events.
TRANSACTION_MS = 900_000


@dataclass(frozen=True)
class Lost:
    """A partition that must not be read from `position`, for `reason`."""

    partition: TopicPartition
    position: Position
    log: Log
    reason: str


def find(settings: Settings) -> list[Lost]:
    """Queries Kafka and the warehouse now, independent of what the ingesters have noticed.

    Raises AirlineError if Kafka does not answer.
    """
    positions = _positions(settings)
    with closing(ingest_broker.Broker(access.client(settings))) as broker:
        try:
            ids = broker.topic_ids({each.topic for each in positions}) if positions else {}
            there = {each: at for each, at in positions.items() if each.topic in ids}
            bounds = broker.bounds(there)
            logs = {each: Log(ids[each.topic], *bounds[each]) for each in there}
            broken = breaks(broker, there, logs)
        except KafkaError as error:
            raise AirlineError(
                f"Kafka does not answer ({error})", "see './airline status'"
            ) from None
    return [Lost(each, there[each], logs[each], why) for each, why in sorted(broken.items())]


def _dsn(settings: Settings) -> str:
    """Of the warehouse, as the ingester's role: positions and what landed are its own."""
    return roles.login(settings, "dwh", roles.INGEST)


def _positions(settings: Settings) -> dict[TopicPartition, Position]:
    with closing(psycopg2.connect(_dsn(settings))) as connection, connection.cursor() as ask:
        ask.execute("select topic, kafka_partition from staging.ingest_offset")
        known = [TopicPartition(*row) for row in ask.fetchall()]
        return stored_positions(ask, known)


def make_missing_topics(settings: Settings) -> None:
    """Creates deleted topics of which events have landed. The connector would create them with
    offsets from 0, which are used already.
    """
    with closing(psycopg2.connect(_dsn(settings))) as connection, connection.cursor() as ask:
        ask.execute(
            "select topic, max(kafka_partition) + 1 from staging.ingest_offset"
            " where next_offset > 0 group by topic"
        )
        landed = dict(ask.fetchall())
    Broker(settings).make_topics(landed, partitions=landed)


def repair(settings: Settings, say: Callable[[str], None]) -> int:
    """Repairs every lost log; returns how many there were.

    The connector must be stopped, and `make_missing_topics` done. Events that only Kafka had are
    lost; a resync reads their rows from the source.
    """
    lost = find(settings)
    if lost:
        _end_open_transactions(settings)
    # The ends may be others without what was open.
    lost = find(settings) if lost else lost
    for each in lost:
        topic, number = each.partition
        first, to_offset, repeated = _write_on(settings, each)
        _go_on(settings, each, first, to_offset)
        say(
            f"{topic} partition {number}: landing goes on at offset {to_offset:,};"
            f" raw keeps what it has, {repeated:,} events of the topic land from there on"
        )
    return len(lost)


def _write_on(settings: Settings, lost: Lost) -> tuple[int, int, int]:
    """(first offset that differs from raw, where landing is to go on, events written again)."""
    partition, position, log = lost.partition, lost.position, lost.log
    if position.offset < log.first:
        # Removed by Kafka's retention: no offset is used twice.
        return position.offset, log.first, 0
    first = _first_difference(settings, lost)
    header = (HEADER, str(position.offset).encode())
    topic, number = partition
    # One offset each. They are not read: landing continues after them.
    fillers = ({"value": b"", "headers": [header]} for _ in range(log.end, position.offset))
    with closing(_producer(settings)) as producer:
        filled = _send(producer, topic, number, fillers)
    again = (
        {
            "key": record.key,
            "value": record.value,
            "timestamp_ms": timestamp_ms(record),
            "headers": [*record.headers, header],
        }
        for record in _records(settings, partition, first, log.end)
        if header not in record.headers
    )
    with closing(
        _producer(
            settings, transactional_id=TRANSACTIONAL_ID, transaction_timeout_ms=TRANSACTION_MS
        )
    ) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        repeated = _send(producer, topic, number, again)
        producer.commit_transaction()
    return first, log.end + filled, repeated


def _producer(settings: Settings, **options: Any) -> KafkaProducer:
    return KafkaProducer(
        **access.client(settings),
        acks="all",
        linger_ms=20,
        max_request_size=settings.message_bytes,
        **options,
    )


def _send(
    producer: KafkaProducer, topic: str, partition: int, messages: Iterable[dict[str, Any]]
) -> int:
    """Writes them one after the other; returns how many. AirlineError where one is refused."""
    count, sent = 0, []
    try:
        for message in chain(messages, (None,)):
            if message is None or len(sent) == AT_ONCE:
                producer.flush()
                for each in sent:
                    each.get(timeout=60)
                count, sent = count + len(sent), []
            if message is not None:
                sent.append(producer.send(topic, partition=partition, **message))
    except KafkaError as error:
        raise AirlineError(
            f"the topic {topic} could not be written on ({error})",
            "see './airline status'; './airline resync' tries again",
        ) from None
    return count


def _go_on(settings: Settings, lost: Lost, first: int, to_offset: int) -> None:
    """Moves the stored position, unless it was moved meanwhile, and records the lost range."""
    with closing(ingest_broker.Broker(access.client(settings))) as broker:
        [(_, _, epoch)] = broker.bounds([lost.partition]).values()
    with (
        closing(psycopg2.connect(_dsn(settings))) as connection,
        connection,
        connection.cursor() as change,
    ):
        change.execute(
            "update staging.ingest_offset set next_offset = %s, topic_id = %s, leader_epoch = %s,"
            " last_offset = null, last_timestamp = null, last_checksum = null, refusal = null,"
            " updated_at = now()"
            " where topic = %s and kafka_partition = %s and next_offset = %s",
            (to_offset, str(lost.log.topic_id), epoch, *lost.partition, lost.position.offset),
        )
        if change.rowcount != 1:
            raise AirlineError(
                f"the stored position of {lost.partition.topic} was moved meanwhile",
                "'./airline resync' begins anew",
            )
        change.execute(
            "insert into staging.lost_log (topic, kafka_partition, from_offset, to_offset, reason)"
            " values (%s, %s, %s, %s, %s)",
            (*lost.partition, first, to_offset, lost.reason),
        )


def _first_difference(settings: Settings, lost: Lost) -> int:
    """The first offset at which the topic differs from raw.

    If raw has nothing left to compare, it is taken from Kafka's leader epochs; if these do not tell
    either, it is the first offset that has not landed, and no event is written again.
    """
    partition, position, log = lost.partition, lost.position, lost.log
    if position.topic_id not in (None, log.topic_id):
        return log.first
    # Before the end of an earlier repair, raw and the topic always differ.
    bottom = max(log.first, _repaired_before(settings, partition))
    # Of persons raw has tokens, and the topic their values.
    table = catalogue.tables().get(table_of(partition.topic))
    high, look, compared = min(position.offset, log.end), FIRST_LOOK, False
    while high > bottom:
        low = max(bottom, high - look)
        raw = _raw(settings, partition, low, high)
        if raw:
            compared = True
            there = {
                record.offset: (
                    timestamp_ms(record),
                    _parsed(record.key),
                    blurred(table, _parsed(record.value)),
                )
                for record in _records(settings, partition, low, high, committed=False)
            }
            same = [offset for offset, event in raw.items() if there.get(offset) == event]
            if same:
                return max(same) + 1
        high, look = low, look * 4
    if compared and bottom == log.first:
        return bottom
    if position.epoch is not None:
        with closing(ingest_broker.Broker(access.client(settings))) as broker:
            [ended] = broker.epoch_ends({partition: position.epoch}).values()
        if ended is not None:
            return min(ended, bottom) if compared else ended
    return min(bottom if compared else position.offset, log.end)


def _repaired_before(settings: Settings, partition: TopicPartition) -> int:
    """The offset from which landing continued after the newest repair of this log, or 0."""
    with closing(psycopg2.connect(_dsn(settings))) as connection, connection.cursor() as ask:
        ask.execute(
            "select coalesce(max(to_offset), 0) from staging.lost_log"
            " where topic = %s and kafka_partition = %s",
            partition,
        )
        [(offset,)] = ask.fetchall()
    return offset


def _raw(
    settings: Settings, partition: TopicPartition, low: int, high: int
) -> dict[int, tuple[int, Any, Any]]:
    """offset -> (timestamp in milliseconds, key, value) of what landed in [low, high)."""
    with closing(psycopg2.connect(_dsn(settings))) as connection, connection.cursor() as ask:
        ask.execute(
            sql.SQL(
                "select kafka_offset, (extract(epoch from kafka_timestamp) * 1000)::bigint, key,"
                " value from staging.{} where kafka_partition = %s and kafka_offset >= %s"
                " and kafka_offset < %s"
            ).format(sql.Identifier(table_of(partition.topic))),
            (partition.partition, low, high),
        )
        table = catalogue.tables().get(table_of(partition.topic))
        return {
            offset: (moment, key, blurred(table, value))
            for offset, moment, key, value in ask.fetchall()
        }


def _parsed(text: bytes | None) -> Any:
    """The value as jsonb stores it; text that is no JSON equals nothing in raw."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _records(
    settings: Settings, partition: TopicPartition, low: int, high: int, *, committed: bool = True
) -> Iterator[ConsumerRecord]:
    """The records with offsets in [low, high)."""
    if low >= high:
        return
    with closing(
        KafkaConsumer(
            **access.client(settings),
            isolation_level="read_committed" if committed else "read_uncommitted",
            enable_auto_commit=False,
            auto_offset_reset="none",
            group_id=None,
            max_partition_fetch_bytes=settings.message_bytes,
        )
    ) as consumer:
        consumer.assign([partition])
        consumer.seek(partition, low)
        while consumer.position(partition) < high:
            for records in consumer.poll(500).values():
                for record in records:
                    if record.offset < high:
                        yield record


def _end_open_transactions(settings: Settings) -> None:
    """Ends Kafka transactions whose end marker was lost: consumers would never read past them."""
    with closing(KafkaAdminClient(**access.client(settings))) as admin:
        there = set(admin.list_topics())
        partitions = [each for each in _positions(settings) if each.topic in there]
        for partition, state in admin.describe_producers(partitions).items():
            for producer in state.active_producers:
                if producer.current_transaction_start_offset >= 0:
                    admin.abort_transaction(
                        AbortTransactionSpec(
                            partition,
                            producer.producer_id,
                            producer.producer_epoch,
                            # With the epoch of the last coordinator, or the broker refuses it.
                            max(producer.coordinator_epoch, 0),
                        )
                    )
