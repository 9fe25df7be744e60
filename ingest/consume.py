"""The Kafka side: reads committed events from the stored positions and passes batches on.

Everything here runs on the main thread. The client has an I/O thread of its own, which keeps the
group membership alive; the rebalance listener runs on it and only records what happened.
"""

from __future__ import annotations

import contextlib
import logging
import math
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
from ingest.continuity import Log, breaks
from ingest.land import Batch, Lander, Positions, Refusals
from ingest.log import say
from ingest.metrics import Metrics
from ingest.watch import Watch

_POLL = 0.1  # seconds
_REPORT_EVERY = 1.0  # seconds
_ASK_AGAIN = 5.0  # seconds between checks whether a refused partition was repaired
# Being fenced once is normal in a rebalance: the previous owner still landed its last batch.
# This many without a rebalance mean a rival in another consumer group.
_MOST_FENCES = 5
_FENCES_COUNT_FOR = 60.0  # seconds


class _Assignments(ConsumerRebalanceListener):
    """Tracks assigned partitions that are not read: without a position yet, or refused."""

    def __init__(self) -> None:
        self.unplaced: set[TopicPartition] = set()
        self.round = 0
        self.fences = 0  # since the last rebalance
        self._fenced_at = 0.0
        self._lock = threading.Lock()

    def on_partitions_revoked(self, revoked) -> None:
        pass  # the current batch still lands; compare-and-set rejects it if another was faster

    def on_partitions_lost(self, lost) -> None:
        self.on_partitions_assigned(())

    def on_partitions_assigned(self, assigned) -> None:
        with self._lock:
            self.unplaced = set(assigned)
            self.round += 1
            self.fences = 0

    def place_again(self, round: int, assigned: set[TopicPartition]) -> None:
        """Another ingester landed partitions assigned in `round`: read all positions again."""
        with self._lock:
            if round == self.round:
                now = time.monotonic()
                self.fences = self.fences + 1 if now - self._fenced_at < _FENCES_COUNT_FOR else 1
                self._fenced_at = now
                self._unplace(assigned)

    def prove_again(self, assigned: set[TopicPartition]) -> None:
        """The log may have changed: check all positions against it again."""
        with self._lock:
            self._unplace(assigned)

    def place(self, round: int, placed: set[TopicPartition]) -> None:
        with self._lock:
            if round == self.round:
                self.unplaced = self.unplaced - placed

    def _unplace(self, assigned: set[TopicPartition]) -> None:
        self.unplaced = set(assigned)
        self.round += 1


class Reader:
    """Consumes until `stopping` is set, then lands the current batch."""

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
        self._round = 0  # the round of assignments for which positions were requested
        self._answer: Positions | None = None
        self._next: dict[TopicPartition, int] = {}  # next offset to read, placed partitions
        self._handed: dict[TopicPartition, int] = {}  # next offset after the batches handed on
        self._landed: dict[TopicPartition, int] = {}  # not reported to Kafka yet
        self._topic_ids: dict[str, uuid.UUID] = {}  # of the topics that are read
        # The newest leader epoch for which the position was checked against the log.
        self._proven: dict[TopicPartition, int] = {}
        self._ask_at = 0.0  # when to check refused partitions again
        self._batch = Batch()
        self._handed_at = -math.inf  # monotonic; the first answer goes on at once
        self._report_at = 0.0
        self._consumer = connect(config, stopping)

    def run(self) -> None:
        """Until stopped. Raises IngestError, the lander's failure included."""
        # A pattern, not a list: for a listed topic that does not exist yet the client requests
        # metadata four times a second and logs an error each time.
        pattern = f"^({'|'.join(map(re.escape, self._config.topics))})$"
        self._consumer.subscribe(pattern=pattern, listener=self._assignments)
        while not self._stopping.is_set():
            self._take(self._poll())
            self._look_for_new_leaders()
            self._place()
            if self._is_due():
                self._hand_on()
            self._hear()
        self._hand_on()
        self._put(None)
        self._lander.join()
        self._hear()

    def close(self) -> None:
        """Leaves the group after committing the landed offsets to Kafka."""
        try:
            if self._landed:
                self._consumer.commit(self._report(), timeout_ms=2000)
        except KafkaError as error:
            say("could not report offsets to kafka", logging.DEBUG, error=str(error))
        finally:
            self._consumer.close(autocommit=False, timeout_ms=5000)

    # -- reading ------------------------------------------------------------------------------

    def _poll(self) -> dict[TopicPartition, list]:
        """Records of partitions with a position. Others would start at Kafka's committed offset,
        which is only a hint: they are not returned.
        """
        unplaced = self._assignments.unplaced
        self._stay_in_join()
        try:
            got = self._consumer.poll(int(_POLL * 1000))
        except NoOffsetForPartitionError:
            got = {}  # a new partition, about to be placed
        except (OffsetOutOfRangeError, LogTruncationError) as error:
            self._prove_again(error)
            got = {}
        except RetriableError as error:
            self._kafka_is_away(error)
            got = {}
        if self._assignments.unplaced:
            unplaced = self._assignments.unplaced
            for partition in unplaced:
                # Paused at 0: a partition without a position makes every poll fail.
                self._consumer.pause(partition)
                self._consumer.seek(partition, 0)
        return {p: records for p, records in got.items() if p not in unplaced}

    def _prove_again(self, error: KafkaError) -> None:
        """The broker does not have what was read: checks all logs again."""
        if self._next:
            say("a log may be another one", logging.WARNING, error=faults.first_line(error))
            self._assignments.prove_again(self._consumer.assignment())
            self._stopping.wait(_POLL)

    def _stay_in_join(self) -> None:
        """Continues a join of the group that outlasted the poll that began it.

        kafka-python 3.0.12 begins a join when it sees a new topic or partition, and stops waiting
        for the answer as soon as its own assignment covers that. The member then rebalances for
        ever, sends no heartbeats and reads nothing. There is no public method to continue the join.
        """
        coordinator = self._consumer._coordinator
        if coordinator.rejoining:
            coordinator.request_rejoin()

    def _take(self, got: dict[TopicPartition, list]) -> None:
        batch = self._batch
        for partition, records in got.items():
            proven = self._proven[partition]
            if records[-1].leader_epoch > proven:
                # From a newer leader: its log may have been shorter and have grown again.
                records = [each for each in records if each.leader_epoch <= proven]
                self._assignments.prove_again(self._consumer.assignment())
            if records:
                batch.add(partition, records)
                self._next[partition] = records[-1].offset + 1
        if got:
            say("read", logging.DEBUG, rows_in_hand=batch.rows)

    def _look_for_new_leaders(self) -> None:
        """Has positions checked again after a broker restart: its log may be shorter.

        The client sends the leader epoch that it knows with each fetch, and the broker refuses an
        older one: records read before the new epoch is seen here are from the former log.
        """
        if self._round == self._assignments.round and any(
            self._leader(partition) > proven for partition, proven in self._proven.items()
        ):
            self._assignments.prove_again(self._consumer.assignment())

    def _leader(self, partition: TopicPartition) -> int:
        """Epoch of the partition's leader that the client knows; -1 if it knows none."""
        epoch = self._consumer._cluster.leader_epoch_for_partition(partition)
        return -1 if epoch is None else epoch

    def _is_due(self) -> bool:
        waited = time.monotonic() - self._handed_at
        return self._config.is_due(self._batch.rows, self._batch.bytes, waited)

    # -- passing on ---------------------------------------------------------------------------

    def _hand_on(self) -> None:
        """Passes the current batch to the lander, if it moves any position."""
        if self._round == self._assignments.round:
            # Positions beyond the last record: past transaction markers and aborted events.
            try:
                at = {p: self._consumer.position(p) for p in self._next}
            except (OffsetOutOfRangeError, LogTruncationError) as error:
                self._prove_again(error)
            except RetriableError:
                pass
            else:
                # Leaders are read after positions: one moved by a newer leader is not checked yet.
                self._next |= {p: n for p, n in at.items() if self._leader(p) == self._proven[p]}
        batch, self._batch = self._batch, Batch()
        for partition, after in self._next.items():
            if after != self._handed[partition]:
                batch.moves[partition] = (self._handed[partition], after)
        self._handed = dict(self._next)
        batch.topic_ids = self._topic_ids
        batch.epochs = self._proven
        batch.round = self._round
        if batch.moves:
            self._put(batch)
        self._handed_at = time.monotonic()

    def _put(self, item: Batch | Positions | Refusals | None) -> None:
        """Waits until the lander takes it; meanwhile pauses reading and stays in the group."""
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
        """Takes the lander's answers; commits landed offsets to Kafka as a hint for lag tools."""
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
        """Another ingester landed partitions of a batch: reads the stored positions again.

        Raises Fenced if that happens repeatedly without a rebalance.
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
        """After an assignment: requests the stored positions and seeks to them.

        A partition whose log is not the one that landed is not read until it is repaired; the other
        partitions are.
        """
        unplaced = self._assignments.unplaced
        if self._round != self._assignments.round:
            self._hand_on()
            self._next, self._handed, self._proven = {}, {}, {}
            self._round = self._assignments.round
            self._watch.keep(unplaced)
            self._ask(unplaced)
        elif unplaced and time.monotonic() >= self._ask_at:
            self._ask(unplaced)
        answer = self._answer
        if answer is None or answer.round != self._assignments.round:
            return
        logs = self._look_at_logs(answer)
        if logs is None:
            return
        try:
            refused = breaks(self._broker, answer, logs)
        except KafkaError as error:
            self._kafka_is_away(error)
            return
        self._answer = None
        self._ask_at = time.monotonic() + _ASK_AGAIN
        self._tell_refused(answer, refused)
        placed = {p: at.offset for p, at in answer.items() if p not in refused}
        for partition, offset in placed.items():
            self._consumer.seek(partition, offset)
            self._consumer.resume(partition)
        self._next |= placed
        self._handed |= placed
        self._proven |= {p: logs[p].epoch for p in placed}
        self._topic_ids = self._topic_ids | {p.topic: logs[p].topic_id for p in placed}
        self._assignments.place(answer.round, set(placed))
        self._watch.assigned(placed)
        if placed:
            say("assigned", partitions={f"{p.topic}:{p.partition}": n for p, n in placed.items()})

    def _ask(self, partitions: set[TopicPartition]) -> None:
        """Requests the stored positions of these partitions."""
        self._answer = None
        self._ask_at = float("inf")  # not again before the answer
        if partitions:
            self._put(Positions(partitions, self._round))

    def _look_at_logs(self, positions: Positions) -> dict[TopicPartition, Log] | None:
        """The partitions' logs at the broker.

        None if the broker does not answer, if a topic is gone (it is about to be unassigned), or if
        the client does not know the current leader yet (it will in a moment).
        """
        if not positions:
            return {}
        try:
            found = self._broker.topic_ids({p.topic for p in positions})
            if not all(p.topic in found for p in positions):
                return None
            bounds = self._broker.bounds(positions)
        except KafkaError as error:
            self._kafka_is_away(error)
            return None
        if any(self._leader(p) != epoch for p, (_, _, epoch) in bounds.items()):
            return None
        return {p: Log(found[p.topic], *bounds[p]) for p in positions}

    def _tell_refused(self, answer: Positions, refused: dict[TopicPartition, str]) -> None:
        """Records which partitions are refused, or no longer, here and in the warehouse."""
        self._watch.refused(answer, refused)
        changed = Refusals(
            {p: refused.get(p) for p, at in answer.items() if at.refusal != refused.get(p)}
        )
        for (topic, number), why in changed.items():
            if why:
                say("refused", logging.ERROR, topic=topic, partition=number, why=why)
            else:
                say("accepted again", topic=topic, partition=number)
        if changed:
            self._put(changed)

    def _kafka_is_away(self, error: KafkaError) -> None:
        """Notes it and waits a moment; the client reconnects by itself."""
        self._watch.is_away("kafka", True, faults.first_line(error))
        self._stopping.wait(_POLL)


def connect(config: Config, stopping: threading.Event) -> KafkaConsumer:
    """A consumer, as soon as a broker answers; raises IngestError if stopped before."""
    while True:
        try:
            return KafkaConsumer(
                **config.kafka(),
                client_id="airline-ingest",
                group_id=config.group,
                enable_auto_commit=False,
                auto_offset_reset="none",
                # Round robin over all topics: by range, one member would get every topic of a
                # single partition.
                partition_assignment_strategy=[RoundRobinPartitionAssignor],
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                # A table's first event creates its topic, which is found within this time.
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
