"""What a power cut does to a broker: the end of a log was in memory only."""

from __future__ import annotations

from pathlib import Path


def cut_tail(data: Path, topic: str, size: int, partition: int = 0) -> None:
    """Takes `size` bytes from the end of a partition's active segment; the broker must not run.

    `data` is the broker's folder. Indexes and snapshots stay longer than the log, as they may.
    """
    *_, segment = sorted((data / f"{topic}-{partition}").glob("*.log"))
    with segment.open("r+b") as log:
        log.truncate(segment.stat().st_size - size)
