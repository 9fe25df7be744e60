"""Detects what raises no error: lag without progress, a warehouse or Kafka that does not answer.

It reads the ends of the partitions from the broker itself: a consumer that silently stopped
fetching would report no lag.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from kafka import TopicPartition
from kafka.errors import KafkaError

from ingest import faults
from ingest.broker import Broker
from ingest.log import say
from ingest.metrics import Metrics

_ASK_EVERY = 2.0  # seconds


@dataclass
class _Partition:
    """Progress of one partition. `waiting_since`: there is lag and no progress since then."""

    position: int
    end: int | None = None
    waiting_since: float | None = None

    @property
    def lag(self) -> int:
        return max(0, (self.end or 0) - self.position)

    def update(self, now: float, *, position: int | None = None, end: int | None = None) -> None:
        moved = position is not None and position != self.position
        if position is not None:
            self.position = position
        if end is not None:
            self.end = end
        if not self.lag:
            self.waiting_since = None
        elif moved or self.waiting_since is None:
            self.waiting_since = now


class Watch(threading.Thread):
    """Receives assignments and landed positions, and answers `health`. Thread-safe."""

    def __init__(self, broker: Broker, metrics: Metrics, stall_seconds: float) -> None:
        super().__init__(name="watch", daemon=True)
        self._broker = broker
        self._metrics = metrics
        self._stall_seconds = stall_seconds
        self._lock = threading.Lock()
        self._partitions: dict[TopicPartition, _Partition] = {}
        self._refused: dict[TopicPartition, str] = {}
        self._away: dict[str, float] = {}  # "kafka", "warehouse": since when
        self._said: set[str] = set()
        self._stopping = threading.Event()

    # -- events -------------------------------------------------------------------------------

    def keep(self, partitions: set[TopicPartition]) -> None:
        """Forgets all other partitions: they are not assigned to this ingester any more."""
        with self._lock:
            for partition in self._partitions.keys() - partitions:
                del self._partitions[partition]
                for gauge in (self._metrics.lag, self._metrics.position):
                    with contextlib.suppress(KeyError):
                        gauge.remove(*partition)
            for partition in self._refused.keys() - partitions:
                self._no_more_refused(partition)

    def assigned(self, positions: dict[TopicPartition, int]) -> None:
        """Notes newly assigned partitions and their positions."""
        now = time.monotonic()
        with self._lock:
            # A partition that was assigned before keeps `waiting_since`: this is no progress.
            for partition, position in positions.items():
                state = self._partitions.setdefault(partition, _Partition(position))
                state.update(now, position=position)
            self._show()

    def refused(self, asked: Iterable[TopicPartition], why: dict[TopicPartition, str]) -> None:
        """Of the partitions `asked`, those in `why` are refused for that reason, others not."""
        with self._lock:
            for partition in asked:
                if partition in why:
                    self._refused[partition] = why[partition]
                    self._metrics.refused.labels(*partition).set(1)
                else:
                    self._no_more_refused(partition)

    def landed(self, moves: dict[TopicPartition, tuple[int, int]]) -> None:
        now = time.monotonic()
        with self._lock:
            for partition, (_, after) in moves.items():
                if partition in self._partitions:
                    self._partitions[partition].update(now, position=after)
            self._show()

    def is_away(self, what: str, away: bool, why: object = "") -> None:
        """Notes whether "kafka" or "warehouse" answers; logs when that changes."""
        with self._lock:
            changed = away != (what in self._away)
            if away:
                self._away.setdefault(what, time.monotonic())
            else:
                self._away.pop(what, None)
        if changed and away:
            say(f"{what} is away, trying again", logging.WARNING, error=why)
        elif changed:
            say(f"{what} is back")

    # -- health -------------------------------------------------------------------------------

    def health(self) -> dict:
        """The answer of /health: `healthy`, the problems, and the progress of each partition."""
        with self._lock:
            problems = self._problems(time.monotonic())
            since = self._metrics.seconds_since_last_event()
            self._metrics.healthy.set(not problems)
            return {
                "healthy": not problems,
                "problems": list(problems.values()),
                "seconds_since_last_event": None if since != since else round(since, 1),
                "lag": sum(each.lag for each in self._partitions.values()),
                "partitions": {
                    f"{topic}:{number}": {
                        "next_offset": each.position,
                        "end": each.end,
                        "lag": each.lag,
                    }
                    for (topic, number), each in sorted(self._partitions.items())
                },
            }

    def _problems(self, now: float) -> dict[str, str]:
        problems = {}
        if self._refused:
            problems["refused"] = " ".join(why for _, why in sorted(self._refused.items()))
        for what, since in self._away.items():
            if now - since >= self._stall_seconds:
                problems[what] = f"the {what} has not answered for {now - since:.0f} s"
        stalled = {
            partition: each
            for partition, each in self._partitions.items()
            if each.waiting_since is not None and now - each.waiting_since >= self._stall_seconds
        }
        if stalled:
            seconds = max(now - each.waiting_since for each in stalled.values())
            where = ", ".join(
                f"{topic}:{number} at {each.position} of {each.end}"
                for (topic, number), each in sorted(stalled.items())
            )
            problems["stalled"] = f"lag but no progress for {seconds:.0f} s: {where}"
        return problems

    # -- thread -------------------------------------------------------------------------------

    def run(self) -> None:
        while not self._stopping.wait(_ASK_EVERY):
            with self._lock:
                partitions = list(self._partitions)
            try:
                ends = self._broker.ends(partitions)
            except KafkaError as error:
                self.is_away("kafka", True, faults.first_line(error))
            else:
                self.is_away("kafka", False)
                now = time.monotonic()
                with self._lock:
                    for partition, end in ends.items():
                        if partition in self._partitions:
                            self._partitions[partition].update(now, end=end)
                    self._show()
            self._say_changes()

    def stop(self) -> None:
        self._stopping.set()

    def _no_more_refused(self, partition: TopicPartition) -> None:
        self._refused.pop(partition, None)
        with contextlib.suppress(KeyError):
            self._metrics.refused.remove(*partition)

    def _show(self) -> None:
        for (topic, number), each in self._partitions.items():
            self._metrics.position.labels(topic, number).set(each.position)
            if each.end is not None:
                self._metrics.lag.labels(topic, number).set(each.lag)

    def _say_changes(self) -> None:
        """Logs when the ingester becomes unhealthy, and when it is healthy again."""
        with self._lock:
            problems = self._problems(time.monotonic())
        for kind in problems.keys() - self._said:
            say("unhealthy", logging.ERROR, problem=problems[kind])
        if self._said and not problems:
            say("healthy again")
        self._said = set(problems)
