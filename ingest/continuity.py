"""Checks that a stored position still belongs to the log whose events landed.

A broker that lost the end of its log (a power cut, a restored disk) assigns the same offsets to
other events. Once the log has grown past the stored position again, the offsets alone do not show
it. Two things do:

- Leader epochs: each start of a broker begins a new epoch, and the broker knows at which offset
  each epoch ended. An epoch that ended before the stored position has lost landed events.
- The newest landed event: it is read again and must have the same timestamp and checksum.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, replace

from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from ingest.broker import Broker

REPAIR = (
    "Nothing of it is landed until ./airline resync has repaired it: what landed stays as history,"
    " and all rows are read from the source anew."
)


@dataclass(frozen=True)
class Mark:
    """The newest landed event of a partition. `timestamp` is in milliseconds."""

    offset: int
    timestamp: int
    checksum: bytes

    @classmethod
    def of(cls, record: ConsumerRecord) -> Mark:
        return cls(record.offset, record.timestamp, checksum(record))


@dataclass(frozen=True)
class Position:
    """Where a partition is to be read from, and what is known of its log.

    `epoch`: epoch of the leader from which the log before `offset` was read. All but `offset` are
    None where an earlier version, or a person, stored the position. `refusal`: the stored reason
    why nothing of the partition is landed.
    """

    offset: int
    topic_id: uuid.UUID | None = None
    epoch: int | None = None
    mark: Mark | None = None
    refusal: str | None = None


@dataclass(frozen=True)
class Log:
    """A partition at the broker: offsets [first, end) for a read_committed consumer.

    `epoch` is the epoch of its leader.
    """

    topic_id: uuid.UUID
    first: int
    end: int
    epoch: int


def checksum(record: ConsumerRecord) -> bytes:
    """An 8-byte checksum of key and value; null and empty give different ones."""
    digest = hashlib.blake2b(digest_size=8)
    for part in (record.key, record.value):
        digest.update(b"-" if part is None else b"%d:" % len(part) + part)
    return digest.digest()


def breaks(
    broker: Broker, positions: dict[TopicPartition, Position], logs: dict[TopicPartition, Log]
) -> dict[TopicPartition, str]:
    """{partition: why reading must not continue from its position}, only for such partitions.

    Raises KafkaError if the broker does not answer. A position without epoch and mark is compared
    with the log's first and last offset only; so is one whose mark Kafka's retention has removed.
    """
    found: dict[TopicPartition, str] = {}
    known = {p.topic: at.topic_id for p, at in positions.items() if at.topic_id}
    for partition, position in positions.items():
        # A partition from which nothing has landed yet has the topic id of its siblings.
        position = replace(position, topic_id=known.get(partition.topic))
        if why := _why_not_there(partition, position, logs[partition]):
            found[partition] = why
    there = {p: at for p, at in positions.items() if p not in found}
    ends = broker.epoch_ends({p: at.epoch for p, at in there.items() if at.epoch is not None})
    for partition, end in ends.items():
        # None: the broker does not know this epoch, for example after it lost its epoch file.
        if end is not None and end < there[partition].offset:
            found[partition] = _lost_text(partition, positions[partition], end)
    marks = {
        p: at.mark
        for p, at in there.items()
        if p not in found and at.mark and at.mark.offset >= logs[p].first
    }
    records = broker.records({p: mark.offset for p, mark in marks.items()})
    for partition, mark in marks.items():
        record = records.get(partition)
        if record is None or Mark.of(record) != mark:
            found[partition] = _lost_text(partition, positions[partition], None)
    return found


def recreated_text(topic: str, known: uuid.UUID, found: uuid.UUID) -> str:
    return (
        f"Topic {topic} was deleted and created again, or this is another Kafka: its id is {found},"
        f" events landed so far are of {known}. Its offsets start again and would be skipped or"
        " collide with the rows landed before. Where the ingester is at the wrong Kafka, point it"
        f" at the one it was landing from. {REPAIR}"
    )


def _why_not_there(partition: TopicPartition, position: Position, log: Log) -> str:
    topic, number = partition
    if position.topic_id is not None and position.topic_id != log.topic_id:
        return recreated_text(topic, position.topic_id, log.topic_id)
    if log.first <= position.offset <= log.end:
        return ""
    where = (
        f"Topic {topic} partition {number}: the warehouse's next offset is {position.offset}, the"
        f" broker has [{log.first},{log.end}). "
    )
    if position.offset < log.first:
        return where + (
            f"Retention removed the events from {position.offset} to {log.first - 1} before they"
            " were landed. If they may be lost, go on with `python -m ingest --set-position"
            f" {topic}:{number}={log.first}`. {REPAIR}"
        )
    return where + (
        f"Kafka lost the end of this log, or the topic was recreated, or this is another Kafka."
        f" {REPAIR}"
    )


def _lost_text(partition: TopicPartition, position: Position, end: int | None) -> str:
    return (
        f"Kafka lost events of {partition.topic} partition {partition.partition} that had landed,"
        f" and has others in their place: the warehouse's next offset is {position.offset}, "
        + (f"the log that it was read from ended at {end}. " if end is not None else "")
        + (
            f"and the event at offset {position.mark.offset} is not the one that landed. "
            if end is None and position.mark
            else ""
        )
        + REPAIR
    )
