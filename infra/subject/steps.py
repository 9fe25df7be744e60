"""The steps of forgetting a person, in their order; each may be done again.

The first makes the person unreadable, in one transaction (infra/subject/forget.py). The others make
bytes go. `staging_pii.act` has those that are done, so whoever was killed goes on behind them.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

import psycopg2

from infra.settings import Settings
from infra.warehouse import landing_dsn

Run = Callable[[Settings, "Act"], Mapping[str, int]]
# A module of this folder each, with `run(settings, act)`, which returns place -> how many rows or
# bytes were changed there.
STEPS = ("letters", "kafka_purge", "rewrite", "caches", "search")
# What each is about, for people.
WHAT = {
    "letters": "dead letters",
    "kafka_purge": "Kafka's events",
    "rewrite": "files and WAL of the warehouse",
    "caches": "Superset's caches and reports",
    "search": "a search of all files",
}


@dataclass(frozen=True)
class Act:
    """One forgetting of one person. The values are in memory alone: `names` and `contacts` are all
    that landing ever saw, a contact as the text of its JSON.
    """

    id: int
    document: str
    names: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()

    @property
    def texts(self) -> frozenset[str]:
        """Every text that identifies the person: a contact is the texts in it."""
        found = {self.document, *self.names}
        for contact in self.contacts:
            try:
                found |= _texts(json.loads(contact))
            except ValueError:
                found.add(contact)
        return frozenset(each for each in found if each.strip())


def step(name: str) -> Run:
    """What a step does."""
    return importlib.import_module(f"{__package__}.{name}").run


def run(settings: Settings, act: Act, say: Callable[[str], None]) -> None:
    """Does the steps that are not done. Raises AirlineError where one cannot be done: the next call
    goes on with it.
    """
    for name in STEPS:
        if name in _done(settings, act):
            continue
        counts = dict(step(name)(settings, act))
        note(settings, act, name, counts)
        told = ", ".join(f"{place} {count:,}" for place, count in counts.items())
        say(f"act {act.id}: {WHAT[name]}: {told or 'nothing to do'}")


def note(settings: Settings, act: Act, name: str, counts: Mapping[str, int]) -> None:
    """Writes that a step is done."""
    with closing(psycopg2.connect(landing_dsn(settings))) as connection, connection:
        connection.cursor().execute(
            "update staging_pii.act set done = done || %s,"
            " counts = counts || jsonb_build_object(%s::text, %s::jsonb)"
            " where act_id = %s and not %s = any(done)",
            ([name], name, json.dumps(dict(counts)), act.id, name),
        )


def _done(settings: Settings, act: Act) -> list[str]:
    with (
        closing(psycopg2.connect(landing_dsn(settings))) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select done from staging_pii.act where act_id = %s", (act.id,))
        [done] = cursor.fetchone()
        return done


def _texts(value: object) -> set[str]:
    match value:
        case str():
            return {value}
        case dict():
            return set().union(*map(_texts, value.values()))
        case list():
            return set().union(*map(_texts, value))
    return set()
