"""Searches every byte below AIRLINE_HOME for what identifies a person.

The primary and the replica are the booking system's: it keeps what the law makes it keep. All else
is read as it is, and once more inside of what compresses it or cuts it (inside.py). Said is which
file, where in it, and in which spelling; never the value.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2

from infra import warehouse
from infra.errors import AirlineError
from infra.postgres import sessions
from infra.settings import Settings
from infra.subject import inside
from infra.subject.needles import Hit, Needles

# The booking system's own, and what a server is made in.
NOT_OURS = ("primary", "primary.half", "replica", "replica.half")
# Read at once.
WINDOW = 32 << 20
# Places that are named for one file.
MOST_OF_A_FILE = 5
SAY_EVERY = 5.0


@dataclass(frozen=True)
class Found:
    """A place; `within` is what had to be opened, '' where the bytes lie open."""

    file: Path
    hit: Hit
    within: str = ""

    def told(self, home: Path) -> str:
        where = f" in {self.within}" if self.within else ""
        name = self.file.relative_to(home) if self.file.is_relative_to(home) else self.file
        return f"{name}: byte {self.hit.at:,}{where}: {self.hit.kind}, {self.hit.spelling}"


@dataclass
class Report:
    found: list[Found] = field(default_factory=list)
    # What could not be opened, in sentences.
    not_opened: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0


def of_nobody_else(settings: Settings, values: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that no other person in the book has: a name, or a telephone that a family shares, is
    there by right.
    """
    wanted = list(values)
    try:
        others = _of_others(settings, [text for _, text in wanted])
    except psycopg2.Error as error:
        raise AirlineError(
            f"the warehouse does not answer ({sessions.reason(error)})",
            "see './airline status'; './airline subject resume' goes on from here",
        ) from None
    return [each for number, each in enumerate(wanted) if number not in others]


def _of_others(settings: Settings, texts: list[str]) -> set[int]:
    with (
        closing(psycopg2.connect(warehouse.landing_dsn(settings))) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select to_regclass('staging_pii.identity') is not null")
        if not cursor.fetchone()[0]:
            return set()
        cursor.execute(
            "select number from unnest(%s::text[]) with ordinality as asked (value, number)"
            " where exists (select from staging_pii.identity as book"
            " where position(lower(asked.value) in lower(book.value)) > 0)",
            (texts,),
        )
        return {number - 1 for (number,) in cursor.fetchall()}


def search(
    settings: Settings, needles: Needles, say: Callable[[str], None] = lambda line: None
) -> Report:
    """All files below the home. What is made while it runs may be missed."""
    report = Report()
    told = time.monotonic()
    for file in files(settings):
        try:
            found = list(look(file, needles, opens=not _is_of_a_package(settings, file)))
            report.bytes += file.stat().st_size
        except FileNotFoundError:
            continue  # gone meanwhile: a segment, a temporary file
        except inside.NotOpened as error:
            report.not_opened.append(f"{file.relative_to(settings.home)}: {error}")
            continue
        except PermissionError as error:
            report.not_opened.append(f"{file.relative_to(settings.home)}: {error.strerror}")
            continue
        report.files += 1
        report.found += found
        if needles.find(os.fsencode(file)):
            report.found.append(Found(file.parent, needles.find(os.fsencode(file))[0], "a name"))
        if time.monotonic() - told > SAY_EVERY:
            told = time.monotonic()
            say(f"searched {report.files:,} files, {report.bytes / 1e6:,.0f} MB")
    return report


def files(settings: Settings) -> Iterator[Path]:
    """All files below the home but the booking system's. No link is followed."""
    left_out = {settings.home / "data" / name for name in NOT_OURS}
    for folder, names, found in os.walk(settings.home):
        here = Path(folder)
        names[:] = sorted(name for name in names if here / name not in left_out)
        for name in sorted(found):
            file = here / name
            if file.is_file() and not file.is_symlink():
                yield file


def look(file: Path, needles: Needles, *, opens: bool = True) -> Iterator[Found]:
    """Places in one file, a few at most. Raises OSError, NotOpened."""
    count = 0
    for hit in needles.find_in(_windows(file)):
        yield Found(file, hit)
        count += 1
        if count >= MOST_OF_A_FILE:
            return
    if not opens:
        return
    for within, chunks in inside.streams(file):
        for hit in needles.find_in(chunks):
            yield Found(file, hit, within)
            count += 1
            if count >= MOST_OF_A_FILE:
                return


def _windows(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        length = os.fstat(opened.fileno()).st_size
        if length <= WINDOW:
            yield opened.read()
            return
        # Not mapped as a whole: a file that is cut meanwhile would end the process.
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while window := opened.read(WINDOW):
            yield window


def _is_of_a_package(settings: Settings, file: Path) -> bool:
    """Jars and wheels: nothing of the stack writes there, and they are archives of archives."""
    return file.is_relative_to(settings.cache)
