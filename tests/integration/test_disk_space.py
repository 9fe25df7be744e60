"""What is said of a disk before it is full, while it is, and after."""

from __future__ import annotations

import pytest

from infra.health.disk_space import Disk, disk_space
from tests.integration.conftest import scratch_folder, settings_in
from tests.support.small_disk import SmallDisk, skip_unless_mountable

GB = 1 << 30


@pytest.mark.parametrize(
    ("free", "size", "said"),
    [
        (30 * GB, 250 * GB, ""),
        # A large disk is not ill at a tenth, nor a small one at two gigabytes.
        (5 * GB, 250 * GB, ""),
        (1 * GB, 4 * GB, ""),
        (1 * GB, 250 * GB, "almost full"),
        (GB // 4, 4 * GB, "almost full"),
        (8 << 20, 250 * GB, "is full"),
        (0, 64 << 20, "is full"),
    ],
)
def test_too_little_room_is_said_by_what_the_disk_has(free, size, said):
    """A disk fills without a word, or a roomy one is called ill for ever."""
    problem = Disk(("/data",), free, size).problem
    assert said in problem if said else not problem
    assert not said or "/data" in problem


def test_a_disk_without_room_for_a_file_is_said():
    """Servers end on a disk that has room, and nobody knows why."""
    assert "file" in Disk(("/data",), 30 * GB, 250 * GB, no_more_files=True).problem


def test_the_full_disk_of_one_server_is_named():
    """One says that a disk is full, and not whose, or says so for ever."""
    skip_unless_mountable()
    with scratch_folder("airline-disk-") as home:
        folder = home / "data" / "dwh"
        for name in ("dwh", "kafka"):
            (home / "data" / name).mkdir(parents=True)
        settings = settings_in(home)
        with SmallDisk(folder, room=200 << 20) as disk:
            before = disk_space(settings)
            disk.fill(leave=18 << 20)
            almost = disk_space(settings)
            disk.fill()
            full = disk_space(settings)
            disk.make_room()
            after = disk_space(settings)
    assert str(folder) not in before.problem + after.problem
    assert "almost full" in almost.problem and str(folder) in almost.problem
    assert "is full" in full.problem and str(folder) in full.problem
    assert str(home / "data" / "kafka") not in full.problem
    assert full.values["free_bytes"] == 0
