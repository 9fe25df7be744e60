"""Records tables whose changes may be missing from Kafka because capture was broken: resync is due.

Every check of the source (`status`, the metrics, auto-restart every two seconds, `up` before it
repairs anything) records here the faults that lose changes. It also detects a fault that appeared
and was repaired between two checks: the catalogue ids of the publication, of its entry for a table,
of the table and of its unique indexes have changed then. A record stays until a resync of that
table, or of all tables, has begun to read; from then on the resync's own journal requires it.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import catalogue
from infra.errors import AirlineError
from infra.postgres import sessions
from infra.settings import Settings
from infra.source import capture, database
from infra.stack import runtime
from infra.stack.journal import Journal
from infra.stack.waiting import wait_until

# In place of a table's name: every table.
ALL = "all tables"
# How long to wait for another process that checks, in seconds.
PATIENCE = 15.0


@dataclass(frozen=True)
class Due:
    """A resync that is due: of which table (or ALL), why, and when that was first seen."""

    table: str
    why: str
    since: datetime

    @property
    def command(self) -> str:
        return "./airline resync" + ("" if self.table == ALL else f" {self.table}")


def look(settings: Settings) -> capture.Source:
    """Reads the source's catalogue now, and records faults that lose changes.

    Raises psycopg2.Error where the primary does not answer.
    """
    with _alone(settings), sessions.reading(settings.dsn("primary")) as cursor:
        source = capture.read(cursor)
        _note(settings, source, capture.was_published(cursor))
        return source


def set_up(settings: Settings) -> list[str]:
    """Makes what is missing at the source and repairs capture, as `up` does.

    Faults are recorded before they are repaired. Returns what it did, a line each.
    """
    with _alone(settings):
        with sessions.reading(settings.dsn("primary")) as cursor:
            before, was_published = capture.read(cursor), capture.was_published(cursor)
            _note(settings, before, was_published)
        done = database.setup(settings.dsn("primary"))
        with sessions.reading(settings.dsn("primary")) as cursor:
            # Our own changes of the catalogue are no fault.
            after = capture.read(cursor)
            _seen(settings).write(**_marks(after))
    if was_published:
        made = [name for name in after.relations if name not in before.relations]
        done += [
            f"{name} was missing at the source, and is made anew without rows" for name in made
        ]
    return done


def note_configuration(settings: Settings, names: list[str]) -> None:
    """Records that the connector ran with these other settings (connector.captures_otherwise)."""
    if names:
        note(settings, ALL, f"the connector had another configuration: {', '.join(names)}")


def noted(settings: Settings) -> list[Due]:
    """The resyncs that are due, that of all tables first."""
    found = []
    for table in (ALL, *catalogue.names()):
        if note := _journal(settings, table).read():
            found.append(Due(table, note["why"], datetime.fromisoformat(note["since"])))
    return found


def note(settings: Settings, table: str, why: str) -> None:
    """Records that a resync of a table, or of ALL, is due. An earlier record stays."""
    journal = _journal(settings, table)
    if journal.read() is None:
        journal.write(why=why, since=datetime.now(UTC).isoformat(timespec="seconds"))


def forget(settings: Settings, tables: Iterable[str]) -> None:
    """Removes the records of tables that are being read again; ALL only if every table is."""
    for table in tables:
        _journal(settings, table).end()


def request(found: list[Due]) -> str:
    """What to do about it, in one line; '' where nothing is due."""
    if not found:
        return ""
    if found[0].table == ALL:
        found = found[:1]
    seen = "; ".join(f"seen {each.since:%Y-%m-%d %H:%M} UTC: {each.why}" for each in found)
    commands = ", ".join(f"'{each.command}'" for each in found)
    return f"changes may have been missed ({seen}): {commands} brings source and vault together"


def _note(settings: Settings, source: capture.Source, was_published: bool) -> None:
    marks, known = _marks(source), _seen(settings).read()
    if known is None and not was_published:
        # Before the first `up` no change can be missed.
        if not capture.faults(source):
            _seen(settings).write(**marks)
        return
    for fault in capture.faults(source):
        if fault.loses:
            note(settings, fault.table or ALL, fault.what)
    if known is not None:
        for table, why in _breaks(known, marks):
            note(settings, table, why)
    if known != marks:
        _seen(settings).write(**marks)


def _marks(source: capture.Source) -> dict[str, Any]:
    """The catalogue ids that show whether something changed between two checks; for JSON."""
    there = source.publication
    return {
        "publication": [there.oid, there.version] if there else None,
        "tables": {
            each.name: {
                "oid": each.oid,
                "entry": each.entry,
                "identities": dict(each.identities),
                "partitions": list(each.partitions),
            }
            for each in source.relations.values()
        },
    }


def _breaks(known: dict[str, Any], now: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(table or ALL, what changed between two checks) where changes may have been missed."""
    if known["publication"] and now["publication"] and known["publication"] != now["publication"]:
        was_made = known["publication"][0] != now["publication"][0]
        yield ALL, "the publication was " + ("dropped and made again" if was_made else "altered")
    for name, before in known["tables"].items():
        after = now["tables"].get(name)
        if after is None:
            # A fault that is recorded by itself.
            continue
        if before["oid"] != after["oid"]:
            yield name, f"another table is in the place of {name}"
        elif before["entry"] and after["entry"] and before["entry"] != after["entry"]:
            if known["publication"] == now["publication"]:
                yield name, f"{name} was taken out of the publication and put back"
        elif set(before["partitions"]) - set(after["partitions"]):
            yield name, f"a partition was taken from {name}"
        if any(
            after["identities"].get(index, version) != version
            for index, version in before["identities"].items()
        ):
            yield name, f"a unique index of {name} was altered, or was its replica identity"


def _seen(settings: Settings) -> Journal:
    return Journal(settings, "resync-due/seen")


def _journal(settings: Settings, table: str) -> Journal:
    return Journal(settings, f"resync-due/{table.replace(' ', '-')}")


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Serialises checks: an older result must not be compared with a newer one."""
    folder = runtime.make_folder(settings, settings.home / "data" / "resync-due")
    with (folder / "lock").open("a") as lock:

        def is_ours() -> bool:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        wait_until(
            is_ours,
            PATIENCE,
            lambda: AirlineError(
                "another ./airline looks at the source and does not come to an end",
                "see './airline status', then try again",
            ),
            every=0.05,
        )
        yield
