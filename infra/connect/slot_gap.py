"""Detects a slot that is ahead of the connector's stored position.

Debezium confirms a position to PostgreSQL only after Kafka has stored the events and the
connector's position, in one Kafka transaction. So the slot is never ahead of the stored position,
unless somebody moved the slot or Kafka lost the end of the offsets topic. PostgreSQL then streams
from the slot's position, and Debezium 3.7 (`offset.mismatch.strategy=trust_offset`) does not report
it: changes between the two may be in no topic.

The difference is visible only until the connector stores its next position, so a gap is kept in a
file until a resync of all tables.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from infra.connect import connector
from infra.kafka import access
from infra.kafka.access import OFFSETS_TOPIC
from infra.postgres.server import Server
from infra.settings import Settings
from infra.stack.journal import Journal
from infra.stack.waiting import wait_until

# How long Kafka may take to answer, and until a committed transaction is visible, in seconds.
PATIENCE, COMMIT_PATIENCE = 5.0, 5.0
# Offsets read first from the end of the topic; each further attempt reads eight times as many.
FIRST_LOOK = 64
# How often to compare while nothing reads the slot and it does not move, in seconds.
COMPARE_EVERY = 10.0


@dataclass(frozen=True)
class Gap:
    """Positions in the source's log, in bytes: changes between them may be in no topic."""

    stored: int
    confirmed: int

    def __str__(self) -> str:
        return (
            f"the slot {connector.SLOT} was at {_lsn(self.confirmed)} when the connector had stored"
            f" no position after {_lsn(self.stored)}: changes between the two were confirmed to"
            " PostgreSQL, and may be in no topic: './airline resync' finds all of them"
        )


@dataclass(frozen=True)
class Slot:
    """CDC's slot: the pid of its WAL sender, None if nothing reads it, and its position."""

    sender: int | None
    confirmed: int


def primary(settings: Settings) -> Server:
    """The server that has the slot."""
    return Server(settings, "primary", settings.home / "data" / "primary", settings.primary_port)


def slot(settings: Settings) -> Slot | None:
    """The current state of the slot, None if there is none. Raises psycopg2.Error."""
    rows = primary(settings).query(
        "select active_pid, confirmed_flush_lsn - '0/0'::pg_lsn from pg_replication_slots"
        f" where slot_name = '{connector.SLOT}' and confirmed_flush_lsn is not null"
    )
    return Slot(rows[0][0], int(rows[0][1])) if rows else None


def look(settings: Settings) -> Gap | None:
    """Compares slot and stored position now, and records a gap. Returns the recorded one.

    Raises psycopg2.Error or KafkaError where primary or Kafka does not answer.
    """

    def is_known() -> bool:
        # The slot is read first: a running connector stores a position before it confirms it.
        if (now := slot(settings)) is None:
            return True
        stored, on_its_way = _stored(settings)
        if stored is None or stored >= now.confirmed:
            return True
        # A transaction is committed for its producer a moment before consumers can read it.
        if on_its_way >= now.confirmed:
            return False
        if noted(settings) is None:
            _journal(settings).write(stored=stored, confirmed=now.confirmed)
        return True

    wait_until(is_known, COMMIT_PATIENCE)
    return noted(settings)


def noted(settings: Settings) -> Gap | None:
    """The first gap seen since the last resync of all tables."""
    entry = _journal(settings).read()
    return Gap(entry["stored"], entry["confirmed"]) if entry else None


def forget(settings: Settings) -> None:
    """Removes the record: all rows are being read again."""
    _journal(settings).end()


class Watch:
    """Compares repeatedly, but only when a gap is possible: nothing reads the slot, or another
    process than before. `slot` is what the last look saw.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.slot: Slot | None = None
        self._compared: Slot | None = None
        self._at = 0.0

    def look(self) -> Gap | None:
        """As the function `look`; what is compared once is not each time compared again."""
        now = self.slot = slot(self._settings)
        if now is None:
            return noted(self._settings)
        before = self._compared
        if now.sender is not None:
            is_known = before is not None and before.sender == now.sender
        else:
            is_known = before == now and time.monotonic() - self._at < COMPARE_EVERY
        if is_known:
            return noted(self._settings)
        found = look(self._settings)
        self._compared, self._at = now, time.monotonic()
        return found


def _journal(settings: Settings) -> Journal:
    return Journal(settings, "slot-gap")


def _lsn(position: int) -> str:
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def _stored(settings: Settings) -> tuple[int | None, int]:
    """(the position from which a connector that starts now would continue, the newest position in
    open Kafka transactions or 0). The first is None if there is none, and during a snapshot.
    """
    newest: dict[str, Any] | None = None
    on_its_way = 0
    with (
        closing(_consumer(settings, "read_committed")) as committed,
        closing(_consumer(settings, "read_uncommitted")) as everything,
    ):
        partitions = [
            TopicPartition(OFFSETS_TOPIC, number)
            for number in sorted(committed.partitions_for_topic(OFFSETS_TOPIC) or ())
        ]
        if not partitions:
            return None, 0
        begins = committed.beginning_offsets(partitions)
        ends = committed.end_offsets(partitions)
        for partition, end in ends.items():
            newest = _newest(committed, partition, begins[partition], end) or newest
        for partition, end in everything.end_offsets(partitions).items():
            for offset in _read(everything, partition, ends[partition], end):
                on_its_way = max(on_its_way, _reached(offset))
    if newest is None or newest.get("snapshot"):
        return None, on_its_way
    return _reached(newest), on_its_way


def _consumer(settings: Settings, isolation_level: str) -> KafkaConsumer:
    return KafkaConsumer(
        **access.client(settings),
        isolation_level=isolation_level,
        enable_auto_commit=False,
        group_id=None,
        bootstrap_timeout_ms=int(PATIENCE * 1000),
        request_timeout_ms=int(PATIENCE * 1000),
    )


def _newest(
    consumer: KafkaConsumer, partition: TopicPartition, begin: int, end: int
) -> dict[str, Any] | None:
    """The connector's last stored position in a partition; {} if it was reset, None if it never
    stored one there.
    """
    count = FIRST_LOOK
    while end > begin:
        first = max(begin, end - count)
        if found := list(_read(consumer, partition, first, end)):
            return found[-1]
        if first == begin:
            break
        count *= 8
    return None


def _read(
    consumer: KafkaConsumer, partition: TopicPartition, first: int, end: int
) -> Iterator[dict[str, Any]]:
    """The positions that the connector stored at offsets from `first` to before `end`."""
    if first >= end:
        return
    consumer.assign([partition])
    consumer.seek(partition, first)
    deadline = time.monotonic() + PATIENCE
    while consumer.position(partition) < end:
        if time.monotonic() > deadline:
            raise KafkaTimeoutError(f"{partition.topic} cannot be read to its end")
        for records in consumer.poll(200).values():
            deadline = time.monotonic() + PATIENCE
            for record in records:
                if record.offset < end and json.loads(record.key or b"[0]")[0] == connector.NAME:
                    yield json.loads(record.value) if record.value else {}


def _reached(offset: dict[str, Any]) -> int:
    """The newest LSN in a stored position.

    Transactions arrive in commit order: an event's LSN may be lower than an earlier commit's.
    """
    return max(int(offset.get(key) or 0) for key in ("lsn", "lsn_proc", "lsn_commit"))
