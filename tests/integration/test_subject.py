"""What is held of a person, and forgetting it, on a loaded warehouse."""

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
from infra.subject import command, forget, kafka_purge, letters, steps
from infra.warehouse import IDENTITY_KEY, landing_dsn
from ingest.book import Book
from tests.support.events import airport, booking, flight, segment, ticket
from tests.support.schemas import faults
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(3600)

NAME, DOCUMENT, PHONE = "АННА ПАССАЖИР", "1234 567890", "+70005550001"
MARRIED, OTHER, OTHER_NAME = "АННА ЗАМУЖНЯЯ", "4321 098765", "BORIS ELSE"
CONTACT = json.dumps({"phone": PHONE})
# One digit more: another person, whose document begins with the first one's.
LONGER = DOCUMENT + "1"
TOPIC = "airline.public.tickets"
AT = "{now: '2026-02-01 00:00+00'}"
ANNA = {"passenger_id": DOCUMENT, "passenger_name": NAME, "contact_data": CONTACT}
BORIS = {"passenger_id": OTHER, "passenger_name": OTHER_NAME, "contact_data": None}


def made_on(server, name: str, folder) -> Warehouse:
    """Anna with two tickets and two names; the second goes to Boris. Dead letters of hers."""
    made = Warehouse(server, name, folder)
    source = made.source
    source.book = Book(made.settings.secret(IDENTITY_KEY))
    source.clock = datetime(2025, 12, 20, tzinfo=UTC)
    source.snapshot("airports", airport("AAA"), airport("BBB"))
    source.snapshot("bookings", booking(book_date="2025-12-20T08:00:00.000000Z"))
    source.snapshot(
        "tickets",
        ticket("0000000000001", **ANNA),
        ticket("0000000000002", **ANNA),
        ticket("0000000000003", **BORIS),
        ticket("0000000000004", **(BORIS | {"passenger_id": LONGER})),
    )
    moment = datetime(2026, 1, 3, 6, tzinfo=UTC).isoformat()
    source.snapshot("flights", flight(1, scheduled_departure=moment, status="Arrived"), flight(2))
    source.snapshot("ticket_flights", segment("0000000000001", 1), segment("0000000000003", 1))
    made.load()
    source.commit(
        ("u", "tickets", ticket("0000000000001", **(ANNA | {"passenger_name": MARRIED}))),
        ("u", "tickets", ticket("0000000000002", **BORIS)),
    )
    # Of the ticket, when it was not hers any more.
    source.commit(("c", "ticket_flights", segment("0000000000002", 2)))
    made.load()
    build(made)
    with closing(psycopg2.connect(landing_dsn(made.settings))) as landing, landing:
        for number, value in enumerate(LETTERS):
            landing.cursor().execute(
                "insert into staging.dead_letter (topic, kafka_partition, kafka_offset, value,"
                " error) values (%s, 0, %s, %s, 'refused')",
                (TOPIC, 900 + number, value),
            )
    return made


ESCAPED = json.dumps({"after": ANNA}).encode()
LETTERS = (
    f'{{"passenger_id": "{DOCUMENT}", "passenger_name": "{NAME}'.encode(),
    b"\xff" + ESCAPED,
    b"\xff" + LONGER.encode(),
    f"only {MARRIED.lower()}".encode(),
    b"\xff" + OTHER_NAME.encode(),
)


def build(made: Warehouse) -> None:
    for arguments in (
        ("seed",),
        ("run", "--exclude", "tag:vault", "--vars", AT),
        ("snapshot", "--vars", AT),
    ):
        done = made.dbt(*arguments)
        assert done.success, messages(done)


@pytest.fixture(scope="module")
def warehouse(postgres_server, tmp_path_factory) -> Warehouse:
    return made_on(postgres_server, "subject", tmp_path_factory.mktemp("dbt"))


@pytest.fixture
def kafka(monkeypatch):
    """Kafka has the log from the second event on."""
    broker = SimpleNamespace(answers=lambda: True, logs=lambda: [Log(TOPIC, 0, 1, 10, 2048)])
    monkeypatch.setattr(command, "Broker", lambda _: broker)
    return broker


def shown(warehouse: Warehouse, capsys, document: str) -> dict:
    capsys.readouterr()
    assert command.main(warehouse.settings, ["show", document, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert faults("subject-show", told) == []
    return told


# -- show -----------------------------------------------------------------------------------------


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
    # Not the flight that was booked when the ticket was Boris's.
    assert [(each["ticket_no"], each["flight_id"]) for each in told["flights"]] == [
        ("0000000000001", 1)
    ]
    assert OTHER_NAME not in json.dumps(told)
    boris = shown(warehouse, capsys, OTHER)
    assert {(each["ticket_no"], each["flight_id"]) for each in boris["flights"]} == {
        ("0000000000002", 2),
        ("0000000000003", 1),
    }
    assert {each["name"] for each in boris["details"]} == {OTHER_NAME}


def test_every_table_with_a_token_of_the_person_is_named(warehouse, kafka, capsys):
    """Somebody is told that this is all, and a table has more. Every value of every table is
    read here, whatever its columns are called.
    """
    told = shown(warehouse, capsys, DOCUMENT)
    places = {each["place"]: each["rows"] for each in told["places"]}
    tokens = [
        token
        for (token,) in warehouse.rows(
            "select token from staging_pii.identity where person = (select person from"
            " staging_pii.identity where value = %s)",
            DOCUMENT,
        )
    ]
    assert len(tokens) == 4
    # Clear values are in the book and in dead letters alone.
    assert holding(warehouse, f"{DOCUMENT}(?!1)|{NAME}|{MARRIED}|{re.escape(PHONE)}") == {
        "warehouse: staging_pii.identity"
    }
    found = holding(warehouse, "|".join(tokens))
    assert "warehouse: presentation_pii.frequent_flyers_personal" in found
    # A batch in hand, which the next load replaces.
    assert found - {"warehouse: dwh_stage.vst_tickets"} <= places.keys()
    assert places["warehouse: dwh_detailed.hub_passengers"] == 1
    assert places["warehouse: staging.tickets"] == 3
    assert places["warehouse: staging.dead_letter"] == 2
    assert places["warehouse: staging_pii.identity"] == 4
    # of the three, the first is below the log's beginning
    assert places[f"Kafka: {TOPIC}"] == 2


def holding(made: Warehouse, pattern: str) -> set[str]:
    return {
        f"warehouse: {schema}.{table}"
        for schema, table in made.rows(
            "select schemaname, tablename from pg_tables"
            " where schemaname not in ('pg_catalog', 'information_schema')"
        )
        if made.rows(f"select 1 from {schema}.{table} as t where t::text ~ %s limit 1", pattern)
    }


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


# -- forget ---------------------------------------------------------------------------------------


@pytest.fixture
def fresh(postgres_server, tmp_path) -> Warehouse:
    return made_on(postgres_server, "subject_forgotten", tmp_path)


@pytest.fixture
def whole(monkeypatch):
    """The steps of this test are all there are; each call is noted."""
    called: list[str] = []

    def step(name: str):
        real = letters.run if name == "letters" else lambda *_: {}

        def run(settings, act):
            called.append(name)
            return real(settings, act)

        return run

    monkeypatch.setattr(steps, "step", step)
    return called


def forgotten(made: Warehouse, document: str = DOCUMENT) -> int:
    return command.main(made.settings, ["forget", document, "--reason", "request 17", "--yes"])


def figures(made: Warehouse) -> list:
    return [
        made.rows(f"select * from {mart} as t order by t::text")
        for mart in (
            "dwh_marts.v_passenger_groups_revenue",
            "dwh_marts.v_passenger_metrics_30d",
            "dwh_marts.v_passenger_metrics_30d_as_of(now() - interval '1 hour')",
        )
    ] + made.rows(
        "select pseudonym, flights_number, purchase_sum, home_airport, customer_group"
        " from presentation_pii.frequent_flyers_personal order by pseudonym"
    )


def test_a_forgotten_person_is_nowhere_and_figures_stay(fresh, whole, kafka, capsys):
    """A name is left in a mart or a moment of the past, or the company's figures change by it."""
    before, vault = figures(fresh), fresh.vault()
    raw = fresh.rows("select value from staging.tickets order by kafka_offset")
    past = "select passenger_name from presentation.frequent_flyers_as_of('2026-01-31')"
    assert forgotten(fresh) == 0
    said = capsys.readouterr().out
    assert not any(each in said for each in (DOCUMENT, NAME, PHONE))
    assert whole == list(steps.STEPS)
    clear = f"{DOCUMENT}(?!1)|{NAME}|{MARRIED}|{re.escape(PHONE)}"
    assert holding(fresh, clear) == set()
    assert not re.search(clear, str(fresh.rows(past)))
    build(fresh)
    assert figures(fresh) == before
    assert fresh.vault() == vault
    assert raw == fresh.rows("select value from staging.tickets order by kafka_offset")
    # Whoever else may be meant is as before.
    assert (OTHER,) in fresh.rows("select passenger_id from presentation.frequent_flyers")
    letters_now = [bytes(value) for (value,) in fresh.rows(
        "select value from staging.dead_letter order by kafka_offset")]  # fmt: skip
    assert letters_now[2] == LETTERS[2] and letters_now[4] == LETTERS[4]
    assert [len(each) for each in letters_now] == [len(each) for each in LETTERS]
    for each in letters_now:
        for value in (DOCUMENT, NAME, MARRIED, json.dumps(NAME)[1:-1], PHONE):
            assert value.lower() not in each.decode("utf-8", "replace").lower().replace(LONGER, "")
    [(done, counts, reason, by, pad)] = fresh.rows(
        "select done, counts, reason, begun_by, pad from staging_pii.act"
        " where finished_at is not null"
    )
    assert done == ["book", *steps.STEPS]
    assert counts["book"] == {"staging_pii.identity": 4}
    assert counts["letters"] == {"staging.dead_letter": 3}
    assert (reason, pad) == ("request 17", None) and by
    assert list((fresh.settings.home / "data" / "acts").glob("*")) == []
    told = shown(fresh, capsys, DOCUMENT)
    assert told["forgotten_at"] and told["places"] == told["tickets"] == []
    # Made anew from raw, the vault is the same.
    done = fresh.dbt("run", "--full-refresh", "--selector", "loading")
    assert done.success, messages(done)
    assert fresh.vault() == vault


def test_who_comes_again_counts_as_the_same_and_has_no_name(fresh, whole, kafka, monkeypatch):
    """The source goes on to send somebody: as a second person, or with all that was forgotten; and
    Kafka keeps that for ever, or loses its log where nobody was forgotten.
    """
    monkeypatch.setattr(kafka_purge, "_run", lambda settings: {"Kafka": 1})
    assert kafka_purge.again(fresh.settings) == {}
    assert forgotten(fresh) == 0
    assert kafka_purge.again(fresh.settings) == {"Kafka": 1}
    # In the window of 30 days before the run's date, as the flight before.
    fresh.source.commit(("c", "tickets", ticket("0000000000009", **ANNA)))
    fresh.source.commit(("c", "ticket_flights", segment("0000000000009", 1, amount="7.77")))
    fresh.load()
    build(fresh)
    assert holding(fresh, f"{DOCUMENT}(?!1)|{NAME}|{re.escape(PHONE)}") == set()
    [(persons, flights)] = fresh.rows(
        "select count(distinct passenger_id), count(*) from dwh_business.current_ticket_flights"
        " join dwh_business.current_tickets using (ticket_no)"
        " where ticket_no in ('0000000000001', '0000000000009')"
    )
    assert (persons, flights) == (1, 2)
    assert fresh.rows(
        "select flights_number from presentation_pii.frequent_flyers_personal"
        " where passenger_id in (select person from staging_pii.forgotten)"
    ) == [(2,)]


class Killed(BaseException):
    """Ends a command where it stands, as a kill does: nothing handles it."""


@pytest.mark.parametrize("at", ["before the commit", "book", *steps.STEPS])
def test_killed_anywhere_it_is_done_or_not_and_goes_on(fresh_again, whole, monkeypatch, at, capsys):
    """Half of a person would be left, or nobody know what was to be looked for."""
    made = fresh_again

    def kill(*_: object) -> None:
        raise Killed

    if at == "before the commit":
        seal = forget._seal
        monkeypatch.setattr(forget, "_seal", lambda *told: (seal(*told), kill()))
    elif at == "book":
        monkeypatch.setattr(steps, "run", kill)
    else:
        real = steps.note
        monkeypatch.setattr(steps, "note", lambda *told: kill() if told[2] == at else real(*told))
    before = made.rows("select count(*) from staging_pii.identity")
    acts = made.rows("select count(*) from staging_pii.act")
    document = f"P {at}"
    with pytest.raises(Killed):
        forgotten(made, document)
    is_there = made.rows("select 1 from staging_pii.identity where value = %s", document)
    if at == "before the commit":
        assert is_there and before == made.rows("select count(*) from staging_pii.identity")
        assert made.rows("select count(*) from staging_pii.act") == acts
        assert forget.open_acts(made.settings) == []
        assert list((made.settings.home / "data" / "acts").glob("*")) == []
        return
    assert not is_there
    files = list((made.settings.home / "data" / "acts").glob("*"))
    assert len(files) == 1 and document.encode().hex() not in files[0].read_text()
    [act] = forget.open_acts(made.settings)
    assert (act.document, act.names) == (document, (f"N {at}",))
    assert json.loads(act.contacts[0]) == {"phone": at}
    monkeypatch.undo()
    whole_again = list(steps.STEPS)[list(steps.STEPS).index(at) :] if at != "book" else steps.STEPS
    called: list[str] = []
    monkeypatch.setattr(steps, "step", lambda name: lambda *_: called.append(name) or {"rows": 1})
    # What the source has sent since of others who were forgotten goes as well.
    monkeypatch.setattr(kafka_purge, "again", lambda settings: called.append("again"))
    assert command.main(made.settings, ["resume"]) == 0
    assert called == [*whole_again, "again"]
    assert forget.open_acts(made.settings) == [] and not files[0].exists()


@pytest.fixture(scope="module")
def fresh_again(postgres_server, tmp_path_factory) -> Warehouse:
    """A book of one person for each moment of a kill; nothing is loaded."""
    made = Warehouse(postgres_server, "subject_killed", tmp_path_factory.mktemp("dbt"))
    made.source.book = Book(made.settings.secret(IDENTITY_KEY))
    for number, at in enumerate(("before the commit", "book", *steps.STEPS)):
        made.source.commit(
            (
                "c",
                "tickets",
                ticket(
                    f"{number:013}",
                    passenger_id=f"P {at}",
                    passenger_name=f"N {at}",
                    contact_data=json.dumps({"phone": at}),
                ),
            )
        )
    made.source.land()
    return made


def test_what_is_not_whole_stays_open(fresh_again, monkeypatch):
    """An act would say that it is done where Kafka still has everything."""
    made = fresh_again
    made.source.commit(("c", "tickets", ticket("0000000000077", passenger_id="OPEN")))
    made.source.land()

    def step(name: str):
        def run(settings, act):
            if name == "kafka_purge":
                raise AirlineError("Kafka is away", "wait")
            return {}

        return run

    monkeypatch.setattr(steps, "step", step)
    with pytest.raises(AirlineError, match="Kafka is away"):
        forgotten(made, "OPEN")
    assert made.rows("select done from staging_pii.act where finished_at is null") == [
        (["book", "letters"],)
    ]
    [act] = forget.open_acts(made.settings)
    # Asked again it is the same act; without its file a new one, which knows the document.
    with pytest.raises(AirlineError, match="Kafka is away"):
        forgotten(made, "OPEN")
    assert [each.id for each in forget.open_acts(made.settings)] == [act.id]
    (made.settings.home / "data" / "acts" / f"act-{act.id}").unlink()
    with pytest.raises(AirlineError, match=f"act {act.id} is open"):
        forget.open_acts(made.settings)
    with pytest.raises(AirlineError, match="Kafka is away"):
        forgotten(made, "OPEN")
    [after] = forget.open_acts(made.settings)
    assert (after.document, after.names) == ("OPEN", ()) and after.id != act.id


def test_nobody_is_forgotten_by_mistake(fresh_again, monkeypatch):
    """A document that was mistyped would leave an act, or the wrong key make a second book."""
    acts = fresh_again.rows("select count(*) from staging_pii.act")
    with pytest.raises(AirlineError, match="nobody with this document"):
        forgotten(fresh_again, "P boo")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(AirlineError, match="asks before it begins"):
        command.main(fresh_again.settings, ["forget", "P book", "--reason", "x"])
    assert acts == fresh_again.rows("select count(*) from staging_pii.act")


def test_contacts_are_the_texts_in_them():
    """The search would look for a JSON that nobody writes so, and find nothing."""
    act = steps.Act(1, "D", ("N",), ('{"phone": "+7", "more": ["a@b", {"x": "y"}, 3, " "]}',))
    assert act.texts == {"D", "N", "+7", "a@b", "y"}
