"""The warehouse side: one thread and one connection land batches in the order received."""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from operator import attrgetter

import psycopg2
from kafka import TopicPartition
from kafka.errors import KafkaError

import catalogue
from ingest import faults, poison
from ingest.broker import Broker
from ingest.config import Config, table_of
from ingest.continuity import Mark, Position, recreated_text
from ingest.deadline import deadline
from ingest.log import say
from ingest.metrics import Metrics
from ingest.watch import Watch

_FIRST_RETRY, _LAST_RETRY = 0.25, 5.0  # seconds
_SUMMARY_EVERY = 10.0  # seconds
# After its start a broker may not know all of its topics at once.
_TOPIC_PATIENCE = 10.0  # seconds
_value_size = attrgetter("serialized_value_size")


@dataclass
class Batch:
    """What one flush lands: records, and the new position of each partition.

    `moves` maps a partition to (next offset before, next offset after). It may contain a partition
    without records: transaction markers use offsets and are no events. `topic_ids` are the ids of
    the topics that the records must come from; `marks` and `epochs` are stored so that the next
    reader can check the log. The lander fills `fenced`: partitions of which nothing was landed,
    with the reason (another ingester moved the position, or the topic was recreated). `round` is
    the reader's, as in Positions.
    """

    records: dict[TopicPartition, list] = field(default_factory=lambda: defaultdict(list))
    moves: dict[TopicPartition, tuple[int, int]] = field(default_factory=dict)
    sizes: dict[TopicPartition, int] = field(default_factory=lambda: defaultdict(int))
    topic_ids: dict[str, uuid.UUID] = field(default_factory=dict)
    marks: dict[TopicPartition, Mark] = field(default_factory=dict)
    epochs: dict[TopicPartition, int] = field(default_factory=dict)
    fenced: dict[TopicPartition, str] = field(default_factory=dict)
    round: int = 0
    rows: int = 0
    bytes: int = 0

    def add(self, partition: TopicPartition, records: list) -> None:
        size = sum(map(_value_size, records))
        self.records[partition] += records
        self.marks[partition] = Mark.of(records[-1])
        self.sizes[partition] += size
        self.rows += len(records)
        self.bytes += size

    def give_up(self, partition: TopicPartition, why: str) -> None:
        """Removes a partition from the batch."""
        self.rows -= len(self.records.pop(partition, ()))
        self.bytes -= self.sizes.pop(partition, 0)
        self.moves.pop(partition, None)
        self.fenced[partition] = why

    def give_up_topic(self, topic: str, why: str) -> None:
        for partition in {*self.moves, *self.records}:
            if partition.topic == topic:
                self.give_up(partition, why)


class Positions(dict):
    """A request for stored positions; returned as {partition: Position}.

    It goes through the same queue as the batches, so the answer includes all earlier ones. `round`
    is the caller's: it tells the answer to an older request apart.
    """

    def __init__(self, partitions: Iterable[TopicPartition], round: int) -> None:
        super().__init__(dict.fromkeys(partitions))
        self.round = round


class Refusals(dict):
    """{partition: why nothing of it is landed, or None}, to be stored in the warehouse."""


class Lander(threading.Thread):
    """Lands Batches from `inbox` until it gets None; `outbox` has landed moves and Positions."""

    def __init__(
        self,
        config: Config,
        stopping: threading.Event,
        broker: Broker,
        metrics: Metrics,
        watch: Watch,
    ) -> None:
        super().__init__(name="land", daemon=True)
        self.inbox: queue.Queue[Batch | Positions | Refusals | None] = queue.Queue(maxsize=2)
        self.outbox: queue.SimpleQueue[Batch | Positions] = queue.SimpleQueue()
        self.failure: BaseException | None = None
        self._config = config
        self._stopping = stopping
        self._broker = broker
        self._metrics = metrics
        self._watch = watch
        self._connection = None
        self._book = config.book()
        self._tables = catalogue.tables()
        self._refused_in_a_row = 0
        self._summary = Summary()

    def run(self) -> None:
        try:
            while (item := self.inbox.get()) is not None:
                if isinstance(item, Positions):
                    done = self._until_done(self._look_up, item)
                elif isinstance(item, Refusals):
                    done = self._until_done(self._note_refusals, item)
                else:
                    done = self._is_from_its_topics(item) and self._until_done(self._land, item)
                if not done:
                    say("stopped with events in hand: the warehouse or Kafka is away, and they"
                        " will be read from Kafka again", logging.WARNING)  # fmt: skip
                    return
                if isinstance(item, Batch):
                    item.records.clear()  # landed: the reader needs only the moves
                if not isinstance(item, Refusals):
                    self.outbox.put(item)
        except BaseException as error:
            self.failure = error
        finally:
            self._summary.say_rest()
            self._disconnect()

    def _is_from_its_topics(self, batch: Batch) -> bool:
        """Removes records of topics whose id is not the one in `batch.topic_ids`.

        Ids are queried after the events were read. Kafka never reuses them, so if the id is
        unchanged now, the events are not from another topic of the same name. Returns False if the
        ingester is to stop while Kafka does not answer.
        """
        topics = {partition.topic for partition in batch.records}
        asked_since = time.monotonic()
        while topics:
            try:
                found = self._broker.topic_ids(topics)
            except KafkaError as error:
                self._watch.is_away("kafka", True, faults.first_line(error))
            else:
                for topic in topics & found.keys():
                    if batch.topic_ids.get(topic) not in (None, found[topic]):
                        batch.give_up_topic(
                            topic, recreated_text(topic, batch.topic_ids[topic], found[topic])
                        )
                topics -= found.keys()
                if topics and time.monotonic() - asked_since > _TOPIC_PATIENCE:
                    for topic in topics:
                        batch.give_up_topic(topic, f"Topic {topic} was deleted")
                    topics = set()
            if topics:
                if self._stopping.is_set():
                    return False
                self._stopping.wait(1.0)
        return True

    def _until_done(self, work: Callable, item) -> bool:
        """Runs `work(cursor, item, again)` in a transaction; retries after temporary errors.

        `again` is true if an earlier attempt may have been committed without confirmation. Returns
        False if the ingester is to stop while the warehouse does not answer.
        """
        delay, again = _FIRST_RETRY, False
        while True:
            last_attempt = self._stopping.is_set()
            try:
                if self._connection is None:
                    self._connection = psycopg2.connect(**self._config.dsn())
                    if again:
                        self._end_hung_transactions()
                # Not `with`: the rollback of a lost connection would hide why it was lost.
                with deadline(self._connection, self._config.answer_seconds):
                    work(self._connection.cursor(), item, again)
                    self._connection.commit()
                self._watch.is_away("warehouse", False)
                return True
            except psycopg2.Error as error:
                self._disconnect()
                if not faults.is_passing(error):
                    raise faults.IngestError(
                        f"The warehouse {self._config.dwh_host}:{self._config.dwh_port}"
                        f"/{self._config.dwh_db} refuses the work of role"
                        f" {self._config.dwh_user}: {faults.first_line(error)}"
                        f" ({error.pgcode or 'at connecting'}). Nothing of this flush was landed;"
                        f" {_advice(error)}"
                    ) from error
                self._watch.is_away("warehouse", True, faults.first_line(error))
                self._metrics.retries.inc()
                if last_attempt:
                    return False
                say("not landed, trying again", logging.WARNING,
                    error=faults.first_line(error), retry_seconds=delay)  # fmt: skip
                again = True
                self._stopping.wait(delay)
                delay = min(delay * 2, _LAST_RETRY)

    def _end_hung_transactions(self) -> None:
        """Ends transactions of other ingesters that are too old: their locks may block this one.

        The server's transaction_timeout does not end a session that waits for COPY data, as when
        an ingester was suspended in a COPY.
        """
        with (
            deadline(self._connection, self._config.answer_seconds),
            self._connection.cursor() as cursor,
        ):
            cursor.execute(
                "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND usename = current_user"
                " AND application_name = %s AND pid <> pg_backend_pid()"
                " AND xact_start < clock_timestamp() - %s * interval '1 s'",
                (self._config.dsn()["application_name"], self._config.transaction_seconds),
            )
            ended = [pid for pid, done in cursor if done]
            self._connection.commit()
        if ended:
            say("ended transactions of another ingester that hung", logging.WARNING,
                sessions=ended, older_than_seconds=self._config.transaction_seconds)  # fmt: skip

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _look_up(self, cursor, asked: Positions, _again: bool) -> None:
        for partition in asked:
            # A new partition starts at 0; it is stored, so that each move is an update.
            cursor.execute(
                "INSERT INTO staging.ingest_offset (topic, kafka_partition, next_offset)"
                " VALUES (%s, %s, 0) ON CONFLICT DO NOTHING",
                partition,
            )
        asked.update(stored_positions(cursor, list(asked)))

    def _note_refusals(self, cursor, refusals: Refusals, _again: bool) -> None:
        cursor.execute(
            "UPDATE staging.ingest_offset AS stored SET refusal = found.refusal"
            " FROM unnest(%s::text[], %s::int[], %s::text[])"
            " AS found (topic, kafka_partition, refusal)"
            " WHERE stored.topic = found.topic AND stored.kafka_partition = found.kafka_partition",
            (
                [p.topic for p in refusals],
                [p.partition for p in refusals],
                list(refusals.values()),
            ),
        )

    def _land(self, cursor, batch: Batch, again: bool) -> None:
        begun = time.monotonic()
        # Offsets first: a second ingester waits for their row locks here, not in COPY.
        fenced = compare_and_set(cursor, batch)
        if fenced:
            stored = stored_positions(cursor, fenced)
            reached = all(p in stored and stored[p].offset == batch.moves[p][1] for p in fenced)
            if again and reached and len(fenced) == len(batch.moves):
                self._watch.landed(batch.moves)
                return  # the commit succeeded before the connection broke
            # Another ingester owns these now. The other partitions of the batch land.
            for partition in fenced:
                batch.give_up(partition, _fenced_text(partition, batch.moves, stored))
        by_topic = defaultdict(list)
        for partition, records in batch.records.items():
            by_topic[partition.topic] += records
        refused: list[poison.Refused] = []
        allowed = self._may_refuse(batch.rows)
        for topic, records in by_topic.items():
            table = table_of(topic)
            landing, marked = records, self._tables.get(table)
            if marked is not None and marked.personal:
                landing, unfit = self._book.tokened(cursor, marked, records)
                refused += unfit
            poison.copy_bisecting(cursor, table, landing, refused, allowed)
        in_a_row = len(refused) + (self._refused_in_a_row if len(refused) == batch.rows else 0)
        poison.check(len(refused), allowed, refused)
        poison.check(in_a_row, self._config.max_dead_letters, refused)
        poison.bury(cursor, refused)
        cursor.connection.commit()
        self._refused_in_a_row = in_a_row if len(refused) == batch.rows else 0
        self._record(batch, by_topic, refused, time.monotonic() - begun)

    def _record(self, batch: Batch, by_topic: dict, refused: list, seconds: float) -> None:
        """Logs and counts a batch that has landed."""
        self._summary.add(batch, len(refused), seconds)
        self._watch.landed(batch.moves)
        metrics = self._metrics
        if batch.moves:
            metrics.flushes.inc()
            metrics.flush_seconds.observe(seconds)
        if batch.rows:
            metrics.last_event = time.time()
        bad = Counter(record.topic for record, _ in refused)
        for topic, records in by_topic.items():
            metrics.rows.labels(topic).inc(len(records) - bad[topic])
        for partition, size in batch.sizes.items():
            metrics.bytes.labels(partition.topic).inc(size)
        for record, error in refused:
            metrics.dead_letters.labels(record.topic).inc()
            say("dead letter", logging.WARNING, topic=record.topic, partition=record.partition,
                offset=record.offset, error=error)  # fmt: skip

    def _may_refuse(self, rows: int) -> int:
        """Refused events allowed in a flush: 10 % of the rows, min limit/10, max limit.

        With the default limit of 1000: 100 events of a small flush, 1000 of the largest.
        """
        most = self._config.max_dead_letters
        return min(most, max(most // 10, rows // 10))


class Summary:
    """Logs one summary of the flushes every ten seconds instead of a line per flush."""

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


def stored_positions(cursor, partitions: list[TopicPartition]) -> dict[TopicPartition, Position]:
    """{partition: Position} of those with a stored position."""
    cursor.execute(
        "SELECT topic, kafka_partition, next_offset, topic_id::text, leader_epoch,"
        " last_offset, last_timestamp, last_checksum, refusal FROM staging.ingest_offset"
        " JOIN unnest(%s::text[], %s::int[]) AS asked (topic, kafka_partition)"
        " USING (topic, kafka_partition)",
        ([p.topic for p in partitions], [p.partition for p in partitions]),
    )
    return {
        TopicPartition(topic, number): Position(
            offset,
            topic_id and uuid.UUID(topic_id),
            epoch,
            None if last is None else Mark(last, timestamp, bytes(checksum)),
            refusal,
        )
        for topic, number, offset, topic_id, epoch, last, timestamp, checksum, refusal in cursor
    }


def compare_and_set(cursor, batch: Batch) -> list[TopicPartition]:
    """Moves stored offsets from before to after; returns the partitions whose stored offset is not
    `before`, or belongs to another topic of the same name: these are not moved.
    """
    moves, marks = batch.moves, [batch.marks.get(p) for p in batch.moves]
    topic_ids = [batch.topic_ids.get(p.topic) for p in moves]
    cursor.execute(
        "UPDATE staging.ingest_offset AS stored"
        " SET next_offset = after, topic_id = move.topic_id, updated_at = now(),"
        " leader_epoch = move.leader_epoch,"
        # Kafka's transaction markers move the offset too, and are no events.
        " last_offset = coalesce(move.last_offset, stored.last_offset),"
        " last_timestamp = coalesce(move.last_timestamp, stored.last_timestamp),"
        " last_checksum = coalesce(move.last_checksum, stored.last_checksum)"
        " FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[], %s::uuid[], %s::int[],"
        " %s::bigint[], %s::bigint[], %s::bytea[])"
        " AS move (topic, kafka_partition, before, after, topic_id, leader_epoch, last_offset,"
        " last_timestamp, last_checksum)"
        " WHERE stored.topic = move.topic AND stored.kafka_partition = move.kafka_partition"
        " AND next_offset = before AND coalesce(stored.topic_id = move.topic_id, true)"
        " RETURNING stored.topic, stored.kafka_partition",
        (
            [p.topic for p in moves],
            [p.partition for p in moves],
            [before for before, _ in moves.values()],
            [after for _, after in moves.values()],
            [each and str(each) for each in topic_ids],
            [batch.epochs.get(p) for p in moves],
            [mark and mark.offset for mark in marks],
            [mark and mark.timestamp for mark in marks],
            [mark and mark.checksum for mark in marks],
        ),
    )
    moved = {TopicPartition(topic, number) for topic, number in cursor}
    return [partition for partition in moves if partition not in moved]


def _advice(error: psycopg2.Error) -> str:
    if error.pgcode == "23505":  # unique_violation
        return (
            "these offsets have landed before: the stored position was moved back. Move it to the"
            " first offset that has not landed, with `python -m ingest --set-position`."
        )
    return "put the cause right and start the ingester again."


def _fenced_text(partition: TopicPartition, moves: dict, stored: dict) -> str:
    found = stored[partition].offset if partition in stored else "no offset"
    return (
        f"{partition.topic} partition {partition.partition}: this ingester wanted to land from"
        f" offset {moves[partition][0]}, the warehouse stands at {found}"
    )


def set_position(connection, topic: str, partition: int, offset: int) -> int | None:
    """Stores a position that a person chose; returns the one that it replaces."""
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
            # The position is for whatever topic has this name now.
            " DO UPDATE SET next_offset = excluded.next_offset, topic_id = NULL,"
            " leader_epoch = NULL, last_offset = NULL, last_timestamp = NULL,"
            " last_checksum = NULL, refusal = NULL, updated_at = now()",
            (topic, partition, offset),
        )
    return old and old[0]
