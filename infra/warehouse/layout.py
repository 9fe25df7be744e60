"""The version of a warehouse's tables (staging, control tables, vault), and the migrations of older
ones.

Ingester and dbt create missing tables in their current form. Existing tables are changed by
migrations: files in migrations/, applied once by `up` and recorded in dwh_control.migration.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from infra.errors import AirlineError
from infra.postgres import sessions
from infra.settings import ROOT
from ingest import schema

FOLDER = Path(__file__).with_name("migrations")
# Advisory lock that serialises migrations; an arbitrary number.
LOCK = 7_203_115_641
# How long a migration waits for a table that somebody else's session holds, in seconds.
PATIENCE = 60


@dataclass(frozen=True)
class Migration:
    """One step from the version before to `number`. `why`: the file's first comment."""

    number: int
    name: str
    why: str
    statements: str


@dataclass(frozen=True)
class Recorded:
    """The recorded version of a warehouse, None if there is no record. `is_made`: `up` has made its
    schemas; without a record they are older than versioning.
    """

    version: int | None
    is_made: bool

    @property
    def is_older(self) -> bool:
        """Whether there are tables of a version before this code's."""
        return self.is_made and (self.version or 0) < version()


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """All of them, in order. Raises ValueError for a file without number or sentence, or a gap."""
    found = []
    for number, file in enumerate(sorted(folder.glob("*.sql")), start=1):
        named = re.fullmatch(r"(\d{4})_([a-z0-9_]+)", file.stem)
        if not named or int(named[1]) != number:
            raise ValueError(f"{file.name} is not named {number:04}_<what_it_does>.sql")
        text = file.read_text()
        comment = re.match(r"(--.*\n)+", text)
        if not comment:
            raise ValueError(f"{file.name} does not begin with a comment: what it does, and why")
        why = " ".join(line.removeprefix("--").strip() for line in comment[0].splitlines())
        found.append(Migration(number, named[2], why, text))
    return found


def version() -> int:
    """The version that this code works with."""
    return len(migrations())


def recorded(cursor: Any) -> Recorded:
    """The version recorded in the warehouse of this cursor."""
    return Recorded(*schema.noted_version(cursor))


def recorded_in(dsn: str) -> Recorded:
    """The same for a warehouse that may not exist or answer yet: no record then."""
    try:
        # The next step of `up` reports a server that hangs.
        with sessions.patience(10), sessions.reading(dsn) as cursor:
            return recorded(cursor)
    except psycopg2.OperationalError:
        return Recorded(None, False)


def refuse_newer(found: Recorded, known: int | None = None) -> None:
    """Raises AirlineError where a newer version of the product has had the warehouse. `known`: the
    version that this code works with.
    """
    known = version() if known is None else known
    if (found.version or 0) > known:
        raise AirlineError(
            f"the data is of version {found.version}, and this code knows version {known}: a newer"
            " version of the product was here, and nothing was changed",
            "use that version's ./airline, or begin anew with './airline reset'",
        )


def hold(cursor: Any) -> None:
    """Locks migrations until the transaction ends; waits for another one that migrates."""
    cursor.execute("select pg_advisory_xact_lock(%s)", (LOCK,))


def migrate(
    cursor: Any,
    found: Recorded,
    steps: Sequence[Migration] | None = None,
    code: Mapping[int, Callable[[Any], None]] | None = None,
) -> list[Migration]:
    """Applies and records missing migrations in the caller's transaction, which holds the lock and
    has made the schemas. Returns those applied. In a new warehouse there is nothing to change, and
    all are recorded. `code`: what else a migration does, by its number, after its statements.

    Raises AirlineError for a newer warehouse, for a table that another session keeps locked, and
    for a migration that fails; the caller then rolls back.
    """
    steps = migrations() if steps is None else steps
    refuse_newer(found, len(steps))
    missing = steps[found.version or 0 :]
    by = release() if missing else ""
    for step in missing:
        try:
            cursor.execute(f"set local lock_timeout = '{PATIENCE}s'")
            cursor.execute(step.statements)
            if found.is_made and code and step.number in code:
                code[step.number](cursor)
            cursor.execute("set local lock_timeout = default")
        except psycopg2.errors.LockNotAvailable as error:
            raise AirlineError(
                f"migration {step.number} ({step.name}) waited {PATIENCE} s for a table that"
                " another session holds; the warehouse is as it was",
                "'./airline status' names that session; then './airline up' goes on",
            ) from error
        except psycopg2.Error as error:
            raise AirlineError(
                f"migration {step.number} ({step.name}) failed; the warehouse is as it was",
                "mend what it names, then './airline up' goes on",
                str(error).strip(),
            ) from error
        cursor.execute(
            "insert into dwh_control.migration (version, name, applied_by) values (%s, %s, %s)",
            (step.number, step.name, by),
        )
    return list(missing)


def release() -> str:
    """Version and, in a clone, commit of this code: '0.1.0 (1a2b3c4)'."""
    numbers = re.search(r'^version: "(.+)"', (ROOT / "dbt_project.yml").read_text(), re.MULTILINE)
    named = numbers[1] if numbers else "unknown"
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    except OSError:
        return named
    return named if done.returncode else f"{named} ({done.stdout.strip()})"
