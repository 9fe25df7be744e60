"""A small file system in the place of a folder, which a test fills and makes room in."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support import root

BALLAST = "ballast"


def why_not_mountable() -> str:
    """Why no file system can be mounted here; '' where it can."""
    if not root.can_be():
        return "a small file system can be mounted by root only"
    with tempfile.TemporaryDirectory() as folder:
        done = _as_root("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
        if done.returncode:
            return f"a file system cannot be mounted here: {done.stderr.strip()}"
        _as_root("umount", folder).check_returncode()
    return ""


def _as_root(*command: str) -> subprocess.CompletedProcess[str]:
    return root.run(command, {"PATH": os.environ["PATH"]})


def skip_unless_mountable() -> None:
    if reason := why_not_mountable():
        pytest.skip(reason)


class SmallDisk:
    """A tmpfs with what was in `folder`, and `room` bytes more; `with` puts it there and away.

    Nothing may have the folder's files open at either end.
    """

    def __init__(self, folder: Path, room: int) -> None:
        self.folder = folder
        self._room = room
        self._aside = folder.with_name(f"{folder.name}.aside")

    def __enter__(self) -> SmallDisk:
        status = self.folder.stat()
        self.folder.rename(self._aside)
        self.folder.mkdir()
        self.folder.chmod(status.st_mode)
        size = _size(self._aside) + self._room
        options = f"size={size},mode={status.st_mode & 0o7777:o}"
        options += f",uid={status.st_uid},gid={status.st_gid}"
        mounted = _as_root("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder))
        mounted.check_returncode()
        _copy(self._aside, self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        self.make_room()
        shutil.rmtree(self._aside)
        self._aside.mkdir()
        _copy(self.folder, self._aside)
        _as_root("umount", str(self.folder)).check_returncode()
        self.folder.rmdir()
        self._aside.rename(self.folder)

    @property
    def free(self) -> int:
        """Bytes."""
        return shutil.disk_usage(self.folder).free

    def fill(self, leave: int = 0) -> None:
        """Fills it up, but for `leave` bytes."""
        with (self.folder / BALLAST).open("ab") as file:
            file.seek(0, os.SEEK_END)
            more = self.free - leave
            if more > 0:
                os.posix_fallocate(file.fileno(), file.tell(), more)

    def make_room(self) -> None:
        (self.folder / BALLAST).unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    """Everything in `source`, and its own mode and owner, to the folder `target`."""
    subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True)


def _size(folder: Path) -> int:
    usage = subprocess.run(["du", "-s", "-B1", str(folder)], check=True, capture_output=True)
    return int(usage.stdout.split()[0])
