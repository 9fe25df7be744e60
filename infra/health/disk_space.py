"""Free space on the disks of the servers' data: reported before and when a disk is full."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.health.finding import Finding, size
from infra.settings import SERVERS, Settings

# Too little is less than both: a share of the file system, and the size of some hours of traffic.
LEAST_SHARE = 0.1
LEAST_BYTES = 2 << 30
# The size of a WAL segment: with less than that, PostgreSQL soon cannot write.
FULL_BYTES = 16 << 20


@dataclass(frozen=True)
class Disk:
    """A file system, and which of the stack's folders are on it. Sizes in bytes."""

    folders: tuple[str, ...]
    free: int
    size: int
    # Whether the file system has no free inode.
    no_more_files: bool = False

    @property
    def problem(self) -> str:
        """What is wrong and what to do; '' where there is room."""
        todo = f"make room in {', '.join(self.folders)}; what ended goes on by itself"
        if self.no_more_files:
            return f"no further file can be made: {todo}"
        if self.free < min(FULL_BYTES, LEAST_SHARE * self.size):
            return f"the disk is full: {todo}"
        if self.free < min(LEAST_BYTES, LEAST_SHARE * self.size):
            return f"the disk is almost full, {size(self.free)} are left: {todo}"
        return ""


def disks(settings: Settings) -> list[Disk]:
    """The file systems of the stack's folder and of its servers, that with least room first."""
    folders = [settings.home, settings.home / "logs"]
    folders += [settings.home / "data" / name for name in (*SERVERS, "kafka")]
    by_device: dict[int, list[Path]] = {}
    for folder in folders:
        # Each may be a file system of its own.
        if folder.exists():
            by_device.setdefault(os.stat(folder).st_dev, []).append(folder)
    found = []
    for there in by_device.values():
        statistics = os.statvfs(there[0])
        found.append(
            Disk(
                # Folders within another one of the list are left out.
                tuple(str(each) for each in there if not set(each.parents) & set(there)),
                statistics.f_bavail * statistics.f_frsize,
                statistics.f_blocks * statistics.f_frsize,
                # File systems without a limit of inodes report 0 for both.
                statistics.f_files > 0 and statistics.f_favail == 0,
            )
        )
    return sorted(found, key=lambda disk: disk.free)


def disk_space(settings: Settings) -> Finding:
    """The disk with least room in figures, and every one with too little as a problem."""
    found = disks(settings)
    if not found:
        return Finding("", "unknown")
    values: dict[str, Any] = {
        "free_bytes": found[0].free,
        "disks": {each.folders[0]: {"free": each.free, "size": each.size} for each in found},
    }
    text = f"{size(found[0].free)} free"
    if len(found) > 1:
        text += f" in {found[0].folders[0]}, the least of {len(found)} disks"
    problems = [each.problem for each in found if each.problem]
    return Finding("", text, "; ".join(problems), values)
