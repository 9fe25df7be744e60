"""The Kafka side: reads committed events from the warehouse's positions and hands on batches.

Everything here runs on the main thread. The client has an I/O thread of its own, which keeps
the group membership alive; the rebalance listener runs on it and must only take notes.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import re
import threading
import time
import uuid

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.errors import (
    KafkaError,
    LogTruncationError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RetriableError,
)
from kafka.structs import OffsetAndMetadata

from ingest import faults
from ingest.broker import Broker
from ingest.config import Config
from ingest.land import Batch, Lander, Position, Positions, refuse_recreated
from ingest.log import say
from ingest.metrics import Metrics
from ingest.watch import Watch

_POLL = 0.1  # seconds
_REPORT_EVERY = 1.0  # seconds
_ASK_KAFKA = 5.0  # seconds
# Being fenced once is what a rebalance is like: the one before still landed what it had in hand.
# So often, without a rebalance, is a rival that is in no group with us.
_MOST_FENCES = 5
_FENCES_COUNT_FOR = 60.0  # seconds


class _Assignments(ConsumerRebalanceListener):
    """Notes which partitions were assigned and have no position of ours yet."""

    def __init__(self) -> None:
        self.unplaced: set[TopicPartition] = set()
        self.round = 0
        self.fences = 0  # since the last rebalance
        self._fenced_at = 0.0
        self._lock = threading.Lock()

    def on_partitions_revoked(self, revoked) -> None:
        pass  # what is in hand still lands; if someone else was faster, the offsets say so

    def on_partitions_lost(self, lost) -> None:
        self.on_partitions_assigned(())

    def on_partitions_assigned(self, assigned) -> None:
        with self._lock:
            self.unplaced = set(assigned)
            self.round += 1
            self.fences = 0

    def place_again(self, round: int, assigned: set[TopicPartition]) -> None:
        """Another ingester had some of what was assigned in `round`: where are we?"""
        with self._lock:
            if round == self.round:
                now = time.monotonic()
                self.fences = self.fences + 1 if now - self._fenced_at < _FENCES_COUNT_FOR else 1
                self._fenced_at = now
                self.unplaced = set(assigned)
                self.round += 1


class Reader:
    """Consumes until `stopping` is set, then lands what is in hand."""

    def __init__(
        self,
        config: Config,
        stopping: threading.Event,
        lander: Lander,
        broker: Broker,
        metrics: Metrics,
        watch: Watch,
    ) -> None:
        self._config = config
        self._stopping = stopping
        self._lander = lander
        self._broker = broker
        self._metrics = metrics
        self._watch = watch
        self._assignments = _Assignments()
        self._round = 0  # of assignments that positions were asked for
        self._answer: Positions | None = None
        self._next: dict[TopicPartition, int] = {}  # next offset to read, placed partitions
        self._handed: dict[TopicPartition, int] = {}  # next offset after the batches handed on
        self._landed: dict[TopicPartition, int] = {}  # not reported to Kafka yet
        self._topic_ids: dict[str, uuid.UUID] = {}  # of the topics that are read
        self._batch = Batch()
        self._flush_at = self._report_at = 0.0
        self._consumer = connect(config, stopping)

    def run(self) -> None:
        """Until stopped. Raises IngestError, the lander's failure included."""
        # A pattern and not a list: for a listed topic that does not exist yet the client asks
        # for metadata four times a second, with an error in the log each time.
        pattern = f"^({'|'.join(map(re.escape, self._config.topics))})$"
        self._consumer.subscribe(pattern=pattern, listener=self._assignments)
        while not self._stopping.is_set():
            try:
                self._take(self._poll())
                self._place()
                if self._is_due():
                    self._hand_on()
            except LogTruncationError as error:
                self._refuse_truncated(error)
            self._hear()
        self._hand_on()
        self._put(None)
        self._lander.join()
        self._hear()

    def close(self) -> None:
        """Leaves the group, telling Kafka how far the warehouse is."""
        try:
            if self._landed:
                self._consumer.commit(self._report(), timeout_ms=2000)
        except KafkaError as error:
            say("could not report offsets to kafka", logging.DEBUG, error=str(error))
        finally:
            self._consumer.close(autocommit=False, timeout_ms=5000)

    # -- reading ------------------------------------------------------------------------------

    def _poll(self) -> dict[TopicPartition, list]:
        """Records of placed partitions. Others would come from Kafka's hint: not returned."""
        unplaced = self._assignments.unplaced
        self._stay_in_join()
        try:
            got = self._consumer.poll(int(_POLL * 1000))
        except NoOffsetForPartitionError:
            got = {}  # a new partition, about to be placed
        except OffsetOutOfRangeError as error:
            lost = {
                p: Position(offset, self._topic_ids.get(p.topic))
                for p, offset in error.args[0].items()
                if p in self._next
            }
            if lost:
                self._check(lost)
                raise faults.OffsetOutOfRange(f"Kafka refuses to read {_names(lost)}") from error
            got = {}
        except RetriableError as error:
            self._kafka_is_away(error)
            got = {}
        if self._assignments.unplaced:
            unplaced = self._assignments.unplaced
            for partition in unplaced:
                # Parked: a partition without a position makes every poll fail.
                self._consumer.pause(partition)
                self._consumer.seek(partition, 0)
        return {p: records for p, records in got.items() if p not in unplaced}

    def _stay_in_join(self) -> None:
        """Keeps the client at a join of the group that outlasted the poll that began it.

        kafka-python 3.0.12 begins a join when it sees a new topic or partition, and stops asking
        for the answer as soon as its own assignment covers that: a member for ever rebalancing,
        without heartbeats, that reads nothing. There is no public way to ask it to go on.
        """
        coordinator = self._consumer._coordinator
        if coordinator.rejoining:
            coordinator.request_rejoin()

    def _refuse_truncated(self, error: LogTruncationError) -> None:
        """The client saw that what it read is not what the broker has now: says what that is."""
        self._check({p: Position(at, self._topic_ids.get(p.topic)) for p, at in self._next.items()})
        raise faults.OffsetOutOfRange(
            f"Kafka lost events that were read before: {faults.first_line(error)}. The warehouse"
            " may have some that the topics have no more. Start over with a new snapshot:"
            " ./airline reset --yes, then ./airline up."
        ) from error

    def _take(self, got: dict[TopicPartition, list]) -> None:
        batch = self._batch
        for partition, records in got.items():
            batch.add(partition, records)
            self._next[partition] = records[-1].offset + 1
        if got:
            say("read", logging.DEBUG, rows_in_hand=batch.rows)

    def _is_due(self) -> bool:
        return (
            self._batch.rows >= self._config.flush_rows
            or self._batch.bytes >= self._config.flush_bytes
            or time.monotonic() >= self._flush_at
        )

    # -- handing on ---------------------------------------------------------------------------

    def _hand_on(self) -> None:
        """Puts the batch in hand before the lander, if it moves anything."""
        if self._round == self._assignments.round:
            # Beyond the last records: past transaction markers and aborted events.
            with contextlib.suppress(RetriableError):
                self._next = {p: self._consumer.position(p) for p in self._next}
        batch, self._batch = self._batch, Batch()
        for partition, after in self._next.items():
            if after != self._handed[partition]:
                batch.moves[partition] = (self._handed[partition], after)
        self._handed = dict(self._next)
        batch.topic_ids = self._topic_ids
        batch.round = self._round
        if batch.moves:
            self._put(batch)
        self._flush_at = time.monotonic() + self._config.flush_seconds

    def _put(self, item: Batch | Positions | None) -> None:
        """Waits for the lander to take it; meanwhile reads nothing but stays in the group."""
        paused: set[TopicPartition] = set()
        while self._lander.is_alive():
            try:
                self._lander.inbox.put(item, timeout=_POLL if paused else 1.0)
                break
            except queue.Full:
                paused = self._consumer.assignment()
                self._consumer.pause(*paused)
                self._poll()
        placed = paused & self._consumer.assignment() - self._assignments.unplaced
        if placed:
            self._consumer.resume(*placed)

    def _hear(self) -> None:
        """Takes the lander's answers; tells Kafka of landed offsets, as a hint for lag tools."""
        if self._lander.failure:
            raise self._lander.failure
        while not self._lander.outbox.empty():
            item = self._lander.outbox.get()
            if isinstance(item, Batch):
                self._landed.update({p: after for p, (_, after) in item.moves.items()})
                if item.fenced:
                    self._give_up(item)
            else:
                self._answer = item
        if self._landed and time.monotonic() >= self._report_at:
            with contextlib.suppress(RetriableError):
                self._consumer.commit_async(self._report())
            self._report_at = time.monotonic() + _REPORT_EVERY

    def _give_up(self, batch: Batch) -> None:
        """Some partitions of a batch were another ingester's: asks the warehouse where it is.

        Fenced if that happens over and over and is no rebalance.
        """
        for partition, why in batch.fenced.items():
            self._metrics.fenced.labels(*partition).inc()
            say("fenced: nothing of the partition was landed", logging.WARNING, why=why)
        self._assignments.place_again(batch.round, self._consumer.assignment())
        if self._assignments.fences >= _MOST_FENCES:
            raise faults.Fenced(
                "Another ingester, or a person, keeps moving the stored position:"
                f" {'; '.join(batch.fenced.values())}. Nothing is doubled or lost. Look for a"
                " second ingester with another consumer group (AIRLINE_INGEST_GROUP), or for one"
                " that lands into the same warehouse from elsewhere, and stop it."
            )

    def _report(self) -> dict[TopicPartition, OffsetAndMetadata]:
        landed, self._landed = self._landed, {}
        mine = self._consumer.assignment()
        return {p: OffsetAndMetadata(n, "", -1) for p, n in landed.items() if p in mine}

    # -- positions ----------------------------------------------------------------------------

    def _place(self) -> None:
        """After an assignment: asks the warehouse for positions, and seeks to its answer."""
        if self._round != self._assignments.round:
            self._hand_on()
            self._next, self._handed = {}, {}
            self._answer = None
            self._round = self._assignments.round
            self._watch.keep(self._assignments.unplaced)
            if self._assignments.unplaced:
                self._put(Positions(self._assignments.unplaced, self._round))
        answer = self._answer
        if answer is None or answer.round != self._assignments.round:
            return
        found = self._check(answer)
        if found is None:
            return
        offsets = {partition: position.offset for partition, position in answer.items()}
        for partition, offset in offsets.items():
            self._consumer.seek(partition, offset)
            self._consumer.resume(partition)
        self._next, self._handed = dict(offsets), dict(offsets)
        self._topic_ids = found
        self._assignments.unplaced = set()
        self._answer = None
        self._watch.assigned(offsets)
        say("assigned", partitions={f"{p.topic}:{p.partition}": n for p, n in offsets.items()})

    def _check(self, positions: dict[TopicPartition, Position]) -> dict[str, uuid.UUID] | None:
        """Ids of the topics; TopicRecreated or OffsetOutOfRange if there is no reading from there.

        None if the broker does not answer now, or lacks a topic that is about to be unassigned.
        """
        if not positions:
            return {}
        partitions = list(positions)
        try:
            found = self._broker.topic_ids({p.topic for p in positions})
            first = self._consumer.beginning_offsets(partitions, int(_ASK_KAFKA * 1000))
            last = self._consumer.end_offsets(partitions, int(_ASK_KAFKA * 1000))
        except KafkaError as error:
            self._kafka_is_away(error)
            return None
        if not all(p.topic in found for p in positions):
            return None
        # A new partition of a known topic has no id yet.
        known = {p.topic: at.topic_id for p, at in positions.items() if at.topic_id}
        refuse_recreated(known, found)
        for partition, stored in positions.items():
            if not first[partition] <= stored.offset <= last[partition]:
                raise faults.OffsetOutOfRange(
                    _out_of_range_text(partition, stored.offset, first[partition], last[partition])
                )
        return found

    def _kafka_is_away(self, error: KafkaError) -> None:
        """Says so, and waits a moment; the client connects again by itself."""
        self._watch.is_away("kafka", True, faults.first_line(error))
        self._stopping.wait(_POLL)


def connect(config: Config, stopping: threading.Event) -> KafkaConsumer:
    """A consumer, as soon as a broker answers; raises IngestError if stopped before."""
    while True:
        try:
            return KafkaConsumer(
                bootstrap_servers=config.bootstrap.split(","),
                client_id="airline-ingest",
                group_id=config.group,
                enable_auto_commit=False,
                auto_offset_reset="none",
                # Over all topics: by range, topics of one partition would all be the first one's.
                partition_assignment_strategy=[RoundRobinPartitionAssignor],
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                # A table's topic is created by its first event: found within this time.
                metadata_max_age_ms=2000,
                session_timeout_ms=int(config.session_seconds * 1000),
                max_poll_interval_ms=int(config.poll_seconds * 1000),
                heartbeat_interval_ms=int(config.session_seconds * 1000 / 4),
                max_poll_records=5000,
                max_partition_fetch_bytes=16 << 20,
                fetch_max_bytes=64 << 20,
                fetch_max_wait_ms=250,
                reconnect_backoff_max_ms=2000,
                bootstrap_timeout_ms=5000,
            )
        except KafkaError as error:
            say("kafka is away, trying again", logging.WARNING, bootstrap=config.bootstrap,
                error=faults.first_line(error))  # fmt: skip
            if stopping.wait(1.0):
                raise faults.Stopped("Kafka had not answered yet") from error


def _names(partitions) -> str:
    return ", ".join(f"{p.topic} partition {p.partition}" for p in partitions)


def _out_of_range_text(partition: TopicPartition, stored: int, first: int, last: int) -> str:
    topic, number = partition
    text = (
        f"Topic {topic} partition {number}: the warehouse's next offset is {stored}, the broker"
        f" has [{first},{last}). "
    )
    if stored < first:
        return text + (
            f"Retention removed the events from {stored} to {first - 1} before they were landed,"
            " or the topic was recreated. If they may be lost, go on with"
            f" `python -m ingest --set-position {topic}:{number}={first}`; if not, reset the"
            " stack, so that a new snapshot is taken."
        )
    return text + (
        "The topic was recreated, or this is another Kafka. Its offsets start again and would"
        " collide with the rows landed before: reset warehouse and Kafka together, so that a new"
        " snapshot is taken; or point the ingester at the Kafka it was landing from."
    )
