"""Persons land as tokens: real Kafka, real PostgreSQL, real ingester processes."""

from __future__ import annotations

import contextlib
import json
import random
import re
import threading
from types import SimpleNamespace

import psycopg2
import pytest

import catalogue
from ingest import schema
from ingest.book import UNAVAILABLE, Book
from ingest.faults import IngestError

TICKETS = catalogue.tables()["tickets"]
DOCUMENT, NAME, PHONE = "1234 567890", "АННА ПАССАЖИР", "+70005550001"
CONTACT = json.dumps({"phone": PHONE})
TOKEN = re.compile(r"^~[0-9a-f]{32}$")


def row(number: int = 1, **changes) -> dict:
    return {
        "ticket_no": f"{number:013}",
        "book_ref": "AAAAAA",
        "passenger_id": DOCUMENT,
        "passenger_name": NAME,
        "contact_data": CONTACT,
    } | changes


def event(after: dict | None, before: dict | None = None, op: str = "c") -> bytes:
    return json.dumps({"before": before, "after": after, "op": op, "source": {"lsn": 5}}).encode()


def key(number: int = 1) -> bytes:
    return json.dumps({"ticket_no": f"{number:013}"}).encode()


def record(offset: int, value: bytes | None, at: bytes | None = None) -> SimpleNamespace:
    return SimpleNamespace(
        topic="airline.public.tickets",
        partition=0,
        offset=offset,
        timestamp=1,
        key=at,
        value=value,
    )


@pytest.fixture
def book(postgres_server, request):
    """A warehouse's book, and a session that writes it."""
    name = "book_" + re.sub(r"\W", "_", request.node.name)[:50].lower()
    with contextlib.closing(psycopg2.connect(postgres_server.create_database(name))) as made:
        schema.create(made, ["tickets"])
        yield SimpleNamespace(connection=made, dsn=postgres_server.dsn(name), it=Book("a key"))


def rows(connection, statement: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def images(book, *values: bytes, **options) -> list[dict]:
    """The rows after each event, as landed; an unfit event fails the test."""
    with book.connection, book.connection.cursor() as cursor:
        landing, unfit = book.it.tokened(
            cursor, TICKETS, [record(n, value) for n, value in enumerate(values)], **options
        )
    assert unfit == []
    return [json.loads(each.value)["after"] for each in landing]


def test_no_value_of_a_person_is_in_raw(pipeline):
    """Raw, and all that is made of it, would have names; or the book not what they were."""
    pipeline.produce(
        "tickets",
        [
            (key(1), event(row(1))),
            (key(2), event(row(2, contact_data=None), row(2, passenger_name="Former"), "u")),
            (key(1), event(None, {"ticket_no": "0000000000001"}, "d")),
            (key(1), None),
            (None, event(None, None, "t")),
        ],
    )
    ingester = pipeline.start()
    pipeline.wait_landed("tickets")
    landed = pipeline.landed("tickets")
    assert len(landed) == 5
    text = json.dumps(landed, ensure_ascii=False)
    for clear in (DOCUMENT, NAME, PHONE, "Former"):
        assert clear not in text
    first, second = landed[0][3]["after"], landed[1][3]["after"]
    assert first["passenger_id"] == second["passenger_id"]
    assert first["passenger_name"] == second["passenger_name"]
    assert (first["book_ref"], second["contact_data"]) == ("AAAAAA", None)
    assert TOKEN.match(first["passenger_id"]) and TOKEN.match(json.loads(first["contact_data"]))
    known = dict(pipeline.sql("SELECT token, value FROM staging_pii.identity"))
    assert known[first["passenger_id"]] == DOCUMENT
    assert known[first["passenger_name"]] == NAME
    assert known[json.loads(first["contact_data"])] == CONTACT
    assert known[landed[1][3]["before"]["passenger_name"]] == "Former"
    assert len(known) == 4
    assert ingester.terminate() == 0
    assert DOCUMENT not in ingester.log_file.read_text()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (event(row(passenger_id=7)), "after.passenger_id is no text"),
        (event(row(contact_data={"phone": PHONE})), "after.contact_data is no text"),
        (event(row(contact_data="{" + PHONE)), "after.contact_data is no JSON"),
        (event(row(contact_data='["\\u0000"]')), "after.contact_data is no JSON"),
        (event(row(contact_data='{"\\ud800": 1}')), "after.contact_data is no JSON"),
        (event(row(passenger_name="a\0")), "no text of PostgreSQL"),
        (event(row(passenger_name="\ud800")), "half of a character"),
        (event([DOCUMENT]), "after is no JSON object"),
        (json.dumps({"payload": {"after": row()}}).encode(), "members that no change event has"),
        (json.dumps([row()]).encode(), "no object"),
        (b'{"after": {"passenger_id": "' + DOCUMENT.encode(), "is no JSON"),
        (b'{"after": {"n": NaN}}', "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
    ],
)
def test_what_cannot_be_read_is_no_event(book, value, why):
    """A value would land in the clear in a place where nobody expects it, or be told in a log."""
    with book.connection, book.connection.cursor() as cursor:
        landing, [(unfit, said)] = book.it.tokened(cursor, TICKETS, [record(0, value)])
    assert (landing, unfit.value) == ([], value)
    assert why in said
    assert not any(clear in said for clear in (DOCUMENT, NAME, PHONE))
    assert rows(book.connection, "SELECT count(*) FROM staging_pii.identity") == [(0,)]


def test_a_key_with_a_document_is_refused(book):
    """The source's key becomes the document, and documents land as keys."""
    at = json.dumps({"passenger_id": DOCUMENT}).encode()
    with book.connection, book.connection.cursor() as cursor:
        landing, [(_, said)] = book.it.tokened(cursor, TICKETS, [record(0, event(row()), at)])
    assert landing == [] and "primary key" in said


def test_the_rest_of_an_event_stays_as_it_came(book):
    """A number would be rounded, or a value that says nothing of anybody become somebody's."""
    value = event(row(passenger_name=UNAVAILABLE, contact_data=None)).replace(
        b'"lsn": 5', '"lsn": 12345678901234567890, "n": 1.50, "e": 1E400, "ё": "\\u0000x"'.encode()
    )
    with book.connection, book.connection.cursor() as cursor:
        [landed], _ = book.it.tokened(cursor, TICKETS, [record(0, value, key())])
    for part in (b"12345678901234567890", b'"n":1.50', b'"e":1E400', '"ё":"\\u0000x"'.encode()):
        assert part in landed.value
    assert json.loads(landed.value)["after"]["passenger_name"] == UNAVAILABLE
    assert rows(book.connection, "SELECT kind FROM staging_pii.identity") == [("passenger_id",)]


def test_two_persons_of_one_name_have_two_tokens(book):
    """Forgetting one of them would take the name from the other."""
    one, other = images(book, event(row()), event(row(passenger_id="another")))
    assert one["passenger_name"] != other["passenger_name"]
    assert one["passenger_id"] != other["passenger_id"]


def test_values_without_a_document_are_kept_for_nobody(book):
    """They would land in the clear, or hold up what comes after them."""
    [landed] = images(book, event(row(passenger_id=None)))
    assert landed["passenger_id"] is None and TOKEN.match(landed["passenger_name"])
    assert (landed["passenger_name"], NAME) in rows(
        book.connection, "SELECT token, value FROM staging_pii.identity"
    )


def forget(connection, document: str, it: Book) -> str:
    with connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE staging_pii.identity IN EXCLUSIVE MODE")
        cursor.execute(
            "INSERT INTO staging_pii.forgotten SELECT lookup, person FROM staging_pii.identity"
            " WHERE lookup = decode(%s, 'hex') RETURNING person",
            (it.lookup("passenger_id", document),),
        )
        (person,) = cursor.fetchone()
        cursor.execute("DELETE FROM staging_pii.identity WHERE person = %s", (person,))
    return person


def test_somebody_forgotten_who_comes_again_is_the_same_and_unknown(book):
    """Figures of later flights would count one person as two; or the values come back."""
    [before] = images(book, event(row()))
    person = forget(book.connection, DOCUMENT, book.it)
    assert person == before["passenger_id"]
    [after] = images(book, event(row(2)))
    assert after["passenger_id"] == person
    assert TOKEN.match(after["passenger_name"])
    assert after["passenger_name"] != before["passenger_name"]
    assert rows(book.connection, "SELECT count(*) FROM staging_pii.identity") == [(0,)]


def test_tokens_are_believed_of_what_landed_before_and_of_nothing_else(book):
    """An event that somebody mends would get other tokens; or a source that sends a token be taken
    for the person that it stands for.
    """
    [landed] = images(book, event(row()))
    assert images(book, event(landed), keep_tokens=True) == [landed]
    [mended] = images(book, event(landed | {"passenger_name": "NEW"}), keep_tokens=True)
    assert (mended["passenger_id"], mended["contact_data"]) == (
        landed["passenger_id"],
        landed["contact_data"],
    )
    assert (landed["passenger_id"], "NEW") in rows(
        book.connection, "SELECT person, value FROM staging_pii.identity"
    )
    [forged] = images(book, event(landed))
    assert forged["passenger_id"] != landed["passenger_id"]
    forget(book.connection, DOCUMENT, book.it)
    images(book, event(landed | {"passenger_name": "LATE"}), keep_tokens=True)
    assert not rows(
        book.connection, "SELECT FROM staging_pii.identity WHERE value IN ('LATE', 'NEW')"
    )


def test_who_lands_while_somebody_is_forgotten_waits(book):
    """What was read of the book before would be written into it after."""
    images(book, event(row()))
    with contextlib.closing(psycopg2.connect(book.dsn)) as other:
        other.cursor().execute("LOCK TABLE staging_pii.identity IN EXCLUSIVE MODE")
        landed: list = []
        thread = threading.Thread(
            target=lambda: landed.extend(images(book, event(row(2, passenger_name="NEW"))))
        )
        thread.start()
        while not rows(other, "SELECT FROM pg_locks WHERE NOT granted AND relation ="
                              " 'staging_pii.identity'::regclass"):  # fmt: skip
            assert thread.is_alive()
        forget(other, DOCUMENT, book.it)
        thread.join()
    assert rows(book.connection, "SELECT count(*) FROM staging_pii.identity") == [(0,)]
    assert TOKEN.match(landed[0]["passenger_name"])


def test_two_who_land_at_once_write_one_person(book):
    """One document would become two persons, or two ingesters wait for each other for ever."""
    numbers, errors = list(range(200)), []

    def land() -> None:
        try:
            with contextlib.closing(psycopg2.connect(book.dsn)) as mine:
                for _ in range(10):
                    part = random.sample(numbers, 100)
                    with mine, mine.cursor() as cursor:
                        book.it.tokened(
                            cursor,
                            TICKETS,
                            [record(n, event(row(n, passenger_id=f"{n}"))) for n in part],
                        )
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=land) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert rows(
        book.connection, "SELECT count(*), count(DISTINCT person) FROM staging_pii.identity"
    ) == [(600, 200)]


def test_another_key_is_refused(book):
    """A lost key file would make a second person of everybody, without a word."""
    with book.connection, book.connection.cursor() as cursor:
        book.it.check(cursor)
        book.it.check(cursor)
        with pytest.raises(IngestError, match="secrets/identity_key"):
            Book("another").check(cursor)


def test_without_a_key_nothing_lands(pipeline):
    """Events would land in the clear where a setting is missing."""
    pipeline.produce("tickets", [(key(), event(row()))])
    ingester = pipeline.start(identity_key="")
    assert ingester.wait() == 1
    assert "AIRLINE_INGEST_IDENTITY_KEY" in ingester.events("failed")[0]["error"]


def test_killed_anywhere_each_person_is_in_the_book_once(pipeline):
    """Rows without their pairs, pairs without rows, or a person who is two."""
    moments = random.Random(5)
    pipeline.create_topic("tickets")
    total, ingester = 0, pipeline.start(flush_seconds=0.01)
    for _ in range(6):
        pipeline.produce(
            "tickets",
            [(key(n), event(row(n, passenger_id=f"{n % 37}"))) for n in range(total, total + 300)],
        )
        total += 300
        until = pipeline.stored("tickets") + moments.randint(1, 300)
        until = min(until, total)
        pipeline.wait(lambda until=until: pipeline.stored("tickets") >= until)
        ingester.kill()
        ingester = pipeline.start(flush_seconds=0.01)
    pipeline.wait_landed("tickets")
    assert pipeline.count("tickets") == total
    assert pipeline.sql(
        "SELECT count(*), count(DISTINCT raw.value->'after'->>'passenger_id'),"
        " count(*) FILTER (WHERE known.token IS NULL) FROM staging.tickets AS raw"
        " LEFT JOIN staging_pii.identity AS known"
        " ON known.token = raw.value->'after'->>'passenger_id'"
    ) == [(total, 37, 0)]
    assert pipeline.sql("SELECT count(*) FROM staging_pii.identity") == [(37 * 3,)]
    assert pipeline.count("dead_letter") == 0
