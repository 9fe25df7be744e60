"""What landed and cannot be loaded: set aside with its reason, and its neighbours load."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from typing import Any
from unittest.mock import patch

import pytest

from infra.health import set_aside
from infra.repair import dead_letters
from tests.support.events import UNAVAILABLE, aircraft, airport, booking, flight, segment, ticket
from tests.support.schemas import faults
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(2700)

# Nothing waits for the rest of a transaction that never comes.
AT_ONCE = ("--vars", "{transaction_patience: 0 seconds}")


@pytest.fixture(scope="module")
def warehouse(postgres_server, tmp_path_factory) -> Warehouse:
    """A warehouse with one loaded batch."""
    made = Warehouse(postgres_server, "set_aside", tmp_path_factory.mktemp("dbt"))
    made.source.snapshot("airports", airport("AAA"), airport("BBB"))
    made.source.snapshot("aircrafts", aircraft("320"))
    made.source.snapshot("bookings", booking("AAAAAA"))
    made.source.snapshot("tickets", ticket("0000000000001", contact_data='{"a": 1}'))
    made.load()
    return made


@pytest.fixture(autouse=True)
def settled(warehouse):
    """Each test leaves the vault equal to the source, and nothing set aside that it did not see."""
    yield
    warehouse.load(*AT_ONCE)
    assert warehouse.open_batches() == []
    assert warehouse.differences() == []
    warehouse.rows(
        "update dwh_control.set_aside_event set resolution = 'discarded' where resolution is null"
    )


def waiting(warehouse: Warehouse) -> list[tuple]:
    """(table, column, reason) of what waits for a decision."""
    return warehouse.rows(
        "select split_part(topic, '.', -1), column_name, reason from dwh_control.set_aside_event"
        " where resolution is null order by topic, kafka_partition, kafka_offset"
    )


def newest(warehouse: Warehouse, table: str) -> dict[str, Any]:
    """The newest event of the table that tells of a row."""
    events = [
        value
        for name, _, value in warehouse.source.landed
        if name == table and isinstance(value, dict) and isinstance(value.get("after"), dict)
    ]
    return deepcopy(events[-1])


def write(warehouse: Warehouse, table: str, *values: Any) -> None:
    """Somebody's messages in the topic of a table."""
    warehouse.source.pending += [(table, {"any": "key"}, value) for value in values]


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


# What JSON can be, and what of it is no change event.
SHAPES = [
    *(
        5,
        -1.5,
        "text",
        True,
        [],
        {},
        [[]],
        [{}],
        {"op": "c"},
        nested(900),
        {"op": {}},
        {"op": None},
    ),
    {"source": {"txId": "x"}, "transaction": {}},
    *(
        {"op": "c", "source": source, "after": {}}
        for source in ([], {}, 1, "", None, {"ts_us": []})
    ),
    *({"op": op, "source": {"ts_us": 1, "lsn": 1, "txId": 1}} for op in ("c", "u", "r", "d", "x")),
    {"op": "d", "source": {"ts_us": 1}, "before": [1]},
    {"op": "c", "source": {"ts_us": "now"}, "after": {}},
    {"op": "c", "source": {"ts_us": 1, "txId": 10**30, "lsn": 1}, "after": {}},
    {"op": "c", "source": {"ts_us": 1e300}, "after": {}},
    {"op": "t", "source": {"ts_us": 9 * 10**18, "lsn": 1, "txId": 1}},
    {"op": "t", "source": {"ts_us": 1, "lsn": {}, "txId": 1}},
    {"op": "t", "source": {"ts_us": 1, "lsn": 1, "txId": 1}, "transaction": {"total_order": "x"}},
    {"op": "t", "source": {"ts_us": 1, "lsn": 1, "txId": 1}, "transaction": []},
]
MARKS = [
    *(5, "END", [], {}, {"status": "END"}, {"status": "END", "id": "x:1"}, {"status": ["END"]}),
    {"status": "END", "id": "9" * 40 + ":1", "data_collections": []},
    *(
        {"status": "END", "id": "1:1", "data_collections": marker}
        for marker in (
            {},
            "x",
            [1],
            [[{"data_collection": "public.bookings", "event_count": 1}]],
            [{"data_collection": "public.bookings", "event_count": "many"}],
            [{"data_collection": "public.bookings", "event_count": 1.5}],
            [{"data_collection": "public.bookings", "event_count": 10**30}],
            [{"event_count": 1}],
        )
    ),
]


def test_json_of_any_shape_stops_no_load(warehouse):
    """One message that is no change event would stop all loads of all tables, for good."""
    source = warehouse.source
    tables = sorted(source.rows)
    for table in tables:
        write(warehouse, table, *SHAPES)
    write(warehouse, "transaction", *MARKS)
    source.commit(
        ("u", "airports", airport("AAA", city="beside it")),
        ("c", "bookings", booking("BESIDE")),
    )
    for table in tables:
        write(warehouse, table, *SHAPES)
    write(warehouse, "transaction", *MARKS)
    warehouse.load()
    assert warehouse.differences() == []
    found = waiting(warehouse)
    assert len(found) == 2 * (len(tables) * len(SHAPES) + len(MARKS))


def mutations(event: dict[str, Any]) -> list[dict[str, Any]]:
    """The event with each of its fields gone, and replaced by each other kind of JSON."""
    made = []
    paths = [(name,) for name in event]
    paths += [
        (name, each) for name, part in event.items() if isinstance(part, dict) for each in part
    ]
    for path in paths:
        for value in ("gone", 1, 1.5, 10**400, "text", "", True, None, [], {}, nested(50)):
            changed = deepcopy(event)
            part = changed
            for name in path[:-1]:
                part = part[name]
            if value == "gone":
                del part[path[-1]]
            else:
                part[path[-1]] = value
            made.append(changed)
    return made


ROWS = {
    "airports": airport("MUT"),
    "aircrafts": aircraft("MUT"),
    "seats": {"aircraft_code": "MUT", "seat_no": "1A", "fare_conditions": "Economy"},
    "flights": flight(777),
    "bookings": booking("MUTATE"),
    "tickets": ticket("0000000000777", contact_data="{}"),
    "ticket_flights": segment("0000000000777", 777),
    "boarding_passes": {
        "ticket_no": "0000000000777",
        "flight_id": 777,
        "boarding_no": 1,
        "seat_no": "1A",
    },
}


def test_no_field_of_an_event_can_stop_a_load(warehouse):
    """A field that is missing, or of another kind, would stop all loads of all tables."""
    source = warehouse.source
    for table, row in ROWS.items():
        source.commit(("c", table, row))
        source.land()
        bare = newest(warehouse, table)
        deleted = bare | {"op": "d", "before": bare["after"], "after": None}
        for event in [*mutations(bare), *mutations(deleted)]:
            write(warehouse, table, event)
        for mark in [value for name, _, value in source.landed if name == "transaction"][-2:]:
            write(warehouse, "transaction", *mutations(mark))
        # The mutants are repeats of the event, or deletions of its row: it is told anew after them.
        source.commit(("u", table, row))
    source.commit(("u", "airports", airport("AAA", city="beside mutants")))
    warehouse.load(*AT_ONCE)
    assert len(waiting(warehouse)) > 1000


ODD = {
    "a number for a timestamp": ("bookings", "book_date", 1767225600000000, "not how timestamptz"),
    "a number that reads as a date": ("bookings", "book_date", 20260101, "not how timestamptz"),
    "the word now": ("bookings", "book_date", "now", "not how timestamptz comes"),
    "the 30th of February": ("bookings", "book_date", "2026-02-30T00:00:00Z", "cannot be read"),
    "a year beyond": ("bookings", "book_date", "+294277-01-01T00:00:00Z", "cannot be read"),
    "nanoseconds": ("bookings", "book_date", "2026-02-03T00:00:00.123456789Z", "timestamptz"),
    "an amount too large": ("bookings", "total_amount", "12345678901.00", "too large"),
    "an amount too precise": ("bookings", "total_amount", "1.2345", "would be rounded"),
    "no amount": ("bookings", "total_amount", "ten", "cannot be read as numeric"),
    "infinity where none is": ("bookings", "total_amount", "POSITIVE_INFINITY", "numeric(12,2)"),
    "U+0000 in JSON": ("tickets", "contact_data", '{"a": "\\u0000"}', "cannot be read as jsonb"),
    "JSON too deep": ("tickets", "contact_data", "[" * 50_000 + "]" * 50_000, "jsonb"),
    "JSON too large a number": ("tickets", "contact_data", '{"a": 1e400000}', "jsonb"),
    "no JSON": ("tickets", "contact_data", "phone 5550199", "cannot be read as jsonb"),
    "a structure": ("tickets", "contact_data", {"a": 1}, "is a JSON object"),
    "an integer too large": ("flights", "flight_id", 2**63, "cannot be read as bigint"),
    "an integer with a fraction": ("aircrafts", "range", 5.5, "cannot be read as integer"),
    "a number for a text": ("airports", "city", 5, "is a JSON number"),
    "a key that is null": ("airports", "airport_code", None, "part of the primary key"),
}


def test_what_cannot_be_typed_is_set_aside(warehouse):
    """One value that the column's type does not hold would stop all loads, or be changed unsaid."""
    source = warehouse.source
    before = deepcopy(source.rows)
    for case, (table, column, value, _) in ODD.items():
        source.commit(
            ("c", table, ROWS[table] | {column: value}),
            ("u", "airports", airport("AAA", city=case)),
        )
        source.rows[table] = deepcopy(before[table])
    source.rows["airports"]["AAA",] = airport("AAA", city=list(ODD)[-1])
    warehouse.load()
    assert warehouse.differences() == []
    cities = warehouse.rows(
        "select city from dwh_detailed.sat_airport_details where city = any(%s)", list(ODD)
    )
    assert len(cities) == len(ODD)
    found = sorted(waiting(warehouse))
    for case, (table, column, _, reason) in ODD.items():
        fitting = [each for each in found if each[:2] == (table, column) and reason in each[2]]
        assert fitting, case
        found.remove(fitting[0])
        # nothing of a passenger in a log
        assert "555" not in fitting[0][2]
    assert found == []


# What PostgreSQL holds -> how Debezium 3.7 writes it, by stream and by snapshot alike: taken from
# events of a real connector, of sessions in several time zones.
ENDS = {
    "0001-12-31 21:29:43+00 BC": "0000-12-31T21:29:43.000000Z",
    "0001-06-01 00:00:00+00 BC": "0000-06-01T00:00:00.000000Z",
    "0001-01-01 03:56:02+00": "0001-01-01T03:56:02.000000Z",
    "0005-02-29 12:00:00+00 BC": "-0004-02-29T12:00:00.000000Z",
    "4714-11-24 00:00:00+00 BC": "-4713-11-24T00:00:00.000000Z",
    "294276-12-31 23:59:59.999999+00": "+294276-12-31T23:59:59.999999Z",
    "9999-12-31 20:59:59.999999+00": "9999-12-31T20:59:59.999999Z",
    "10000-01-01 00:00:00+00": "+10000-01-01T00:00:00.000000Z",
    "1879-12-31 21:29:43.000001+00": "1879-12-31T21:29:43.000001Z",
    "1970-01-01 00:00:00+00": "1970-01-01T00:00:00Z",
    "infinity": "infinity",
    "-infinity": "-infinity",
}


def test_the_ends_of_each_type_are_read(warehouse):
    """The year 0 of an event, or an infinite number, would stop all loads, for good."""
    source = warehouse.source
    for number, text in enumerate(ENDS.values()):
        source.commit(("c", "bookings", booking(f"END{number:03}", book_date=text)))
    numbers = {"NAN": "NaN", "POSITIVE_INFINITY": "Infinity", "NEGATIVE_INFINITY": "-Infinity"}
    long = ["1" + "0" * 4_000, "0." + "0" * 299 + "1"]
    for number, text in enumerate([*numbers, *long]):
        source.commit(("c", "airports", airport(f"EN{number}", coordinates_lon=text)))
    source.commit(("c", "flights", flight(2**63 - 1)), ("c", "flights", flight(-(2**63))))
    warehouse.load()
    assert waiting(warehouse) == []
    # as PostgreSQL reads them
    for number, moment in enumerate(ENDS):
        source.rows["bookings"][f"END{number:03}",]["book_date"] = moment
    for number, value in enumerate(numbers.values()):
        source.rows["airports"][f"EN{number}",]["coordinates_lon"] = value
    assert warehouse.differences() == []


@pytest.mark.parametrize(
    "full", [pytest.param(False, id="by replay"), pytest.param(True, id="by full refresh")]
)
def test_it_loads_when_the_cause_is_gone(warehouse, full):
    """What was set aside would be lost, though the model can hold it by now."""
    source = warehouse.source
    code = f"G{int(full)}X"
    source.commit(("c", "airports", airport(code, city=7)))
    warehouse.load()
    [(_, column, _)] = waiting(warehouse)
    assert column == "city"
    warehouse.rows(
        "update staging.airports set value = jsonb_set(value, '{after,city}', '\"seven\"')"
        f" where value -> 'after' ->> 'airport_code' = '{code}'"
    )
    source.rows["airports"][code,]["city"] = "seven"
    if full:
        warehouse.load("--full-refresh")
    else:
        warehouse.load()
        assert warehouse.differences() != []  # nobody asked
        replay(warehouse)
        warehouse.load()
        ((loaded,),) = warehouse.rows(
            "select loaded_by is not null from dwh_control.set_aside_event"
            " where resolution = 'replayed'"
        )
        assert loaded
    assert waiting(warehouse) == []
    assert warehouse.differences() == []
    before = warehouse.vault()
    warehouse.load()
    assert warehouse.vault() == before


def replay(warehouse: Warehouse) -> None:
    warehouse.rows(
        "update dwh_control.set_aside_event set resolution = 'replayed', resolved_at = now()"
        " where resolution is null"
    )
    done = warehouse.dbt("run-operation", "examine_replays")
    assert done.success, messages(done)


def test_a_replay_that_cannot_be_stays_set_aside(warehouse):
    """A replay would stop the loads that setting aside kept going, or bring back an old state."""
    source = warehouse.source
    source.commit(
        ("c", "airports", airport("RE1", city=1)), ("c", "airports", airport("RE2", city=2))
    )
    warehouse.load()
    # Of one the row came right since; of the other it did not.
    source.commit(("u", "airports", airport("RE1", city="right")))
    del source.rows["airports"]["RE2",]
    warehouse.load()
    assert warehouse.differences() == []
    warehouse.rows(
        "update staging.airports set value = jsonb_set(value, '{after,city}', '\"old\"')"
        " where value -> 'after' ->> 'airport_code' = 'RE1' and value ->> 'op' = 'c'"
    )
    replay(warehouse)
    assert [column for _, column, _ in waiting(warehouse)] == ["city", "city"]
    [(newer,)] = warehouse.rows(
        "select newer_offset from dwh_control.set_aside_event where newer_offset is not null"
    )
    assert newer is not None
    warehouse.load()
    assert warehouse.differences() == []


def test_a_long_value_that_was_set_aside_is_not_made_up(warehouse):
    """An update beside it would bring the value that was there before, as if it stood."""
    unread = "__debezium_unavailable_value"
    source = warehouse.source
    number = "0000000000009"
    source.commit(("c", "tickets", ticket(number, contact_data='{"a": 1}')))
    source.commit(("u", "tickets", ticket(number, contact_data='{"a": "\\u0000"}')))
    source.commit(("u", "tickets", ticket(number, passenger_name="B", contact_data=unread)))
    warehouse.load()
    source.commit(("u", "tickets", ticket(number, passenger_name="C", contact_data=unread)))
    warehouse.load()
    assert [column for _, column, _ in waiting(warehouse)] == ["contact_data"] * 3
    assert warehouse.rows(
        "select passenger_name from dwh_business.current_tickets where ticket_no = %s", number
    ) == [("Ivan Petrov",)]
    source.commit(("u", "tickets", ticket(number, passenger_name="D", contact_data="{}")))
    source.commit(("u", "tickets", ticket(number, passenger_name="E", contact_data=unread)))
    warehouse.load()
    assert len(waiting(warehouse)) == 3
    assert warehouse.differences() == []


def test_a_long_value_that_nothing_can_be_put_in_place_of_is_set_aside(warehouse):
    """The connector's word for a value it did not send would stand in the vault as the value."""
    source = warehouse.source
    source.commit(("c", "flights", flight(888, status="On Time" * 1000)))
    source.commit(("u", "flights", flight(888, status=UNAVAILABLE, flight_no="PG0888")))
    source.commit(("u", "airports", airport("AAA", city="beside it")))
    warehouse.load()
    [(table, column, reason)] = waiting(warehouse)
    assert (table, column) == ("flights", "status") and "./airline resync flights" in reason
    [row] = warehouse.differences()
    assert row.startswith("flights (888,)")
    # The row as it is read anew.
    source.commit(("u", "flights", source.rows["flights"][888,]))


def test_what_is_set_aside_holds_no_transaction_back(warehouse):
    """Half a booking would wait for an event that has come, and every table with it."""
    source = warehouse.source
    source.commit(
        ("c", "bookings", booking("HALFWY")),
        ("c", "tickets", ticket("0000000000010", book_ref="HALFWY")),
        ("c", "ticket_flights", segment("0000000000010", 1, amount="1.234")),
        ("c", "ticket_flights", segment("0000000000010", 2)),
    )
    warehouse.load()
    del source.rows["ticket_flights"]["0000000000010", 1]
    assert warehouse.differences() == []
    assert len(waiting(warehouse)) == 1


def test_a_delete_is_read_by_its_key_alone(warehouse):
    """Debezium fills the rest of a deleted row with dummies: '' is no JSON, and stops all loads."""
    source = warehouse.source
    source.commit(("c", "aircrafts", aircraft("T01")))
    source.commit(("c", "flights", flight(55, aircraft_code="T01")))
    warehouse.load()
    before = warehouse.rows("select count(*) from dwh_detailed.hub_airports")
    dummies = {"T01": aircraft("T01", model="", range=0)}
    source.commit(("d", "flights", flight(55)), ("d", "aircrafts", aircraft("T01")))
    for place, (table, key, value) in enumerate(source.pending):
        if value is None or value.get("op") != "d":
            continue
        filled = dummies["T01"] if table == "aircrafts" else flight(
            55, flight_no="", departure_airport="", arrival_airport="", aircraft_code="",
            scheduled_departure="1970-01-01T00:00:00Z", scheduled_arrival="0001", status="",
        )  # fmt: skip
        source.pending[place] = (table, key, value | {"before": filled})
    warehouse.load()
    assert waiting(warehouse) == []
    assert warehouse.differences() == []
    assert warehouse.rows(
        "select aircraft_code, model, range from dwh_stage.vst_aircrafts where is_deleted"
    ) == [("T01", None, None)]
    assert warehouse.rows("select count(*) from dwh_detailed.hub_airports") == before
    assert warehouse.rows("select 1 from dwh_detailed.hub_aircrafts where aircraft_code = ''") == []
    warehouse.load("--full-refresh")


def test_types_of_the_catalogue_are_those_of_the_staging_models(warehouse):
    """An event would be examined for another type than it is given, and the load stop."""
    graph = warehouse.manifest
    for node in graph.sources.values():
        if node.source_name != "staging" or node.name == "transaction":
            continue
        given = dict(
            warehouse.rows(
                "select attname, format_type(atttypid, atttypmod) from pg_attribute"
                " where attrelid = %s::regclass and attnum > 0",
                f"dwh_stage.stg_{node.name}",
            )
        )
        for column, declared in node.meta["columns"].items():
            ((known,),) = warehouse.rows(
                "select format_type(to_regtype(%s), to_regtypemod(%s))", declared, declared
            )
            assert given[column] == known, f"{node.name}.{column}"


def test_people_see_and_decide(warehouse, capsys, tmp_path):
    """What cannot be loaded would be known to nobody, or be mended by hand in the tables."""
    source = warehouse.source
    settings = warehouse.settings

    def run(*arguments: str) -> tuple[int, str]:
        with patch.dict(os.environ):
            code = dead_letters.main(settings, list(arguments))
        said = capsys.readouterr()
        return code, said.out + said.err

    assert set_aside.set_aside(settings).problem == ""
    for code in ("PE1", "PE2", "PE3"):
        source.commit(("c", "airports", airport(code, city=1)))
        del source.rows["airports"][code,]
    warehouse.load()
    found = set_aside.set_aside(settings)
    assert found.values == {"count": 3, "tables": {"airports": 3}}
    assert "./airline dead-letters" in found.problem
    listed = json.loads(run("list", "--json")[1])
    assert faults("dead-letters-list", listed) == []
    first, second, third = [each["event"] for each in listed if not each["resolution"]]
    assert {each["found_at"] for each in listed} == {"loading"}
    assert "city is a JSON number" in run()[1]
    assert "city is a JSON number" in run("show", first)[1]

    # Nothing has changed: it says so, and stays.
    code, said = run("replay", first)
    assert code == 1 and "stays set aside: city is a JSON number" in said
    # Mended by hand, it loads in its own place, and what came from Kafka is kept.
    [value] = [json.loads(run("show", first, "--raw", "value")[1])]
    mended = tmp_path / "value"
    mended.write_text(json.dumps(value | {"after": value["after"] | {"city": "by hand"}}))
    code, said = run("replay", first, "--value", str(mended))
    assert code == 0 and "is by the next load" in said
    source.rows["airports"]["PE1",] = airport("PE1", city="by hand")
    assert run("discard", second)[1] == f"{second}: discarded\n"
    assert "already replayed" in run("replay", first)[1]
    warehouse.load()
    assert warehouse.differences() == []
    assert [each["event"] for each in json.loads(run("list", "--json")[1])] == [third]
    kept = warehouse.rows("select convert_from(value, 'UTF8')::jsonb from staging.dead_letter")
    assert kept == [(value,)]
    # A full refresh examines anew all but what was discarded.
    warehouse.load("--full-refresh")
    assert warehouse.differences() == []
    assert [each["event"] for each in json.loads(run("list", "--json")[1])] == [third]
    run("discard", third)
