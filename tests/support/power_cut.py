"""What a power cut does to a broker: the end of a log was in memory only."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil

from infra.kafka.broker import Broker


def cut_power(stack, topic: str, size: int, partition: int = 0) -> None:
    """Kills the broker, and takes the end of a topic's log before it is started again."""
    pid = stack.pid("kafka")
    os.kill(pid, signal.SIGKILL)
    stack.wait(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie",
        "the broker is dead",
    )
    cut_tail(stack.home / "data" / "kafka", topic, size, partition)
    stack.wait(Broker(stack.settings).answers, "Kafka answers again")


def cut_tail(data: Path, topic: str, size: int, partition: int = 0) -> None:
    """Takes `size` bytes from the end of a partition's active segment; the broker must not run.

    `data` is the broker's folder. Indexes and snapshots stay longer than the log, as they may.
    """
    *_, segment = sorted((data / f"{topic}-{partition}").glob("*.log"))
    with segment.open("r+b") as log:
        log.truncate(segment.stat().st_size - size)
