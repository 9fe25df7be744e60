"""The vault under everything that change data can do. One load a stage, many traps in each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from infra.health import loading
from tests.support.events import (
    UNAVAILABLE,
    aircraft,
    airport,
    booking,
    flight,
    segment,
    ticket,
)
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(1800)

DAYS = timedelta(days=3)


@pytest.fixture(scope="module")
def loaded(postgres_server, tmp_path_factory) -> Warehouse:
    """Three loads: a snapshot, changes of every kind, and truncations."""
    warehouse = Warehouse(postgres_server, "vault_traps", tmp_path_factory.mktemp("dbt"))
    source = warehouse.source

    codes = ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "JJJ", "KKK"]
    airports = [airport(code) for code in codes]
    source.snapshot("airports", *airports)
    source.snapshot("aircrafts", aircraft("320"), aircraft("321"))
    source.snapshot("seats", seat("320", "1A"), seat("320", "1B"), seat("321", "1A"))
    source.snapshot("flights", flight(1), flight(2, departure_airport="CCC"))
    source.snapshot("bookings", booking("AAAAAA"), booking("BBBBBB"))
    source.snapshot("tickets", ticket("0000000000001"), ticket("0000000000002"))
    long = '{"long": "from before"}'
    source.snapshot("tickets", ticket("0000000000003", contact_data=long))
    source.snapshot("tickets", ticket("0000000000004", contact_data=long))
    source.snapshot("tickets", *[ticket(f"000000000001{n}", contact_data=long) for n in "135"])
    source.snapshot("ticket_flights", segment("0000000000001", 1), segment("0000000000002", 1))
    # A child that lands before its parents: flight 99 and its ticket come with the next load.
    source.snapshot("ticket_flights", segment("0000000000099", 99))
    warehouse.load()

    source.commit(
        ("u", "airports", airport("AAA", city="first")),
        ("u", "airports", airport("AAA", city="second")),
        ("u", "airports", airport("AAA", city="last")),
    )
    source.commit(("u", "airports", airport("BBB", city="earlier")))
    source.commit(
        ("u", "airports", airport("BBB", city="later")), at=source.clock - timedelta(hours=1)
    )
    moment = source.clock
    source.commit(("u", "airports", airport("CCC", city="one")), at=moment)
    source.commit(("u", "airports", airport("CCC", city="two")), at=moment)
    source.commit(("d", "airports", airport("DDD")))
    source.commit(("d", "airports", airport("EEE")))
    source.commit(("c", "airports", airport("EEE", city="again")))
    source.commit(("d", "airports", airport("FFF")), ("c", "airports", airport("FFF", city="new")))
    source.commit(("d", "airports", airport("GGG")), ("c", "airports", airport("HHH")))
    source.commit(("c", "airports", airport("III")), ("d", "airports", airport("III")))
    source.commit(("u", "airports", airport("JJJ", airport_name="jjj airport")))
    source.commit(("u", "airports", airport("KKK", city=" Somewhere")))
    source.commit(("u", "airports", airport("KKK", city="")))

    source.commit(("u", "flights", flight(1, aircraft_code="321")))
    source.commit(("u", "flights", flight(1, aircraft_code="320")))
    source.commit(("u", "flights", flight(2, departure_airport="CCC", aircraft_code="321")))
    source.commit(("c", "flights", flight(99)), ("c", "tickets", ticket("0000000000099")))
    source.commit(("u", "tickets", ticket("0000000000002", book_ref="BBBBBB", passenger_id="P2")))
    source.commit(
        (
            "u",
            "tickets",
            ticket("0000000000001", passenger_name='О\'Нил "😀"\t\\', contact_data='{"a": 1}'),
        )
    )
    # Long values that do not change are not in the event: they come from the vault, or the batch.
    source.commit(
        ("u", "tickets", ticket("0000000000003", passenger_name="B", contact_data=UNAVAILABLE))
    )
    source.commit(("u", "tickets", ticket("0000000000004", contact_data='{"long": "new"}')))
    source.commit(
        ("u", "tickets", ticket("0000000000004", passenger_name="C", contact_data=UNAVAILABLE))
    )
    source.commit(
        ("u", "tickets", ticket("0000000000004", passenger_name=UNAVAILABLE, contact_data=None))
    )

    # A row that gets another key keeps them, although they come under the old one only.
    def renumbered(old: str, new: str, **changes):
        row = ticket(f"000000000001{new}", contact_data=UNAVAILABLE, **changes)
        return "k", "tickets", (ticket(f"000000000001{old}"), row)

    source.commit(renumbered("1", "2"))
    source.commit(
        ("u", "tickets", ticket("0000000000012", passenger_name="K", contact_data=UNAVAILABLE))
    )
    source.commit(("u", "tickets", ticket("0000000000013", contact_data='{"long": "new"}')))
    source.commit(
        renumbered("3", "4"),
        ("u", "tickets", ticket("0000000000014", passenger_name="L", contact_data=UNAVAILABLE)),
        renumbered("4", "1", passenger_name="L"),
    )
    source.commit(("u", "tickets", ticket("0000000000015", contact_data='{"long": "own"}')))
    source.commit(("d", "tickets", ticket("0000000000015")), renumbered("1", "5"))

    # What numeric and timestamptz can be besides numbers and dates, as Debezium writes it.
    source.commit(("c", "bookings", booking("NANINF", total_amount="NAN", book_date="infinity")))
    source.commit(("c", "bookings", booking("MINUSI", book_date="-infinity")))
    far = {"FUTURE": "+20000-01-01T00:00:00.000000Z", "PASTBC": "-0043-03-15T12:00:00.500000Z"}
    for reference, moment in far.items():
        source.commit(("c", "bookings", booking(reference, book_date=moment)))
    # ... and as PostgreSQL reads it
    source.rows["bookings"]["FUTURE",]["book_date"] = "20000-01-01 00:00:00+00"
    source.rows["bookings"]["PASTBC",]["book_date"] = "0044-03-15 12:00:00.5+00 BC"
    # The connector reads everything again: nothing has changed.
    for table in ("airports", "flights", "tickets"):
        source.snapshot(table, *source.rows[table].values())
    warehouse.load()

    # The connector starts again from before the second load, and lands what it had landed.
    source.repeat(150)
    source.commit(("c", "seats", seat("321", "2B")))
    source.commit(("t", "seats", None), ("c", "seats", seat("320", "1A")))
    source.commit(("t", "ticket_flights", None))
    source.commit(("c", "ticket_flights", segment("0000000000099", 99)))
    # ... and once more, in the middle of a batch.
    source.repeat(40)
    warehouse.load()
    return warehouse


def seat(code: str, number: str) -> dict:
    return {"aircraft_code": code, "seat_no": number, "fare_conditions": "Economy"}


def versions(warehouse: Warehouse, code: str, column: str = "city") -> list[str]:
    """The values that an airport had, oldest first."""
    rows = warehouse.rows(
        f"select {column} from dwh_detailed.sat_airport_details"
        " inner join dwh_detailed.hub_airports using (airport_hash_key)"
        " where airport_code = %s order by sat_airport_details.load_date",
        code,
    )
    return [value for (value,) in rows]


def deletions(warehouse: Warehouse, code: str) -> list[bool]:
    """Whether an airport was deleted, over time."""
    rows = warehouse.rows(
        "select is_deleted from dwh_detailed.sat_airport_status"
        " inner join dwh_detailed.hub_airports using (airport_hash_key)"
        " where airport_code = %s order by sat_airport_status.load_date",
        code,
    )
    return [value for (value,) in rows]


def test_current_rows_equal_the_source(loaded):
    """The vault would not show what the source has."""
    assert loaded.differences() == []


def test_kept_rows_are_what_the_history_gives(loaded):
    """Dashboards would show rows that the vault does not have, or not those that it has."""
    assert loaded.not_kept() == []


def test_last_change_of_a_transaction_is_the_committed_one(loaded):
    """A state that was never committed would be history."""
    assert versions(loaded, "AAA") == ["Somewhere", "last"]


def test_order_is_offsets_and_not_the_clock(loaded):
    """After the source's clock steps back, the older row would stand as the newest."""
    assert versions(loaded, "BBB") == ["Somewhere", "earlier", "later"]


def test_commits_of_one_microsecond_keep_their_order(loaded):
    """Two transactions of one commit time would collide on (key, load date), and one be lost."""
    assert versions(loaded, "CCC") == ["Somewhere", "one", "two"]


def test_load_date_is_the_commit_time(loaded):
    """ "As of" questions would be answered by the clock of the load."""
    rows = loaded.rows(
        "select max(load_date) = '2026-03-01 00:00:01+00' from dwh_detailed.sat_airport_details"
        " inner join dwh_detailed.hub_airports using (airport_hash_key, record_source)"
        " where airport_code = 'AAA' and city = 'last'".replace(
            "max(load_date)", "max(sat_airport_details.load_date)"
        )
    )
    assert rows == [(True,)]


@pytest.mark.parametrize(
    ("code", "history"),
    [
        ("AAA", [False]),
        ("DDD", [False, True]),
        ("EEE", [False, True, False]),
        ("FFF", [False]),
        ("GGG", [False, True]),
        ("HHH", [False]),
        ("III", [True]),
    ],
)
def test_deletion_is_history(loaded, code, history):
    """A deleted row would stay alive, a re-inserted one dead, or a changed key be two live rows."""
    assert deletions(loaded, code) == history


def test_attributes_survive_the_deletion(loaded):
    """The deletion, which carries the key alone, would overwrite what the row last was."""
    assert versions(loaded, "DDD") == ["Somewhere"]


def test_case_and_space_are_changes(loaded):
    """A corrected name would never arrive, and the audit would find it."""
    assert versions(loaded, "JJJ", "airport_name") == ["JJJ Airport", "jjj airport"]
    assert versions(loaded, "KKK") == ["Somewhere", " Somewhere", ""]


def test_second_snapshot_makes_no_history(loaded):
    """Registering the connector again would double every row."""
    assert versions(loaded, "BBB")[-2:] == ["earlier", "later"]
    ((count,),) = loaded.rows(
        "select count(*) from dwh_detailed.sat_flight_details"
        " inner join dwh_detailed.hub_flights using (flight_hash_key) where flight_id = 2"
    )
    assert count == 2


def test_repeated_events_make_no_history(loaded):
    """After a restart of the connector, old states would come again as the newest ones."""
    # Whatever they would have done: the histories that the other tests name, and no more.
    assert deletions(loaded, "EEE") == [False, True, False]
    assert versions(loaded, "CCC") == ["Somewhere", "one", "two"]
    found = loaded.rows(
        "select topic, count(*) from dwh_control.repeated_event group by topic order by topic"
    )
    assert dict(found)["airline.public.seats"] == 3
    assert dict(found)["airline.public.airports"] > 1
    assert loaded.differences() == []


@pytest.mark.parametrize(
    ("number", "history"),
    [
        ("0000000000003", [("Ivan Petrov", "from before"), ("B", "from before")]),
        (
            "0000000000004",
            [("Ivan Petrov", "from before"), ("Ivan Petrov", "new"), ("C", "new"), ("C", None)],
        ),
        ("0000000000011", [("Ivan Petrov", "from before"), ("L", "new")]),
        ("0000000000012", [("Ivan Petrov", "from before"), ("K", "from before")]),
        ("0000000000013", [("Ivan Petrov", "from before"), ("Ivan Petrov", "new")]),
        ("0000000000014", [("L", "new")]),
        (
            "0000000000015",
            [
                ("Ivan Petrov", "from before"),
                ("Ivan Petrov", "own"),
                ("Ivan Petrov", "new"),
            ],
        ),
    ],
)
def test_unchanged_long_value_stands(loaded, number, history):
    """A long value would be lost with the next change beside it, or when its row's key changes."""
    rows = loaded.rows(
        "select passenger_name, contact_data ->> 'long' from dwh_detailed.sat_passenger_details"
        " inner join dwh_detailed.hub_tickets using (ticket_hash_key)"
        " where ticket_no = %s order by sat_passenger_details.load_date",
        number,
    )
    assert rows == history


def test_not_a_number_and_infinity(loaded):
    """A single odd value would stop every load from then on."""
    rows = loaded.rows(
        "select book_ref, book_date::text, total_amount::text from dwh_business.current_bookings"
        " where book_ref in ('NANINF', 'MINUSI', 'FUTURE', 'PASTBC') order by book_ref"
    )
    assert rows == [
        ("FUTURE", "20000-01-01 00:00:00+00", "100.00"),
        ("MINUSI", "-infinity", "100.00"),
        ("NANINF", "infinity", "NaN"),
        ("PASTBC", "0044-03-15 12:00:00.5+00 BC", "100.00"),
    ]


def test_early_child_has_its_hubs(loaded):
    """A segment whose flight lands later would dangle."""
    rows = loaded.rows(
        "select flight_id, hub_flights.record_source from dwh_detailed.hub_flights"
        " where flight_id = 99"
    )
    assert rows == [(99, "airline.public.ticket_flights")]


def test_leg_in_force_after_swaps(loaded):
    """A flight whose aircraft changed would count twice, or with the aircraft it had before."""
    legs = loaded.rows(
        "select count(*) from dwh_detailed.link_flight_leg"
        " inner join dwh_detailed.hub_flights using (flight_hash_key) where flight_id = 1"
    )
    current = loaded.rows(
        "select flight_id, aircraft_code from dwh_business.current_flights order by flight_id"
    )
    assert legs == [(2,)]
    assert current == [(1, "320"), (2, "321"), (99, "320")]


def test_truncation_deletes_every_live_row(loaded):
    """Rows of a truncated table would stay alive, or rows inserted after it be dead."""
    seats = loaded.rows(
        "select aircraft_code, seat_no, is_deleted, count(*) over ()"
        " from dwh_detailed.sat_seat_status inner join dwh_detailed.hub_seats using (seat_hash_key)"
        " order by 1, 2, sat_seat_status.load_date"
    )
    assert [row[:3] for row in seats] == [
        ("320", "1A", False),
        ("320", "1B", False),
        ("320", "1B", True),
        ("321", "1A", False),
        ("321", "1A", True),
        ("321", "2B", False),
        ("321", "2B", True),
    ]


def test_different_keys_never_share_a_hash(loaded):
    """Two keys whose parts join to one text would be one row."""
    rows = loaded.rows(
        "select count(*), count(distinct seat_hash_key), count(distinct (aircraft_code, seat_no))"
        " from dwh_detailed.hub_seats"
    )
    assert rows == [(4, 4, 4)]


def test_hashes_do_not_depend_on_the_session(loaded):
    """A load from a session with other settings would see every row as changed."""
    before = loaded.vault()
    ((name,),) = loaded.rows("select current_database()")
    loaded.rows(f"alter database {name} set timezone = 'Asia/Kamchatka'")
    loaded.rows(f"alter database {name} set datestyle = 'SQL, DMY'")
    try:
        done = loaded.dbt("run", "--full-refresh", "--selector", "loading")
        assert done.success, messages(done)
    finally:
        loaded.rows(f"alter database {name} reset all")
    assert loaded.vault() == before


def test_one_batch_equals_many(loaded):
    """The vault would depend on when it was loaded, and could not be rebuilt from raw."""
    before = loaded.vault()
    done = loaded.dbt("run", "--full-refresh", "--selector", "loading")
    assert done.success, messages(done)
    assert loaded.vault() == before


def test_a_commit_of_a_clock_that_is_far_ahead_is_set_aside(loaded):
    """All later load dates of the table are of that year, and a question as of now knows nothing
    any more.
    """
    source = loaded.source
    source.commit(("u", "airports", airport("BBB", city="ahead")), at=datetime.now(UTC) + DAYS)
    source.commit(("u", "airports", airport("BBB", city="right")))
    loaded.load()
    assert versions(loaded, "BBB")[-1] == "right"
    assert loaded.rows(
        "select column_name, left(reason, 15) from dwh_control.set_aside_event"
        " where topic like '%airports' and resolution is null"
    ) == [("source.ts_us", "is over a day a")]
    assert loaded.differences() == []


def test_load_dates_grow_also_where_the_clocks_are_far_ahead(loaded):
    """Changes after a commit of the year 9000 get its load date, and no version is made of them."""
    source = loaded.source
    ahead = datetime(9000, 1, 1, tzinfo=UTC)
    source.commit(("u", "airports", airport("AAA", city="ahead")), at=ahead)
    # In three loads: the date of the batch before is where each begins.
    for city in ("first", "second", "third"):
        for number in range(3):
            source.commit(("u", "airports", airport("AAA", city=f"{city} {number}")))
        source.land()
        # The warehouse's clock was as wrong.
        loaded.rows("update staging.airports set landed_at = %s", ahead)
        loaded.load_landed()
    assert versions(loaded, "AAA")[-10:] == [
        "ahead",
        *(f"{city} {number}" for city in ("first", "second", "third") for number in range(3)),
    ]
    assert loaded.differences() == []
    assert "ahead of the clock" in loading.load_batch(loaded.settings).problem
