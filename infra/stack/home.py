"""The stack's folder: is it there, ours, roomy enough; and one command at a time in it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from infra.errors import AirlineError
from infra.settings import MODE, Settings
from infra.stack import runtime

# A default stack with its logs and WAL takes about 1.5 GB.
LEAST_FREE = 2_000_000_000
# What `reset` removes. The cache, the copies of PostgreSQL and Java and the lock stay.
MADE_BY_UP = ("data", "config", "run", "secrets", "logs", "dbt", "docs-site", "airflow", "alerts")


def make(settings: Settings) -> None:
    """Makes the folder. Raises AirlineError where it cannot be written or the disk is too full."""
    try:
        runtime.make_folder(settings, settings.home)
        runtime.make_folder(settings, settings.home / "data")
        # One that stacks share may be somebody else's.
        if not settings.cache.exists():
            runtime.make_folder(settings, settings.cache)
        with (settings.home / "lock").open("a"):
            pass
    except OSError as error:
        raise AirlineError(
            f"cannot write to {error.filename or settings.home} ({error.strerror})",
            "make room or mend its permissions, or move the stack with AIRLINE_HOME=<folder>",
        ) from None
    free = shutil.disk_usage(settings.home).free
    if free < LEAST_FREE:
        raise AirlineError(
            f"only {free / 1e9:.1f} GB are free for {settings.home}, "
            f"a stack needs {LEAST_FREE / 1e9:.0f} GB",
            "make room, or move the stack with AIRLINE_HOME=<folder>",
        )


@contextmanager
def alone(settings: Settings, say: Callable[[str], None]) -> Iterator[None]:
    """One `up`, `down`, `reset` or `load` at a time; a second one waits for the first."""
    with (settings.home / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            say(f"waiting for another ./airline in this folder (process {lock.read().strip()})")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def is_busy(settings: Settings) -> bool:
    """Whether a command that is `alone` works in the folder just now."""
    try:
        with (settings.home / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def remember_mode(settings: Settings) -> None:
    """Notes what the stack is for. Raises AirlineError where production would be a demo again."""
    if settings.mode != "production":
        refuse_another_mode(settings)
    # Whole or not at all: cut short, it would say that this is a demo.
    runtime.write_private(settings.home / MODE, f"{settings.mode}\n")


def refuse_another_mode(settings: Settings) -> None:
    """Raises AirlineError where the settings are not for what the stack was brought up as: their
    passwords are others.
    """
    file = settings.home / MODE
    noted = file.read_text().strip() if file.exists() else settings.mode
    if noted == "production" != settings.mode:
        raise AirlineError(
            f"the stack in {settings.home} is production, and AIRLINE_MODE={settings.mode} would "
            "give it passwords that everybody knows",
            "unset AIRLINE_MODE; a demo is another stack (AIRLINE_HOME), or this one after "
            "'./airline reset'",
        )
    if noted != settings.mode:
        raise AirlineError(
            f"the stack in {settings.home} is a demo, and AIRLINE_MODE={settings.mode} means other "
            "passwords than it has",
            f"'AIRLINE_MODE={settings.mode} ./airline up' makes it one; until then unset "
            "AIRLINE_MODE",
        )


def remove(settings: Settings) -> None:
    """Removes what `up` made."""
    for name in MADE_BY_UP:
        shutil.rmtree(settings.home / name, ignore_errors=True)
    (settings.home / MODE).unlink(missing_ok=True)
