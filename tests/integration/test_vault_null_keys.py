"""Rows that refer to nothing (NULL), or whose keys are blank or padded text: kept as they are."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from tests.support.events import aircraft, airport, booking, flight, segment, ticket
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(1800)

REFERENCES = {
    "flights": ["departure_airport", "arrival_airport", "aircraft_code"],
    "tickets": ["book_ref", "passenger_id"],
}
# What AutomateDV takes for NULL, for the same key as another, or for the end of a key.
ODD_KEYS = ["", " ", "  ", "AAA ", " AAA", "\x1e", "\x1f", "A\x1fB", "\t", "\x1d414141"]


@pytest.fixture(scope="module")
def loaded(postgres_server, tmp_path_factory) -> Warehouse:
    """A snapshot with NULLs in it, changes from and to NULL, deletes, and odd keys everywhere."""
    warehouse = Warehouse(postgres_server, "vault_null_keys", tmp_path_factory.mktemp("dbt"))
    source = warehouse.source
    source.snapshot("airports", airport("AAA"), airport("BBB"))
    source.snapshot("aircrafts", aircraft("320"))
    source.snapshot("bookings", booking("AAAAAA"))
    source.snapshot("flights", flight(1), flight(2))
    source.snapshot("tickets", ticket("0000000000001"), ticket("0000000000002"))
    source.snapshot("ticket_flights", segment("0000000000001", 1))
    # A deleted row says nothing of what it referred to: no zero key comes of it.
    source.commit(("d", "flights", flight(2)), ("d", "tickets", ticket("0000000000002")))
    warehouse.load()
    warehouse.hubs_before = hubs(warehouse)

    nothing = dict.fromkeys(REFERENCES["flights"])
    source.snapshot("flights", flight(3, **nothing), flight(4, aircraft_code=None))
    for number, column in enumerate(REFERENCES["flights"], start=11):
        source.snapshot("flights", flight(number, **{column: None}))
    source.snapshot("tickets", ticket("0000000000003", book_ref=None, passenger_id=None))
    source.snapshot("tickets", ticket("0000000000004", book_ref=None))
    source.snapshot("tickets", ticket("0000000000005", passenger_id=None))
    source.snapshot("ticket_flights", segment("0000000000003", 3), segment("0000000000004", 1))
    warehouse.load()
    warehouse.moment = source.clock + timedelta(microseconds=500_000)
    warehouse.rows_then = {table: dict(rows) for table, rows in source.rows.items()}

    source.commit(("u", "flights", flight(1, aircraft_code=None)))
    source.commit(("u", "flights", flight(4)))
    source.commit(("u", "tickets", ticket("0000000000001", passenger_id=None)))
    source.commit(("u", "tickets", ticket("0000000000004")))
    source.commit(("d", "flights", flight(3, **nothing)))
    source.commit(("d", "tickets", ticket("0000000000005", passenger_id=None)))
    source.commit(("c", "tickets", ticket("0000000000005", passenger_id="")))
    for number, odd in enumerate(ODD_KEYS):
        source.commit(
            ("c", "airports", airport(odd)),
            ("c", "aircrafts", aircraft(odd)),
            ("c", "seats", {"aircraft_code": odd, "seat_no": odd, "fare_conditions": "Economy"}),
            ("c", "bookings", booking(odd)),
            ("c", "flights", flight(100 + number, departure_airport=odd, aircraft_code=odd)),
            ("c", "tickets", ticket(odd, book_ref=odd, passenger_id=odd)),
            ("c", "ticket_flights", segment(odd, 100 + number)),
        )
    warehouse.load()
    return warehouse


def hubs(warehouse: Warehouse) -> dict[str, list]:
    """Business keys of the hubs that a reference of another table leads to."""
    return {
        column: [
            key for (key,) in warehouse.rows(f"select {column} from dwh_detailed.{hub} order by 1")
        ]
        for hub, column in [
            ("hub_airports", "airport_code"),
            ("hub_aircrafts", "aircraft_code"),
            ("hub_bookings", "book_ref"),
            ("hub_passengers", "passenger_id"),
        ]
    }


def test_row_with_a_null_reference_is_kept(loaded):
    """A flight without an aircraft type, or a ticket without a booking, would vanish."""
    assert loaded.differences() == []
    (row,) = loaded.rows(
        "select departure_airport, aircraft_code from dwh_business.current_flights"
        " where flight_id = 1"
    )
    assert row == ("AAA", None)


def test_kept_tables_follow_the_vault(loaded):
    """A table that is kept current would differ from the vault's history where a key is NULL."""
    assert loaded.not_kept() == []


def test_row_with_a_null_reference_is_known_as_of_then(loaded):
    """A NULL that was filled since would be filled in the past too, or take its row along."""
    assert loaded.differences(loaded.rows_then, loaded.moment) == []


def test_delete_makes_no_zero_key(loaded):
    """A delete carries its key alone: the hubs would get a row for references that nobody had."""
    assert loaded.hubs_before == {
        "airport_code": ["AAA", "BBB"],
        "aircraft_code": ["320"],
        "book_ref": ["AAAAAA"],
        "passenger_id": ["P1"],
    }


def test_zero_key_is_one_row(loaded):
    """Each NULL would be an entity of its own, or NULL one with blank text."""
    for column, keys in hubs(loaded).items():
        assert keys.count(None) == 1, column
        assert keys.count("") == 1, column


def test_usual_keys_hash_as_before(loaded):
    """A vault that was loaded before would not find its keys again."""
    (row,) = loaded.rows(
        "select encode(flight_hash_key, 'hex'), encode(flight_leg_hash_key, 'hex'),"
        " encode(aircraft_hash_key, 'hex') from dwh_detailed.link_flight_leg"
        " where flight_hash_key = decode(md5('4'), 'hex') order by load_date desc limit 1"
    )
    leg = "\x1f".join(["4", "AAA", "BBB", "320"])
    assert row == tuple(hashlib.md5(text.encode()).hexdigest() for text in ("4", leg, "320"))


def test_full_refresh_gives_the_same(loaded):
    """The vault could not be rebuilt from raw where a key is NULL or blank."""
    before = loaded.vault()
    done = loaded.dbt("run", "--full-refresh", "--selector", "loading")
    assert done.success, messages(done)
    assert loaded.vault() == before
    assert loaded.differences() == []


def test_vault_without_records_of_its_hashes_loads_on(loaded):
    """A vault with a zero key would be taken for one of other hashes, and refused."""
    loaded.rows("delete from dwh_control.hashing")
    loaded.source.commit(("c", "flights", flight(500, aircraft_code=None)))
    loaded.load()
    assert loaded.differences() == []


def test_reading_the_source_again_mends_a_vault_of_before(loaded):
    """A vault loaded before there were zero keys would need to be loaded from the first event."""
    zero = [
        ("link_flight_leg", "departure_airport", "hub_airports", "airport_code"),
        ("link_flight_leg", "arrival_airport", "hub_airports", "airport_code"),
        ("link_flight_leg", "aircraft", "hub_aircrafts", "aircraft_code"),
        ("link_ticket_booking", "booking", "hub_bookings", "book_ref"),
        ("link_ticket_booking", "passenger", "hub_passengers", "passenger_id"),
    ]
    for link, role, hub, column in zero:
        key = "airport_hash_key" if hub == "hub_airports" else f"{role}_hash_key"
        loaded.rows(
            f"delete from dwh_detailed.{link} where {role}_hash_key in"
            f" (select {key} from dwh_detailed.{hub} where {column} is null)"
        )
    for _, _, hub, column in zero:
        loaded.rows(f"delete from dwh_detailed.{hub} where {column} is null")
    loaded.rows("delete from dwh_business.kept_tickets where book_ref is null")
    assert loaded.differences() != []
    for table in REFERENCES:
        loaded.source.snapshot(table, *loaded.source.rows[table].values())
    loaded.load()
    assert loaded.differences() == []
