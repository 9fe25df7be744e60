"""`subject`: what is held of a person, for people and for programs; and forgetting it."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from typing import Any

import psycopg2

from infra.errors import AirlineError
from infra.kafka.broker import Broker
from infra.postgres import sessions
from infra.settings import Settings
from infra.stack import consent, home
from infra.stack.progress import aligned, complain
from infra.subject import forget, kafka_purge
from infra.subject.held import Held, held
from infra.subject.options import FROM_INPUT, parser
from infra.warehouse import IDENTITY_KEY, dbt_dsn, landing_dsn
from ingest.book import Book

# Raw of tables with persons is read as a whole.
PATIENCE = 3600
NEVER_SEEN = (
    "logs, Superset's and Airflow's own databases and files are not looked through",
    "the booking system's own tables are not: primary and replica are the source",
)
WHAT = (
    "This forgets the person everywhere but in the booking system, and cannot be taken back: names,"
    " documents and contacts go at once and for every moment of the past, figures stay."
)


def main(settings: Settings, arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    return _VERBS[options.name](settings, options)


def show(settings: Settings, options: argparse.Namespace) -> int:
    document = _document(options)
    broker = Broker(settings)
    logs = broker.logs() if broker.answers() else None
    book = Book(settings.secret(IDENTITY_KEY))
    with (
        closing(psycopg2.connect(landing_dsn(settings))) as connection,
        connection,
        connection.cursor() as landing,
        sessions.patience(PATIENCE),
        sessions.reading(dbt_dsn(settings)) as cursor,
    ):
        forget.check(book, landing)
        found = held(landing, cursor, book, forget.owner(), document, logs)
    found.not_seen += NEVER_SEEN
    print(as_json(found) if options.json else text(found))
    return 0


def forget_one(settings: Settings, options: argparse.Namespace) -> int:
    document = _document(options)
    if not (options.yes or consent.is_given("subject forget", WHAT)):
        return 1
    with home.alone(settings, complain):
        forget.forget(settings, document, options.reason, print)
        forget.go_on(settings, print)
    return 0


def resume(settings: Settings, _options: argparse.Namespace) -> int:
    with home.alone(settings, complain):
        forget.go_on(settings, print)
        kafka_purge.again(settings)
    return 0


_VERBS = {"show": show, "forget": forget_one, "resume": resume}


def _document(options: argparse.Namespace) -> str:
    document = sys.stdin.readline().strip() if options.id == FROM_INPUT else options.id
    if not document:
        raise AirlineError("an ID is needed", "give the document number, or - and a line of input")
    return document


def as_json(found: Held) -> str:
    return json.dumps(asdict(found), default=_plain, ensure_ascii=False)


def text(found: Held) -> str:
    details = [
        (each["ticket_no"], each["name"], _contact(each["contact"]), _moment(each["since"]))
        for each in found.details
    ]
    tickets = [
        (
            each["ticket_no"],
            each["book_ref"],
            "now" if each["is_now"] else "before",
            _moment(each["since"]),
        )
        for each in found.tickets
    ]
    flights = [(*list(each.values())[:-1], _moment(each["since"])) for each in found.flights]
    places = [
        (each.place, each.rows, _moment(each.since), _moment(each.until)) for each in found.places
    ]
    tables = (
        (details, ("ticket", "name", "contact", "since")),
        (tickets, ("ticket", "booking", "held", "since")),
        (flights, ("ticket", "flight", "class", "amount", "since")),
        (places, ("place", "rows", "first", "last")),
    )
    parts = [aligned(rows, heads, "") for rows, heads in tables if rows]
    if found.forgotten_at:
        parts.insert(0, f"forgotten at {_moment(found.forgotten_at)} UTC")
    parts = parts or ["nothing is held of this person"]
    parts.append("\n".join(f"not seen: {each}" for each in found.not_seen))
    return "\n\n".join(parts)


def _contact(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _moment(value: datetime | None) -> str | None:
    return value and f"{value:%Y-%m-%d %H:%M:%S}"


def _plain(value: Any) -> str:
    return value.isoformat()
