"""What change data capture needs of the source, on a real server: said, mended, and remembered."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

import catalogue
from infra.health.source_tables import source_tables
from infra.postgres import roles
from infra.settings import PUBLICATION, SLOT, Settings
from infra.source import capture, resync_due
from infra.source.resync_due import ALL
from tests.integration.conftest import scratch_folder

NAME = "captured_source"


class Source:
    """A booking system of which changes are captured, as a stack's settings have it."""

    def __init__(self, server, folder: Path) -> None:
        self.server = server
        self.dsn = server.create_database(NAME)
        usual = Settings.from_environment({"AIRLINE_HOME": str(folder)})
        self.settings = replace(
            usual,
            primary_port=server.port,
            source_db=NAME,
            admin_user=server.admin_user,
            admin_password=server.admin_password,
        )

    def run(self, *statements: str) -> list[tuple]:
        """Each in a transaction of its own; the rows of the last one."""
        with closing(psycopg2.connect(self.dsn)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def faults(self) -> list[str]:
        return [str(each) for each in capture.faults(resync_due.look(self.settings))]

    def due(self) -> dict[str, str]:
        return {each.table: each.why for each in resync_due.noted(self.settings)}


@pytest.fixture
def folder():
    with scratch_folder("airline-capture-") as folder:
        yield folder


@pytest.fixture
def booking_system(postgres_server, folder):
    """Set up, and read by Debezium: its slot is there."""
    system = Source(postgres_server, folder)
    system.run(
        f"do $$ begin if not exists (select from pg_roles where rolname = '{roles.CDC}')"
        f" then create role {roles.CDC}; end if; end $$"
    )
    assert resync_due.set_up(system.settings) == []
    system.run(f"select pg_create_logical_replication_slot('{SLOT}', 'pgoutput')")
    yield system
    system.run(f"select pg_drop_replication_slot('{SLOT}')")


def test_a_new_source_is_well_and_nothing_is_due(postgres_server, folder):
    """Each new stack asks for a resync."""
    system = Source(postgres_server, folder)
    assert len(system.faults()) == 1 + len(catalogue.names()), "nothing is there yet"
    assert system.due() == {}
    assert resync_due.set_up(system.settings) == []
    assert system.faults() == []
    assert resync_due.set_up(system.settings) == [], "a second time there is nothing to do"
    assert system.due() == {}


def test_the_declared_list_is_the_source_s_own(booking_system):
    """A table or a column is compared and checked by nobody."""
    now = resync_due.look(booking_system.settings)
    for name, table in catalogue.tables().items():
        assert now.relations[name].columns == tuple(table.columns), name
        assert now.relations[name].key == table.key, name


# What was done; what is said; of what a resync is due (None: of nothing); whether `up` mends it.
BROKEN: dict[str, tuple[str, str, str | None, bool]] = {
    "publication dropped": (f"drop publication {PUBLICATION}", "is missing", ALL, True),
    "a table not published": (
        f"alter publication {PUBLICATION} drop table boarding_passes",
        "boarding_passes is not published",
        "boarding_passes",
        True,
    ),
    "another table published": (
        f"create table other (id int); alter publication {PUBLICATION} set table other, airports",
        "tickets is not published",
        "tickets",
        True,
    ),
    "no deletes": (
        f"alter publication {PUBLICATION} set (publish = 'insert,update,truncate')",
        "leaves out every delete",
        ALL,
        True,
    ),
    "only deletes": (
        f"alter publication {PUBLICATION} set (publish = 'delete')",
        "leaves out every insert and update and truncate",
        ALL,
        True,
    ),
    "a row filter": (
        f"alter publication {PUBLICATION} drop table seats;"
        f" alter publication {PUBLICATION} add table seats where (seat_no <> '1A')",
        "seats is published with a row filter",
        "seats",
        True,
    ),
    "a column list": (
        f"alter publication {PUBLICATION} drop table seats;"
        f" alter publication {PUBLICATION} add table seats (aircraft_code, seat_no)",
        "seats is published without its columns fare_conditions",
        "seats",
        True,
    ),
    "a computed column": (
        "alter table aircrafts drop column range;"
        " alter table aircrafts add range integer generated always as (7) stored",
        "'alter table aircrafts alter range drop expression'",
        "aircrafts",
        False,
    ),
    "a table that inherits": (
        "create table more_seats () inherits (seats)",
        "'alter table more_seats no inherit seats'",
        "seats",
        False,
    ),
    "identity nothing": (
        "alter table flights replica identity nothing",
        "'alter table flights replica identity default'",
        None,
        True,
    ),
    "identity full": (
        "alter table flights replica identity full",
        "flights has replica identity full",
        None,
        True,
    ),
    "identity another index": (
        "alter table flights replica identity"
        " using index flights_flight_no_scheduled_departure_key",
        "flights has the replica identity (flight_no, scheduled_departure)",
        "flights",
        True,
    ),
    "swapped by another owner's": (
        "create role somebody; alter table seats rename to chairs;"
        " create table seats (like chairs including all); alter table seats owner to somebody",
        "seats is not published",
        "seats",
        True,
    ),
    "swapped for a partitioned one": (
        "alter table seats rename to chairs;"
        " create table seats (like chairs including all) partition by list (aircraft_code);"
        " create table seats_rest partition of seats default",
        "seats is not published",
        "seats",
        True,
    ),
    "partitioned, and published by partition": (
        f"alter publication {PUBLICATION} set (publish_via_partition_root = false);"
        " alter table seats rename to chairs;"
        " create table seats (like chairs including all) partition by list (aircraft_code);"
        " create table seats_rest partition of seats default;"
        f" alter publication {PUBLICATION} add table seats",
        "seats is partitioned, and its changes come under the names of its partitions",
        "seats",
        True,
    ),
    "renamed away": ("alter table seats rename to chairs", "seats is missing", "seats", True),
    "a view": (
        "alter table seats rename to chairs; create view seats as table chairs",
        "seats is a view",
        "seats",
        False,
    ),
    "no key": (
        "alter table boarding_passes drop constraint boarding_passes_pkey",
        "alter table boarding_passes add primary key (ticket_no, flight_id)",
        "boarding_passes",
        False,
    ),
    "another key": (
        "alter table boarding_passes drop constraint boarding_passes_pkey;"
        " alter table boarding_passes add primary key (ticket_no, flight_id, seat_no)",
        "has the primary key (ticket_no, flight_id, seat_no)",
        None,
        False,
    ),
    "unlogged": (
        f"alter publication {PUBLICATION} drop table boarding_passes;"
        " alter table boarding_passes set unlogged",
        "alter table boarding_passes set logged",
        "boarding_passes",
        False,
    ),
    "rows hidden": (
        "alter table seats enable row level security",
        f"alter role {roles.CDC} bypassrls",
        None,
        False,
    ),
    "not readable": (
        f"revoke select on seats from {roles.CDC}",
        f"seats cannot be read by {roles.CDC}",
        None,
        True,
    ),
    "a column dropped": (
        "alter table tickets drop column contact_data",
        "tickets has no column contact_data",
        None,
        False,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_the_stream_is_said_mended_and_remembered(booking_system, name):
    """A stream that loses changes is called well, `up` ends in a traceback, or
    what was missed is forgotten as soon as the cause is gone.
    """
    statement, words, due, is_mended = BROKEN[name]
    booking_system.run(statement)
    found = booking_system.faults()
    assert any(words in each for each in found), found
    assert (due in booking_system.due()) if due else (booking_system.due() == {})

    said = resync_due.set_up(booking_system.settings)
    assert ("made anew without rows" in " ".join(said)) == ("is missing" in words and due != ALL)
    found = booking_system.faults()
    if is_mended:
        assert found == []
    else:
        assert any(words in each for each in found), found
    # Mended is not made up for.
    assert (due in booking_system.due()) if due else (booking_system.due() == {})
    if due:
        resync_due.forget(booking_system.settings, [ALL, *catalogue.names()])
        booking_system.faults()
        assert (booking_system.due() == {}) == is_mended
    if "role somebody" in statement:
        booking_system.run("drop owned by somebody cascade", "drop role somebody")


@pytest.mark.parametrize("name", [name for name, row in BROKEN.items() if row[2] and row[3]])
def test_up_remembers_what_nobody_has_looked_at(booking_system, name):
    """`up` mends what broke while the stack was down, and nobody learns of what
    was missed.
    """
    statement, _, due, _ = BROKEN[name]
    booking_system.run(statement)
    resync_due.set_up(booking_system.settings)
    assert due in booking_system.due()
    if "role somebody" in statement:
        booking_system.run("drop owned by somebody cascade", "drop role somebody")


# What is well again before anybody looks.
BETWEEN: dict[str, tuple[list[str], str]] = {
    "out of the publication and back": (
        [
            f"alter publication {PUBLICATION} drop table seats",
            f"alter publication {PUBLICATION} add table seats",
        ],
        "seats",
    ),
    "made again": (
        [
            f"drop publication {PUBLICATION}",
            f"create publication {PUBLICATION} for table {', '.join(catalogue.names())}",
        ],
        ALL,
    ),
    "without deletes for a moment": (
        [
            f"alter publication {PUBLICATION} set (publish = 'insert')",
            f"alter publication {PUBLICATION} set (publish = 'insert,update,delete,truncate')",
        ],
        ALL,
    ),
    "another identity for a moment": (
        [
            "alter table flights replica identity"
            " using index flights_flight_no_scheduled_departure_key",
            "alter table flights replica identity default",
        ],
        "flights",
    ),
    "another table, published": (
        [
            "alter table seats rename to chairs",
            "create table seats (like chairs including all)",
            f"alter publication {PUBLICATION} add table seats",
            f"alter publication {PUBLICATION} drop table chairs",
        ],
        "seats",
    ),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_what_was_broken_between_two_looks_is_noticed(booking_system, name):
    """Whoever breaks the stream and mends it within a second loses changes in
    silence.
    """
    statements, due = BETWEEN[name]
    assert booking_system.due() == {}
    booking_system.run(*statements)
    assert due in {**booking_system.due(), **_looked(booking_system)}
    resync_due.forget(booking_system.settings, [ALL, *catalogue.names()])
    assert _looked(booking_system) == {}, "once is enough"


def _looked(system: Source) -> dict[str, str]:
    system.faults()
    return system.due()


def test_a_type_that_comes_otherwise_is_named(booking_system):
    """Text that became char(n) is loaded with blanks, and status says nothing of it."""
    assert "of another type" not in source_tables(booking_system.settings).text
    booking_system.run("alter table ticket_flights alter fare_conditions type char(10)")
    said = source_tables(booking_system.settings)
    assert "of another type: ticket_flights.fare_conditions (character(10))" in said.text
    assert said.problem == "", "full-length values of char(n) are right"


def test_what_loses_nothing_asks_for_no_resync(booking_system):
    """Everyday work at the source is called a broken stream."""
    for statement in (
        "alter table seats add column note text",
        "create unique index on flights (aircraft_code, flight_id)",
        "grant select on seats to public",
        "vacuum full seats",
        "reindex table flights",
        "analyze",
        "create table lounges (id int primary key)",
        "alter table ticket_flights alter amount type numeric(14, 4)",
    ):
        booking_system.run(statement)
        assert _looked(booking_system) == {}, statement
    now = resync_due.look(booking_system.settings)
    assert capture.faults(now) == []
    assert capture.unknown_columns(now) == {"seats": ["note"]}
    assert now.others == ("lounges",)


def test_a_partition_that_is_taken_away_is_noticed(booking_system):
    """Its rows are gone at the source, without an event, and nobody asks."""
    booking_system.run(BROKEN["swapped for a partitioned one"][0])
    resync_due.set_up(booking_system.settings)
    assert booking_system.faults() == []
    resync_due.forget(booking_system.settings, [ALL, *catalogue.names()])
    booking_system.run("create table seats_a partition of seats for values in ('AAA')")
    assert _looked(booking_system) == {}
    booking_system.run("alter table seats_a replica identity nothing")
    assert "partitions without its primary key" in " ".join(booking_system.faults())
    booking_system.run("alter table seats_a replica identity default")
    resync_due.forget(booking_system.settings, [ALL, *catalogue.names()])
    booking_system.run("alter table seats detach partition seats_rest")
    assert _looked(booking_system) == {"seats": "a partition was taken from seats"}


def test_a_changed_table_does_not_stop_up(booking_system):
    """A comment on a column that somebody dropped ends `up` in a traceback."""
    booking_system.run("drop view airport_traffic", "alter table tickets drop column contact_data")
    said = resync_due.set_up(booking_system.settings)
    assert any("comment on column tickets.contact_data" in line for line in said), said
    assert booking_system.run("select count(*) from airport_traffic") == [(0,)]


def test_what_is_due_says_why_and_what_to_do(booking_system):
    """Somebody is told that something is wrong, and not what to type."""
    assert resync_due.request(resync_due.noted(booking_system.settings)) == ""
    resync_due.note(booking_system.settings, "seats", "seats was away")
    resync_due.note(booking_system.settings, "seats", "another reason")
    said = resync_due.request(resync_due.noted(booking_system.settings))
    assert "seats was away): './airline resync seats' brings" in said
    resync_due.note(booking_system.settings, ALL, "all was away")
    said = resync_due.request(resync_due.noted(booking_system.settings))
    assert "all was away): './airline resync' brings" in said and "seats" not in said


def test_two_looks_at_once_do_not_accuse_each_other(booking_system):
    """An older look, finished later, takes what `up` mended for a break."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def look() -> None:
        while not stop.is_set():
            try:
                resync_due.look(booking_system.settings)
            except BaseException as error:
                failures.append(error)
                return
            # The lock is nobody's turn.
            time.sleep(0.05)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            booking_system.run("alter table flights replica identity full")
            resync_due.set_up(booking_system.settings)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert booking_system.due() == {}
