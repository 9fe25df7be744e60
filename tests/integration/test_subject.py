"""What is held of a person, on a loaded warehouse."""

from __future__ import annotations

import io
import json
import re
from contextlib import closing
from datetime import UTC, datetime
from types import SimpleNamespace

import psycopg2
import pytest

from infra.errors import AirlineError
from infra.kafka.broker import Log
from infra.subject import command
from infra.warehouse import landing_dsn
from tests.support.events import airport, booking, flight, segment, ticket
from tests.support.schemas import faults
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(3600)

NAME, DOCUMENT, PHONE = "ANNA PASSENGER", "1234 567890", "+70005550001"
MARRIED, OTHER, OTHER_NAME = "ANNA MARRIED", "4321 098765", "BORIS ELSE"
# One digit more: another person, whose document begins with the first one's.
LONGER = DOCUMENT + "1"
TOPIC = "airline.public.tickets"


@pytest.fixture(scope="module")
def warehouse(postgres_server, tmp_path_factory) -> Warehouse:
    """Anna with two tickets and two names; the second goes to Boris. A dead letter of hers."""
    made = Warehouse(postgres_server, "subject", tmp_path_factory.mktemp("dbt"))
    source = made.source
    source.clock = datetime(2025, 12, 20, tzinfo=UTC)
    source.snapshot("airports", airport("AAA"), airport("BBB"))
    source.snapshot("bookings", booking(book_date="2025-12-20T08:00:00.000000Z"))
    contact = json.dumps({"phone": PHONE})
    anna = {"passenger_id": DOCUMENT, "passenger_name": NAME, "contact_data": contact}
    boris = {"passenger_id": OTHER, "passenger_name": OTHER_NAME, "contact_data": None}
    source.snapshot(
        "tickets",
        ticket("0000000000001", **anna),
        ticket("0000000000002", **anna),
        ticket("0000000000003", **boris),
        ticket("0000000000004", **(boris | {"passenger_id": LONGER})),
    )
    moment = datetime(2026, 1, 3, 6, tzinfo=UTC).isoformat()
    source.snapshot("flights", flight(1, scheduled_departure=moment, status="Arrived"))
    source.snapshot("ticket_flights", segment("0000000000001", 1), segment("0000000000003", 1))
    made.load()
    source.commit(
        ("u", "tickets", ticket("0000000000001", **(anna | {"passenger_name": MARRIED}))),
        ("u", "tickets", ticket("0000000000002", **boris)),
    )
    made.load()
    for arguments in (
        ("seed",),
        ("run", "--select", "frequent_flyers_personal", "frequent_flyers"),
        ("snapshot",),
    ):
        done = made.dbt(*arguments, "--vars", "{now: '2026-02-01 00:00+00'}")
        assert done.success, messages(done)
    with closing(psycopg2.connect(landing_dsn(made.settings))) as landing, landing:
        landing.cursor().execute(
            "insert into staging.dead_letter (topic, kafka_partition, kafka_offset, value, error)"
            " values (%s, 0, 900, %s, 'refused'), (%s, 0, 901, %s, 'refused')",
            (TOPIC, f'{{"passenger_id": "{DOCUMENT}'.encode(), TOPIC, b"\xff" + OTHER.encode()),
        )
    return made


@pytest.fixture
def kafka(monkeypatch):
    """Kafka has the log from the second event on."""
    broker = SimpleNamespace(answers=lambda: True, logs=lambda: [Log(TOPIC, 0, 1, 10, 2048)])
    monkeypatch.setattr(command, "Broker", lambda _: broker)
    return broker


def shown(warehouse: Warehouse, capsys, document: str) -> dict:
    assert command.main(warehouse.settings, ["show", document, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert faults("subject-show", told) == []
    return told


def test_all_versions_of_a_person_are_shown(warehouse, kafka, capsys):
    """A former name, a ticket given away or a price is held and not told; or another's name is."""
    told = shown(warehouse, capsys, DOCUMENT)
    assert [(each["ticket_no"], each["name"]) for each in told["details"]] == [
        ("0000000000001", NAME),
        ("0000000000002", NAME),
        ("0000000000001", MARRIED),
    ]
    assert all(each["contact"] == {"phone": PHONE} for each in told["details"])
    assert {(each["ticket_no"], each["is_now"]) for each in told["tickets"]} == {
        ("0000000000001", True),
        ("0000000000002", False),
    }
    assert [(each["ticket_no"], each["flight_id"]) for each in told["flights"]] == [
        ("0000000000001", 1)
    ]
    assert OTHER_NAME not in json.dumps(told)


def test_every_table_with_the_document_is_named(warehouse, kafka, capsys):
    """Somebody is told that this is all, and a table has more. Every value of every table is
    read here, whatever its columns are called.
    """
    told = shown(warehouse, capsys, DOCUMENT)
    places = {each["place"]: each["rows"] for each in told["places"]}
    tables = warehouse.rows(
        "select schemaname, tablename from pg_tables"
        " where schemaname not in ('pg_catalog', 'information_schema')"
    )
    holding = {
        f"warehouse: {schema}.{table}"
        for schema, table in tables
        if warehouse.rows(
            f"select from {schema}.{table} as t where t::text ~ %s limit 1",
            f"{DOCUMENT}(?!1)|{NAME}|{MARRIED}|{re.escape(PHONE)}|"
            + DOCUMENT.encode().hex()
            + "(?!31)",
        )
    }
    assert "warehouse: presentation_pii.frequent_flyers_personal" in holding
    assert holding <= places.keys()
    assert places["warehouse: dwh_detailed.hub_passengers"] == 1
    assert places["warehouse: staging.tickets"] == 4
    assert places["warehouse: staging.dead_letter"] == 1
    # of the four, the first is below the log's beginning
    assert places[f"Kafka: {TOPIC}"] == 3


def test_a_person_who_is_not_there_is_told_so(warehouse, kafka, capsys, monkeypatch):
    """A document that is the beginning of another's shows that person; or an ID in a shell's
    history is the only way.
    """
    for document in ("1234 56789", "9999 999999"):
        told = shown(warehouse, capsys, document)
        assert (told["details"], told["tickets"], told["places"]) == ([], [], [])
    monkeypatch.setattr("sys.stdin", io.StringIO("9999 999999\n"))
    assert command.main(warehouse.settings, ["show", "-"]) == 0
    assert "nothing is held" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(AirlineError, match="ID is needed"):
        command.main(warehouse.settings, ["show", "-"])


def test_people_read_the_same(warehouse, monkeypatch, capsys):
    """The table for people lacks what the document has, or Kafka that does not answer is taken for
    one that holds nothing.
    """
    monkeypatch.setattr(command, "Broker", lambda _: SimpleNamespace(answers=lambda: False))
    assert command.main(warehouse.settings, ["show", DOCUMENT]) == 0
    said = capsys.readouterr().out
    for each in (NAME, MARRIED, PHONE, "0000000000002", "staging.tickets", "Kafka does not answer"):
        assert each in said


def test_nothing_is_written(warehouse, kafka, capsys):
    """Who asks what is held changes it."""
    before = warehouse.vault()
    shown(warehouse, capsys, DOCUMENT)
    assert warehouse.vault() == before
