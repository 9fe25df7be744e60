"""Folders that root gives to the account of the stacks, once, and without being led astray.

A path may be the work of somebody who wants to be given more: links are followed where they are
root's alone, and in a folder that the account, or anybody, can write root neither makes nor changes
anything. Standard library only.
"""

from __future__ import annotations

import os
import pwd
import select
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from infra.errors import AirlineError

# What a stack's folder has in it, of this version or of one before.
OURS = """
data config run secrets logs dbt docs-site airflow alerts lineage cache runtime lock venv.lock test
kept-offset mode code account parcel.json parcel.lock
"""
# A version before this one ran servers as this account, and the rest as root.
FORMERLY = "nobody"


# How long such a stack may take to stop, in seconds.
PATIENCE = 300


def give(folder: Path, entry: pwd.struct_passwd, *, ends: bool = False) -> None:
    """Makes `folder` where it is missing, and the account its owner. Raises AirlineError where it
    is another's, has what is no stack's, or a stack runs there as root; one that does is stopped
    before if `ends`.
    """
    with _opened(folder, entry) as at:
        if at is None:
            return
        if strange := sorted({*os.listdir(at)} - {*OURS.split()}):
            raise AirlineError(
                f"{folder} belongs to root and holds what no stack makes ({strange[0]})",
                "choose a folder of its own with AIRLINE_HOME",
            )
        if (pid := _supervisor(at)) and not (ends and _end(pid, folder)):
            raise AirlineError(
                f"a version before this one runs a stack as root in {folder} (process {pid})",
                f"stop it by 'kill {pid}', wait until that process is gone, then the same again: "
                "the stack goes on with its data, without root",
            )
        _change_owner(folder, at, entry)


def give_cache(folder: Path, entry: pwd.struct_passwd) -> None:
    """The same for a cache that is new. One with something in it is left as it is, to be read:
    other stacks may share it.
    """
    with _opened(folder, entry, others=True) as at:
        if at is not None and not os.listdir(at):
            _change_owner(folder, at, entry)


@contextmanager
def _opened(folder: Path, entry: pwd.struct_passwd, others: bool = False) -> Iterator[int | None]:
    """The folder, open and no link, where root has to give it; None where it need not."""
    way = real(folder, entry)
    if way is None:
        yield None
        return
    parent = os.open(way.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    at = -1
    try:
        with suppress(FileExistsError):
            os.mkdir(way.name, 0o700, dir_fd=parent)
        at = os.open(way.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        owner = os.fstat(at).st_uid
        if owner != entry.pw_uid and owner not in _former() and not others:
            raise AirlineError(
                f"{folder} belongs to account {owner}, and not to {entry.pw_name!r}",
                "choose another folder with AIRLINE_HOME, or another account with "
                "AIRLINE_SERVICE_USER",
            )
        yield at if owner in _former() else None
    except NotADirectoryError:
        raise AirlineError(f"{folder} is no folder", "remove it, or choose another one") from None
    finally:
        os.close(parent)
        if at >= 0:
            os.close(at)


def real(folder: Path, entry: pwd.struct_passwd) -> Path | None:
    """`folder` without links, all above it made and root's; None where something above it is the
    account's, who then makes it. Raises AirlineError where somebody else can change the way to it.
    """
    at, todo = Path("/"), list(folder.parts[1:])
    while todo:
        part = todo.pop(0)
        if part in (".", ".."):
            at = at.parent if part == ".." else at
            continue
        step = at / part
        try:
            status = step.lstat()
        except FileNotFoundError:
            if not todo:
                return step
            step.mkdir(mode=0o755)
            step.chmod(0o755)
            status = step.lstat()
        if stat.S_ISLNK(status.st_mode):
            if status.st_uid != 0:
                raise _astray(folder, step)
            target = Path(os.readlink(step))
            at = Path("/") if target.is_absolute() else at
            todo = [*(part for part in target.parts if part != "/"), *todo]
            continue
        if not todo:
            return step
        if status.st_uid == entry.pw_uid:
            return None
        anybody = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
        if status.st_uid != 0 or anybody:
            raise _astray(folder, step)
        at = step
    return at


def _astray(folder: Path, step: Path) -> AirlineError:
    return AirlineError(
        f"root does not give {folder} away: {step} is another account's to change",
        "choose a folder below one of root's with AIRLINE_HOME (AIRLINE_CACHE), or call ./airline "
        "as an ordinary user",
    )


def _former() -> set[int]:
    """Who owned a stack's files where root started it."""
    try:
        return {0, pwd.getpwnam(FORMERLY).pw_uid}
    except KeyError:
        return {0}


def _supervisor(at: int) -> int | None:
    """The process of a supervisord that runs as root in this folder."""
    try:
        run = os.open("run", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
    except OSError:
        return None
    try:
        file = os.open("supervisord.pid", os.O_RDONLY | os.O_NOFOLLOW, dir_fd=run)
        with os.fdopen(file) as text:
            pid = int(text.read(20))
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    finally:
        os.close(run)
    return pid if b"supervisord" in command else None


def _end(pid: int, folder: Path) -> bool:
    """Stops the supervisord of this folder, which stops its servers. Returns whether it is gone.

    Its number stood in a file that others may have written: root ends a process of root's that was
    started for this very folder, and no other.
    """
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        # After it is held: its number means no other process from here on.
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        is_ours = os.fsencode(f"{folder}/run/supervisord.conf") in command
        if os.stat(f"/proc/{pid}").st_uid != 0 or not is_ours:
            return False
        print(
            f"airline: stopping the stack that an earlier version runs as root in {folder} "
            f"(process {pid})",
            flush=True,
        )
        signal.pidfd_send_signal(process, signal.SIGTERM)
        return bool(select.select([process], [], [], PATIENCE)[0])
    except (FileNotFoundError, ProcessLookupError):
        return True
    finally:
        os.close(process)


def _change_owner(folder: Path, at: int, entry: pwd.struct_passwd) -> None:
    """Gives the open folder, and all in it that was root's or the former account's."""
    former = _former()
    # From here on nobody comes in while it changes hands.
    os.fchown(at, 0, 0)
    os.fchmod(at, 0o700)
    for path, name, _, status in _entries(at):
        if status.st_uid in former:
            _refuse_second_name(folder / path / name, status)
    for path, name, inside, status in _entries(at):
        if status.st_uid in former:
            # Again: who had the folder open before may have put one there meanwhile.
            _refuse_second_name(folder / path / name, status)
            os.chown(name, entry.pw_uid, entry.pw_gid, dir_fd=inside, follow_symlinks=False)
    os.fchown(at, entry.pw_uid, entry.pw_gid)


def _refuse_second_name(file: Path, status: os.stat_result) -> None:
    if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
        raise AirlineError(
            f"{file} has another name elsewhere: it may be one of root's",
            f"see 'find / -samefile {file}'; remove this name of it",
        )


def _entries(at: int) -> Iterator[tuple[str, str, int, os.stat_result]]:
    """(path, name, open folder, status) of all below an open folder, of its file system."""
    device = os.fstat(at).st_dev
    for path, folders, files, inside in os.fwalk(".", dir_fd=at, follow_symlinks=False):
        for name in (*folders, *files):
            status = os.stat(name, dir_fd=inside, follow_symlinks=False)
            if status.st_dev == device:
                yield path, name, inside, status
