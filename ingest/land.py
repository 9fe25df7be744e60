"""The warehouse side: one thread and one connection that land batches in the order given."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import psycopg2
from kafka import TopicPartition

from ingest import faults, poison
from ingest.config import Config, table_of
from ingest.log import say

_FIRST_RETRY, _LAST_RETRY = 0.25, 5.0  # seconds
_SUMMARY_EVERY = 10.0  # seconds


@dataclass
class Batch:
    """What one flush lands: records, and how far it moves each partition.

    `moves` maps a partition to (next offset before, next offset after). It may move a partition
    without records: transaction markers take offsets and are no events.
    """

    records: dict[TopicPartition, list] = field(default_factory=lambda: defaultdict(list))
    moves: dict[TopicPartition, tuple[int, int]] = field(default_factory=dict)
    rows: int = 0
    bytes: int = 0


class Positions(dict):
    """Asks where partitions are to be read from; comes back as {partition: next offset}.

    It goes through the same queue as the batches, so the answer includes all of them. `round`
    is the caller's, to tell an answer to an older question.
    """

    def __init__(self, partitions: Iterable[TopicPartition], round: int) -> None:
        super().__init__(dict.fromkeys(partitions))
        self.round = round


class Lander(threading.Thread):
    """Lands Batches from `inbox` until it gets None; `outbox` has landed moves and Positions."""

    def __init__(self, config: Config, stopping: threading.Event) -> None:
        super().__init__(name="land", daemon=True)
        self.inbox: queue.Queue[Batch | Positions | None] = queue.Queue(maxsize=2)
        self.outbox: queue.SimpleQueue[Batch | Positions] = queue.SimpleQueue()
        self.failure: BaseException | None = None
        self._config = config
        self._stopping = stopping
        self._connection = None
        self._refused_in_a_row = 0
        self._summary = Summary()

    def run(self) -> None:
        try:
            while (item := self.inbox.get()) is not None:
                work = self._look_up if isinstance(item, Positions) else self._land
                if not self._until_done(work, item):
                    say("stopped with events in hand: the warehouse is away, and they will be"
                        " read from Kafka again", logging.WARNING)  # fmt: skip
                    return
                if isinstance(item, Batch):
                    item.records.clear()  # landed: only the moves are still of interest
                self.outbox.put(item)
        except BaseException as error:
            self.failure = error
        finally:
            self._summary.say_rest()
            self._disconnect()

    def _until_done(self, work: Callable, item) -> bool:
        """Does `work(cursor, item, again)` in a transaction, as often as passing faults ask.

        `again` is true if an earlier attempt may have been committed unnoticed. False if the
        ingester is to stop and the warehouse is away.
        """
        delay, again = _FIRST_RETRY, False
        while True:
            last_attempt = self._stopping.is_set()
            try:
                if self._connection is None:
                    self._connection = psycopg2.connect(**self._config.dsn())
                with self._connection, self._connection.cursor() as cursor:
                    work(cursor, item, again)
                if again:
                    say("warehouse is back")
                return True
            except psycopg2.Error as error:
                self._disconnect()
                if not faults.is_passing(error):
                    raise faults.IngestError(
                        f"The warehouse {self._config.dwh_host}:{self._config.dwh_port}"
                        f"/{self._config.dwh_db} refuses the work of role"
                        f" {self._config.dwh_user}: {faults.first_line(error)}"
                        f" ({error.pgcode or 'at connecting'}). Nothing of this flush was landed;"
                        " put the cause right and start the ingester again."
                    ) from error
                if last_attempt:
                    return False
                say("warehouse is away, trying again", logging.WARNING,
                    error=faults.first_line(error), retry_seconds=delay)  # fmt: skip
                again = True
                self._stopping.wait(delay)
                delay = min(delay * 2, _LAST_RETRY)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _look_up(self, cursor, asked: Positions, _again: bool) -> None:
        for partition in asked:
            # A partition never landed from starts at 0; stored, so that moves are always updates.
            cursor.execute(
                "INSERT INTO staging.ingest_offset (topic, kafka_partition, next_offset)"
                " VALUES (%s, %s, 0) ON CONFLICT DO NOTHING",
                partition,
            )
        asked.update(stored_positions(cursor, list(asked)))

    def _land(self, cursor, batch: Batch, again: bool) -> None:
        begun = time.monotonic()
        # First the offsets: their row locks make a second ingester wait here, not in COPY.
        fenced = compare_and_set(cursor, batch.moves)
        if fenced:
            stored = stored_positions(cursor, fenced)
            reached = all(stored.get(p) == batch.moves[p][1] for p in fenced)
            if again and reached and len(fenced) == len(batch.moves):
                return  # the commit before the connection broke had gone through
            raise faults.Fenced(_fenced_text(fenced, batch.moves, stored))
        by_topic = defaultdict(list)
        for partition, records in batch.records.items():
            by_topic[partition.topic] += records
        refused: list[poison.Refused] = []
        allowed = self._may_refuse(batch.rows)
        for topic, records in by_topic.items():
            poison.copy_bisecting(cursor, table_of(topic), records, refused, allowed)
        in_a_row = len(refused) + (self._refused_in_a_row if len(refused) == batch.rows else 0)
        poison.check(len(refused), allowed, refused)
        poison.check(in_a_row, self._config.max_dead_letters, refused)
        poison.bury(cursor, refused)
        cursor.connection.commit()
        self._refused_in_a_row = in_a_row if len(refused) == batch.rows else 0
        self._summary.add(batch, len(refused), time.monotonic() - begun)
        for record, error in refused:
            say("dead letter", logging.WARNING, topic=record.topic, partition=record.partition,
                offset=record.offset, error=error)  # fmt: skip

    def _may_refuse(self, rows: int) -> int:
        """Refused events that a flush may have: a tenth of it, within a tenth of the limit and it.

        With the default limit of 1000: 100 events of a small flush, 1000 of the largest.
        """
        most = self._config.max_dead_letters
        return min(most, max(most // 10, rows // 10))


class Summary:
    """Adds flushes up and says so every ten seconds: a line a flush would bury the rest."""

    def __init__(self) -> None:
        self._said = 0.0
        self._reset()

    def _reset(self) -> None:
        self._flushes = self._rows = self._bytes = self._refused = 0
        self._seconds = 0.0

    def add(self, batch: Batch, refused: int, seconds: float) -> None:
        if not batch.rows:
            return
        self._flushes += 1
        self._rows += batch.rows - refused
        self._bytes += batch.bytes
        self._refused += refused
        self._seconds += seconds
        if time.monotonic() - self._said >= _SUMMARY_EVERY:
            self.say_rest()

    def say_rest(self) -> None:
        if self._flushes:
            say("landed", rows=self._rows, bytes=self._bytes, flushes=self._flushes,
                dead_letters=self._refused, ms=round(self._seconds * 1000))  # fmt: skip
        self._said = time.monotonic()
        self._reset()


def stored_positions(cursor, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
    """{partition: next offset} of those that the warehouse knows."""
    cursor.execute(
        "SELECT topic, kafka_partition, next_offset FROM staging.ingest_offset"
        " JOIN unnest(%s::text[], %s::int[]) AS asked (topic, kafka_partition)"
        " USING (topic, kafka_partition)",
        ([p.topic for p in partitions], [p.partition for p in partitions]),
    )
    return {TopicPartition(topic, number): offset for topic, number, offset in cursor}


def compare_and_set(cursor, moves: dict[TopicPartition, tuple[int, int]]) -> list[TopicPartition]:
    """Moves stored offsets from before to after; returns those that stood elsewhere."""
    cursor.execute(
        "UPDATE staging.ingest_offset AS stored SET next_offset = after, updated_at = now()"
        " FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[])"
        " AS move (topic, kafka_partition, before, after)"
        " WHERE stored.topic = move.topic AND stored.kafka_partition = move.kafka_partition"
        " AND next_offset = before RETURNING stored.topic, stored.kafka_partition",
        (
            [p.topic for p in moves],
            [p.partition for p in moves],
            [before for before, _ in moves.values()],
            [after for _, after in moves.values()],
        ),
    )
    moved = {TopicPartition(topic, number) for topic, number in cursor}
    return [partition for partition in moves if partition not in moved]


def _fenced_text(fenced: list, moves: dict, stored: dict) -> str:
    where = "; ".join(
        f"{p.topic} partition {p.partition}: this ingester wanted to land from offset"
        f" {moves[p][0]}, the warehouse stands at {stored.get(p, 'no offset')}"
        for p in fenced
    )
    return (
        f"Another ingester, or a person, moved the stored position: {where}. Nothing of this"
        " flush was landed and nothing is doubled. Started again, the ingester goes on from the"
        " warehouse's position. If this repeats, look for a second ingester with another"
        " consumer group."
    )


def set_position(connection, topic: str, partition: int, offset: int) -> int | None:
    """Stores a position a person decided on; returns the one it replaces."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT next_offset FROM staging.ingest_offset"
            " WHERE topic = %s AND kafka_partition = %s FOR UPDATE",
            (topic, partition),
        )
        old = cursor.fetchone()
        cursor.execute(
            "INSERT INTO staging.ingest_offset AS o (topic, kafka_partition, next_offset)"
            " VALUES (%s, %s, %s) ON CONFLICT (topic, kafka_partition)"
            " DO UPDATE SET next_offset = excluded.next_offset, updated_at = now()",
            (topic, partition, offset),
        )
    return old and old[0]
