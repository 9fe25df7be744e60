"""Step 1: one transaction, and nobody reads the person any more, at no moment of the past either.

It is held back until whoever lands has committed, and whoever lands after it finds the person
among the forgotten. What the later steps have to find is kept until they are done, and of no use to
anybody who has the warehouse or the stack's files alone: each half is noise.
"""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg2

import catalogue
from infra.errors import AirlineError
from infra.settings import Settings
from infra.stack import runtime
from infra.subject import steps
from infra.subject.steps import Act
from infra.warehouse import IDENTITY_KEY, landing_dsn
from ingest.book import Book
from ingest.faults import IngestError

# How long it waits for those who land, in seconds.
PATIENCE = 120


def forget(settings: Settings, document: str, reason: str, say: Callable[[str], None]) -> Act:
    """Begins an act for the person with this document. Raises AirlineError where there is none."""
    book = Book(settings.secret(IDENTITY_KEY))
    kind = owner()
    with (
        closing(psycopg2.connect(landing_dsn(settings))) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        check(book, cursor)
        _hold(cursor)
        lookup = book.lookup(kind, document)
        person = _person(cursor, lookup)
        if begun := _begun(settings, cursor, person):
            return begun
        values = _values(cursor, person)
        cursor.execute(
            "insert into staging_pii.act (person, begun_by, reason) values (%s, %s, %s)"
            " returning act_id",
            (person, getpass.getuser(), reason),
        )
        [number] = cursor.fetchone()
        act = Act(
            number,
            document,
            tuple(sorted(value for column, value in values if not _is_contact(column))),
            tuple(sorted(value for column, value in values if _is_contact(column))),
        )
        pad = _seal(settings, act)
        cursor.execute(
            "insert into staging_pii.forgotten (lookup, person) values (decode(%s, 'hex'), %s)"
            " on conflict do nothing",
            (lookup, person),
        )
        cursor.execute("delete from staging_pii.identity where person = %s", (person,))
        counts = {"staging_pii.identity": cursor.rowcount}
        cursor.execute(
            "update staging_pii.act set pad = %s, done = '{book}',"
            " counts = jsonb_build_object('book', %s::jsonb) where act_id = %s",
            (psycopg2.Binary(pad), json.dumps(counts), number),
        )
    say(f"act {number}: nobody reads the person any more; {counts['staging_pii.identity']} values"
        " are deleted from the book")  # fmt: skip
    return act


def finish(settings: Settings, act: Act) -> None:
    """All steps are done: what the act knew of the person goes."""
    with closing(psycopg2.connect(landing_dsn(settings))) as connection, connection:
        connection.cursor().execute(
            "update staging_pii.act set pad = null, finished_at = now() where act_id = %s",
            (act.id,),
        )
    _file(settings, act.id).unlink(missing_ok=True)


def open_acts(settings: Settings) -> list[Act]:
    """The acts that are not finished, with what they know of their persons.

    Raises AirlineError where the file of one is gone: what it is to find is not known then.
    """
    with (
        closing(psycopg2.connect(landing_dsn(settings))) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select to_regclass('staging_pii.act') is not null")
        if cursor.fetchone() != (True,):
            return []
        cursor.execute(
            "select act_id, pad from staging_pii.act where finished_at is null order by act_id"
        )
        found = [_unsealed(settings, number, bytes(pad)) for number, pad in cursor.fetchall()]
    # Of one that was killed before its commit, which therefore is no act.
    for file in _folder(settings).glob("*"):
        if file.name not in {_file(settings, act.id).name for act in found}:
            file.unlink()
    return found


def go_on(settings: Settings, say: Callable[[str], None]) -> None:
    """Does what is left of open acts. Raises AirlineError where one cannot be ended."""
    for act in open_acts(settings):
        steps.run(settings, act, say)
        finish(settings, act)
        say(f"act {act.id}: done, and nothing of the person is found")


def _begun(settings: Settings, cursor: Any, person: str) -> Act | None:
    """The act that is open for the person, which goes on. One that lost its file ends: a new one
    knows less, but does what can be done.
    """
    cursor.execute(
        "select act_id, pad from staging_pii.act where person = %s and finished_at is null",
        (person,),
    )
    for number, pad in cursor.fetchall():
        try:
            return _unsealed(settings, number, bytes(pad))
        except AirlineError:
            cursor.execute(
                "update staging_pii.act set pad = null, finished_at = now(),"
                " counts = counts || '{\"given up: its file was lost\": {}}' where act_id = %s",
                (number,),
            )
    return None


def check(book: Book, cursor: Any) -> None:
    """Raises AirlineError where the warehouse's book was written with another key."""
    try:
        book.check(cursor)
    except IngestError as error:
        raise AirlineError(
            "the book of persons was written with another key than secrets/identity_key has, and"
            " nobody is found by this one",
            "put the stack's own file back; nothing was changed",
        ) from error


def owner() -> str:
    """The column that says whose a row of a person is."""
    owners = {each.person for each in catalogue.tables().values() if each.person}
    if len(owners) != 1:
        raise AirlineError(
            "several columns of the source say who somebody is",
            "forget by each of them is not built",
            ", ".join(sorted(owners)),
        )
    return owners.pop()


def _hold(cursor: Any) -> None:
    cursor.execute(f"set local lock_timeout = '{PATIENCE}s'")
    try:
        # Against who lands; readers go on.
        cursor.execute("lock table staging_pii.identity in share row exclusive mode")
    except psycopg2.errors.LockNotAvailable as error:
        raise AirlineError(
            f"the book of persons was held for {PATIENCE} s, and nobody was forgotten",
            "'./airline status' names that session; then forget again",
        ) from error


def _person(cursor: Any, lookup: str) -> str:
    cursor.execute(
        "select person from staging_pii.identity where lookup = decode(%s, 'hex')"
        " union select person from staging_pii.forgotten where lookup = decode(%s, 'hex')",
        (lookup, lookup),
    )
    if not (found := cursor.fetchone()):
        raise AirlineError(
            "nobody with this document is held, and nobody was forgotten",
            "look for blanks and letters: it is the number as the booking system writes it",
        )
    return found[0]


def _values(cursor: Any, person: str) -> list[tuple[str, str]]:
    """(column, value) of what is not the document itself."""
    cursor.execute(
        "select kind, value from staging_pii.identity where person = %s and token <> %s",
        (person, person),
    )
    return cursor.fetchall()


def _is_contact(column: str) -> bool:
    return any(
        column in table.personal and table.modelled[column] == "jsonb"
        for table in catalogue.tables().values()
    )


# -- what an act knows ----------------------------------------------------------------------------


def _folder(settings: Settings) -> Path:
    return settings.home / "data" / "acts"


def _file(settings: Settings, number: int) -> Path:
    return _folder(settings) / f"act-{number}"


def _seal(settings: Settings, act: Act) -> bytes:
    """Writes one half of what the act knows into its file, and returns the other."""
    content = json.dumps(asdict(act)).encode()
    pad = os.urandom(len(content))
    runtime.make_folder(settings, settings.home / "data")
    runtime.make_folder(settings, _folder(settings))
    file = _file(settings, act.id)
    runtime.write_private(file, _mixed(content, pad).hex())
    return pad


def _unsealed(settings: Settings, number: int, pad: bytes) -> Act:
    try:
        half = bytes.fromhex(_file(settings, number).read_text())
    except OSError as error:
        raise AirlineError(
            f"act {number} is open, and its file {error.filename} cannot be read"
            f" ({error.strerror}): what is left of the person's bytes cannot be looked for",
            "put the file back; where it is lost, forget the person again by the document",
        ) from error
    told = json.loads(_mixed(half, pad))
    return Act(told["id"], told["document"], tuple(told["names"]), tuple(told["contacts"]))


def _mixed(content: bytes, pad: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(content, pad, strict=True))
