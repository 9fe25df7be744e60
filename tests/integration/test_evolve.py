"""The source's tables change: what evolve finds, what it writes, and what loads make of it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

import catalogue
from infra.evolve import plan
from infra.evolve.catalogue import read
from infra.evolve.differences import Difference, differences
from infra.evolve.project import taken_names
from infra.postgres import roles
from infra.settings import PUBLICATION, ROOT, Settings
from infra.warehouse import event_retention
from tests.support import project
from tests.support.events import UNAVAILABLE, Source, aircraft, airport, booking, segment, ticket
from tests.support.warehouse import Warehouse, messages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2700)]

# As `up` publishes the tables.
SCHEMA = (ROOT / "infra" / "source" / "schema.sql").read_text() + (
    f"create publication {PUBLICATION} for table {', '.join(catalogue.names())}"
    " with (publish_via_partition_root = true);"
)


class Evolving:
    """A source database whose tables change for real, a checkout, and a warehouse beside it."""

    def __init__(self, server: Any, name: str, folder: Path) -> None:
        server.create_database(f"{name}_source")
        self.source_dsn = server.dsn(f"{name}_source")
        self.at_source(SCHEMA)
        self.root = project.copy_to(folder / "checkout")
        self.warehouse = Warehouse(server, name, folder, self.root)

    @property
    def source(self) -> Source:
        return self.warehouse.source

    def at_source(self, statement: str) -> None:
        with closing(psycopg2.connect(self.source_dsn)) as connection, connection:
            connection.cursor().execute(statement)

    def find(self) -> list[Difference]:
        return plan.find(self.source_dsn, self.root)[1]

    def evolve(self) -> list[str]:
        """What `./airline evolve --apply` writes; returns the paths."""
        tables, found = plan.find(self.source_dsn, self.root)
        written = plan.edit(self.root, tables, found).write()
        self.warehouse.manifest = None
        return written

    def newest_ranges(self) -> dict[str, tuple[int, int]]:
        """Of the newest batch: table -> the offsets it read."""
        return {
            topic.rpartition(".")[2]: (begin, end)
            for topic, begin, end in self.warehouse.rows(
                "select topic, from_offset, to_offset from dwh_control.load_batch_range where"
                " load_batch_id = (select max(load_batch_id) from dwh_control.load_batch)"
            )
        }

    def retain(self) -> int:
        """Drops all raw events that may be dropped; returns how many."""
        with (
            closing(_connect(self.warehouse.settings, roles.INGEST)) as landing,
            closing(_connect(self.warehouse.settings, roles.DBT)) as batches,
        ):
            return event_retention.drop(landing, batches, keep_days=0, above_gb=0, say=print)


def _connect(settings: Settings, role: str) -> Any:
    connection = psycopg2.connect(settings.dsn("dwh", user=role, password=settings.secret(role)))
    connection.autocommit = True
    return connection


@pytest.fixture(scope="module")
def evolving(postgres_server, tmp_path_factory) -> Evolving:
    return Evolving(postgres_server, "evolve", tmp_path_factory.mktemp("evolve"))


@pytest.fixture
def bare_source(postgres_server, request) -> Any:
    """A source database of one test: (its DSN, a function that runs SQL in it)."""
    name = f"bare_{abs(hash(request.node.name))}"
    postgres_server.create_database(name)
    dsn = postgres_server.dsn(name)

    def run(statement: str) -> None:
        with closing(psycopg2.connect(dsn)) as connection, connection:
            connection.cursor().execute(statement)

    run(SCHEMA)
    return dsn, run


def kinds(found: list[Difference]) -> dict[str, str]:
    return {each.name: each.kind for each in found}


def test_added_columns_are_filled_and_nothing_else_changes(evolving):
    """A new column would need a full refresh, or give every row of the table a new version."""
    warehouse, source = evolving.warehouse, evolving.source
    assert evolving.find() == []
    source.snapshot("bookings", *[booking(f"BOOK0{n}") for n in range(4)])
    source.snapshot("tickets", ticket("0000000000001"), ticket("0000000000002"))
    warehouse.load()
    source.commit(("u", "bookings", booking("BOOK00", total_amount="7.00")))
    source.commit(("c", "airports", airport("AAA")))
    warehouse.load()

    evolving.at_source(
        "alter table bookings add tier text, add discount numeric(6, 3), add seen timestamptz,"
        " add points integer, add born date, add at_noon timestamp, add is_agent boolean;"
        "comment on column bookings.tier is 'Tier of the client: \"gold\" or #2';"
        "alter table tickets add note text"
    )
    new = {
        "tier": "gold",
        "discount": "1.250",
        "seen": "2026-03-01T10:00:00.000000Z",
        "points": 5,
        "born": -719528,
        "at_noon": 1767225600123456,
        "is_agent": True,
    }
    nothing = dict.fromkeys(new)
    source.commit(
        ("u", "bookings", booking("BOOK01", **new)),
        ("c", "bookings", booking("BOOK09", **nothing)),
    )
    then = source.clock
    source.commit(("u", "tickets", ticket("0000000000001", note="a long note")))
    warehouse.load()
    source.commit(("u", "bookings", booking("BOOK01", **new | {"tier": "none"})))
    source.commit(("u", "tickets", ticket("0000000000001", note=UNAVAILABLE, passenger_name="X")))
    warehouse.load()
    before = warehouse.vault()
    batches = evolving.newest_ranges()

    found = evolving.find()
    assert {each.kind for each in found} == {"added"} and len(found) == 8
    written = evolving.evolve()
    assert "models/raw_vault/satellites/details/sat_booking_details_2.yml" in written
    assert evolving.find() == []
    warehouse.load_landed()

    after = warehouse.vault()
    assert after.keys() - before.keys() == {"sat_booking_details_2", "sat_ticket_details_2"}
    assert {table: after[table] for table in before} == before
    # Only the two tables, and these only from the batch in which the columns came.
    ranges = evolving.newest_ranges()
    assert ranges["airports"][0] == batches["airports"][1]
    assert ranges["bookings"] == (5, 8) and ranges["tickets"] == (2, 4)
    rows = warehouse.rows(
        "select book_ref, tier, discount::text, seen::text, points, born::text, at_noon::text,"
        " is_agent, load_date from dwh_business.current_bookings order by 1"
    )
    assert [row[:2] for row in rows] == [
        ("BOOK00", None),
        ("BOOK01", "none"),
        ("BOOK02", None),
        ("BOOK03", None),
        ("BOOK09", None),
    ]
    assert rows[1][2:8] == (
        *("1.250", "2026-03-01 10:00:00+00", 5),
        *("0001-01-01 BC", "2026-01-01 00:00:00.123456", True),
    )
    assert warehouse.rows(
        "select tier from dwh_business.bookings_as_of(%s) where book_ref = 'BOOK01'", then
    ) == [("gold",)]
    assert warehouse.rows(
        "select note, passenger_name from dwh_business.current_tickets order by ticket_no"
    ) == [("a long note", "X"), (None, "Ivan Petrov")]

    # Loads go on, and a repeated one adds nothing.
    source.commit(("u", "tickets", ticket("0000000000001", note=UNAVAILABLE, passenger_name="Y")))
    source.commit(("u", "bookings", booking("BOOK02", **nothing | {"tier": "new"})))
    warehouse.load()
    assert evolving.newest_ranges()["bookings"][0] == 8
    assert warehouse.rows(
        "select note, passenger_name from dwh_business.current_tickets order by ticket_no"
    ) == [("a long note", "Y"), (None, "Ivan Petrov")]
    assert warehouse.rows("select tier from dwh_business.current_bookings order by book_ref") == [
        (None,), ("none",), ("new",), (None,), (None,)
    ]  # fmt: skip

    # A second evolve writes another satellite beside it; what the first made stays.
    evolving.at_source("alter table bookings add channel text")
    source.commit(("u", "bookings", booking("BOOK03", **nothing | {"channel": "web"})))
    warehouse.load()
    stepwise = warehouse.vault()
    assert kinds(evolving.find()) == {"bookings.channel": "added"}
    evolving.evolve()
    warehouse.load_landed()
    vault = warehouse.vault()
    assert {table: vault[table] for table in stepwise} == stepwise
    assert warehouse.rows(
        "select book_ref, channel from dwh_business.current_bookings where channel is not null"
    ) == [("BOOK03", "web")]

    # All of it again from the first event gives the same vault.
    done = warehouse.dbt("run", "--full-refresh", "--selector", "loading")
    assert done.success, messages(done)
    assert warehouse.vault() == vault


def waiting(warehouse: Warehouse) -> list[tuple]:
    """(table, column, reason) of what waits for a decision."""
    return warehouse.rows(
        "select split_part(topic, '.', -1), column_name, reason from dwh_control.set_aside_event"
        " where resolution is null order by topic, kafka_partition, kafka_offset"
    )


def replay(warehouse: Warehouse) -> None:
    """What `./airline dead-letters replay` asks the next load to do."""
    warehouse.rows(
        "update dwh_control.set_aside_event set resolution = 'replayed', resolved_at = now()"
        " where resolution is null"
    )
    warehouse.load()


def test_value_of_a_new_column_that_cannot_be_read_is_set_aside(evolving):
    """One value from a time when the column had another type would stop every load."""
    warehouse, source = evolving.warehouse, evolving.source
    source.snapshot("aircrafts", aircraft("320"), aircraft("777"))
    warehouse.load()
    # text first: the events keep what it was then
    evolving.at_source("alter table aircrafts add engines integer")
    source.commit(("u", "aircrafts", aircraft("320", engines="two")))
    source.commit(("u", "aircrafts", aircraft("777", engines=2)))
    warehouse.load()
    evolving.evolve()
    warehouse.load()
    [(table, column, reason)] = waiting(warehouse)
    assert (table, column) == ("aircrafts", "engines") and "bigint" in reason
    assert warehouse.rows(
        "select aircraft_code, engines from dwh_business.current_aircrafts order by 1"
    ) == [("320", None), ("777", 2)]
    # The row is written again: what was set aside is the past, and a replay says so.
    source.commit(("u", "aircrafts", aircraft("320", engines=4)))
    warehouse.load()
    replay(warehouse)
    assert warehouse.rows(
        "select aircraft_code, engines from dwh_business.current_aircrafts order by 1"
    ) == [("320", 4), ("777", 2)]
    warehouse.rows("update dwh_control.set_aside_event set resolution = 'discarded'")
    assert warehouse.differences({"aircrafts": source.rows["aircrafts"]}) == []


def test_dropped_column_goes_through_without_reset(evolving):
    """A dropped column would stop its table for ever, or read as null in silence."""
    warehouse, source = evolving.warehouse, evolving.source
    source.snapshot("aircrafts", aircraft("320"), aircraft("737"))
    warehouse.load()
    evolving.at_source("alter table aircrafts drop range")
    without = aircraft("320", model='{"en": "A"}')
    del without["range"]
    source.commit(("u", "aircrafts", without))
    warehouse.load()
    [(table, column, _)] = waiting(warehouse)
    assert (table, column) == ("aircrafts", "range")
    assert kinds(evolving.find())["aircrafts.range"] == "dropped"

    assert evolving.evolve() == ["dbt_project.yml"]
    replay(warehouse)
    assert waiting(warehouse) == []
    assert not [each for each in evolving.find() if each.writes]
    assert warehouse.rows(
        "select aircraft_code, model ->> 'en', range from dwh_business.current_aircrafts"
        " where aircraft_code in ('320', '737') order by 1"
    ) == [("320", "A", None), ("737", "Plane", 5000)]

    # And put back: the plan says that a resync brings the rows that were not written since.
    evolving.at_source("alter table aircrafts add range integer")
    assert kinds(evolving.find())["aircrafts.range"] == "back again"
    evolving.evolve()
    assert "aircrafts.range" not in kinds(evolving.find())
    source.commit(("u", "aircrafts", aircraft("320", range=6000)))
    source.snapshot("aircrafts", aircraft("737", range=None))
    warehouse.load()
    assert warehouse.rows(
        "select range from dwh_business.current_aircrafts"
        " where aircraft_code in ('320', '737') order by aircraft_code"
    ) == [(6000,), (None,)]


def test_what_is_computed_or_padded_at_the_source_is_told(evolving):
    """The plan says nothing of a column that no event has any more; or that values are set aside
    which are loaded with blanks.
    """
    evolving.at_source(
        "alter table aircrafts drop range;"
        " alter table aircrafts add range integer generated always as (7) stored;"
        " alter table flights alter status type char(20)"
    )
    found = kinds(evolving.find())
    assert found["aircrafts.range"] == "generated"
    assert found["flights.status"] == "padded"


def test_grown_key_takes_no_row_for_another(evolving):
    """Rows that differ in the new part of the key alone would be one row of the vault."""
    warehouse, source = evolving.warehouse, evolving.source
    seat = {"aircraft_code": "320", "seat_no": "1A", "fare_conditions": "Business"}
    source.snapshot("seats", seat)
    warehouse.load()
    evolving.at_source(
        "alter table seats drop constraint seats_pkey,"
        " add primary key (aircraft_code, seat_no, fare_conditions)"
    )
    source.commit(("c", "seats", seat | {"fare_conditions": "Comfort"}))
    for place, (table, key, value) in enumerate(source.pending):
        if table == "seats":
            grown = key | {"fare_conditions": value["after"]["fare_conditions"]}
            source.pending[place] = (table, grown, value)
    warehouse.load()
    [(table, column, reason)] = waiting(warehouse)
    assert (table, column) == ("seats", "key") and "(aircraft_code, seat_no)" in reason
    stored = "select fare_conditions from dwh_business.current_seats"
    assert warehouse.rows(stored) == [("Business",)]
    assert kinds(evolving.find())["seats"] == "key changed"

    evolving.at_source(
        "alter table seats drop constraint seats_pkey, add primary key (aircraft_code, seat_no)"
    )
    assert "seats" not in kinds(evolving.find())
    source.commit(("u", "seats", seat | {"fare_conditions": "Economy"}))
    warehouse.load()
    assert warehouse.rows(stored) == [("Economy",)]
    warehouse.rows("update dwh_control.set_aside_event set resolution = 'discarded'")


def test_added_column_after_retention(evolving):
    """Where raw is not whole any more a new column would ask for a reset."""
    warehouse, source = evolving.warehouse, evolving.source
    source.snapshot("ticket_flights", *[segment(f"000000000000{n}") for n in range(3)])
    warehouse.load()
    evolving.at_source("alter table ticket_flights add meal text")
    source.commit(("u", "ticket_flights", segment("0000000000001", meal="gone with raw")))
    warehouse.load()
    source.commit(("u", "ticket_flights", segment("0000000000002", meal="kept")))
    warehouse.load()
    assert evolving.retain() > 0
    before = warehouse.vault()
    evolving.evolve()
    warehouse.load_landed()
    after = warehouse.vault()
    assert {table: after[table] for table in before} == before
    meals = (
        "select ticket_no, meal from dwh_business.current_ticket_flights"
        " where meal is not null order by 1"
    )
    assert warehouse.rows(meals) == [("0000000000002", "kept")]
    # What raw has not, a resync reads from the source: a snapshot of the table.
    source.snapshot("ticket_flights", segment("0000000000001", meal="gone with raw"))
    warehouse.load()
    assert warehouse.rows(meals)[0] == ("0000000000001", "gone with raw")
    assert warehouse.not_kept() == []


# DDL at the source -> (what is named, its kind, whether evolve writes it); docs/source_changes.md
# says of each what becomes of loads.
CHANGES = {
    "alter table bookings add note text": ("bookings.note", "added", True),
    "alter table bookings add note text default 'x' not null": ("bookings.note", "added", True),
    'alter table bookings add "Note" text': ("bookings.Note", "added", False),
    'alter table bookings add "order" text': ("bookings.order", "added", False),
    "alter table bookings add load_date date": ("bookings.load_date", "added", False),
    "alter table bookings add box box": ("bookings.box", "added", False),
    "alter table bookings add twice numeric generated always as (total_amount * 2) stored": (
        *("bookings.twice", "added", False),
    ),
    "alter table tickets drop passenger_name": ("tickets.passenger_name", "dropped", True),
    "alter table seats drop seat_no": ("seats.seat_no", "dropped", False),
    "alter table bookings alter total_amount type numeric(14, 2)": (
        *("bookings.total_amount", "wider", True),
    ),
    "alter table bookings alter total_amount type numeric(12, 4)": (
        *("bookings.total_amount", "wider", True),
    ),
    "alter table boarding_passes alter boarding_no type bigint": (
        *("boarding_passes.boarding_no", "wider", True),
    ),
    "alter table bookings alter book_date type timestamp": (
        *("bookings.book_date", "type changed", False),
    ),
    "alter table boarding_passes drop constraint boarding_passes_pkey,"
    " add primary key (ticket_no, flight_id, seat_no)": ("boarding_passes", "key changed", False),
    "alter table seats rename to chairs": ("seats", "table gone", False),
    "alter table seats rename to chairs; create table seats (like chairs including all)": (
        *("seats", "not published", False),
    ),
    "alter table seats rename to chairs;"
    " create table seats (like chairs including all) partition by hash (aircraft_code);"
    " create table seats_0 partition of seats for values with (modulus 1, remainder 0)": (
        *("seats", "partitioned", False),
    ),
    "alter publication airline_publication drop table seats": ("seats", "not published", False),
    "alter table seats replica identity nothing": ("seats", "replica identity", False),
}
# What needs nothing: no difference.
NO_CHANGES = [
    "alter table tickets alter passenger_name type varchar(500)",
    "alter table bookings alter total_amount type numeric(10, 2)",
    "alter table tickets alter passenger_name drop not null",
    "alter table tickets alter contact_data set default '{}'",
    "alter table bookings add constraint few check (total_amount < 1e9)",
    "create table notes (id integer)",
    "create index on bookings (book_date)",
]


def test_every_kind_of_change_is_named(bare_source):
    """A difference that the plan does not name is one that somebody meets in a load."""
    dsn, run = bare_source
    for statement, (name, kind, writes) in CHANGES.items():
        with closing(psycopg2.connect(dsn)) as connection:
            # The catalogue as it is in this transaction, which is taken back.
            connection.cursor().execute(statement)
            source = read(connection)
            models = catalogue.tables(ROOT)
            taken = {table: taken_names(ROOT, table) for table in models}
            found = differences(source, models, taken)
            connection.rollback()
        assert (name, kind, writes) in [(each.name, each.kind, each.writes) for each in found], (
            f"{statement}: {found}"
        )
        text = plan.text(found)
        assert "loads" in text and "to do" in text and name in text
    for statement in NO_CHANGES:
        run(statement)
    assert plan.find(dsn, ROOT)[1] == []


def test_every_type_has_a_cast_or_a_reason(bare_source, tmp_path):
    """A type that nobody thought of would break the model, and with it every load."""
    dsn, run = bare_source
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "select typname from pg_type where typnamespace = 'pg_catalog'::regnamespace"
            " and typtype in ('b', 'r', 'm') and typname !~ '^(pg_|_)' order by 1"
        )
        names = [name for (name,) in cursor]
    run("create type mood as enum ('sad', 'ok'); create domain email as text check (value <> '')")
    names += ["mood", "email", "text[]", "char(3)", "varchar(9)", "numeric(5,1)", "timestamp(2)"]
    columns = ", ".join(f"add column c{place} {name}" for place, name in enumerate(names))
    run(f"alter table bookings {columns}")
    tables, found = plan.find(dsn, ROOT)
    assert len(found) == len(names)
    written = {names[int(each.column[1:])] for each in found if each.writes}
    assert {"int4", "text", "bool", "uuid", "date", "timestamptz", "mood", "email"} <= written
    assert not {"bytea", "interval", "money", "text[]", "point"} & written
    edit = plan.edit(project.copy_to(tmp_path / "checkout"), tables, found)
    pages = {"models/descriptions/bookings.md", "models/descriptions/loading.md"}
    files = set(edit.write())
    assert pages <= files and len(files - pages) == 9


def test_wider_column_goes_through_after_retention(evolving):
    """A value that the source may have since would stay outside the vault until a reset."""
    warehouse, source = evolving.warehouse, evolving.source
    source.snapshot("bookings", booking("WIDE01", total_amount="1.50"))
    boarded = {"ticket_no": "0000000000001", "flight_id": 1, "boarding_no": 1, "seat_no": "1A"}
    source.snapshot("boarding_passes", boarded)
    warehouse.load()
    evolving.retain()
    # What stands on the column: a view of dbt's role with a grant, and somebody else's.
    warehouse.rows(
        "create view dwh_business.of_dbt as"
        " select sum(total_amount) from dwh_business.current_bookings;"
        "alter view dwh_business.of_dbt owner to airline_dbt;"
        "grant select on dwh_business.of_dbt to airline_ingest;"
        "create view public.of_others as select total_amount from dwh_business.current_bookings"
    )
    evolving.at_source(
        "alter table bookings alter total_amount type numeric(16, 3);"
        "alter table boarding_passes alter boarding_no type bigint"
    )
    source.commit(("u", "bookings", booking("WIDE01", total_amount="1234567890123.125")))
    source.commit(("u", "boarding_passes", boarded | {"boarding_no": 2**40}))
    warehouse.load()
    assert [row[:2] for row in waiting(warehouse)] == [
        ("boarding_passes", "boarding_no"),
        ("bookings", "total_amount"),
    ]
    before = warehouse.vault()
    assert kinds(evolving.find())["bookings.total_amount"] == "wider"
    assert len(evolving.evolve()) == 3
    assert "wider" not in kinds(evolving.find()).values()

    refused = warehouse.dbt("run", "--selector", "loading")
    assert not refused.success and "public.of_others" in messages(refused)
    warehouse.rows("drop view public.of_others")
    warehouse.load_landed()
    assert warehouse.vault() == before
    replay(warehouse)
    assert waiting(warehouse) == []
    assert warehouse.rows(
        "select total_amount::text from dwh_business.current_bookings where book_ref = 'WIDE01'"
        " union all select boarding_no::text from dwh_business.current_boarding_passes"
    ) == [("1234567890123.125",), (str(2**40),)]
    # The same by the functions of the past, and for who may read the view.
    assert warehouse.rows(
        "select total_amount::text from dwh_business.bookings_as_of('infinity')"
        " where book_ref = 'WIDE01'"
    ) == [("1234567890123.125",)]
    assert warehouse.rows(
        "select has_table_privilege('airline_ingest', 'dwh_business.of_dbt', 'select')"
    ) == [(True,)]
