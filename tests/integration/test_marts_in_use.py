"""People read the marts and build on them: a build neither takes that away nor waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import psycopg2
import pytest

from infra.stack.waiting import wait_until
from tests.support.events import airport, booking, flight, segment, ticket
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(3600)

NOW = "now: '2026-02-01'"
PERSONAL = "presentation_pii.frequent_flyers_personal"
# Each table of the marts, with a column that people might index.
TABLES = {
    PERSONAL: "flights_number",
    "presentation.booking_curve": "flight_no",
    "presentation.airport_passenger_flow": "airport_code",
}
# Without their schemas, as people call what they build on them.
NAMES = {table: table.partition(".")[2] for table in TABLES}


@pytest.fixture(scope="module")
def warehouse(postgres_server, tmp_path_factory) -> Warehouse:
    """Two passengers on three flights, and every mart."""
    made = Warehouse(postgres_server, "marts_in_use", tmp_path_factory.mktemp("dbt"))
    source = made.source
    source.clock = datetime(2025, 12, 20, tzinfo=UTC)
    source.snapshot("airports", airport("AAA"), airport("BBB"))
    source.snapshot("bookings", booking(book_date="2025-12-20T08:00:00.000000Z"))
    source.snapshot("tickets", ticket("0000000000001"))
    source.snapshot("tickets", ticket("0000000000002", passenger_id="P2"))
    for number in (1, 2, 3):
        moment = datetime(2026, 1, number, 6, tzinfo=UTC).isoformat()
        source.snapshot("flights", flight(number, scheduled_departure=moment, status="Arrived"))
        for person in (1, 2):
            source.snapshot("ticket_flights", segment(f"{person:013}", number))
    made.load()
    assert made.dbt("seed").success
    build(made)
    yield made


def build(warehouse: Warehouse, *arguments: str) -> None:
    done = attempt(warehouse, *arguments)
    assert done.success, messages(done)


def attempt(warehouse: Warehouse, *arguments: str, patience: str = "2min"):
    return warehouse.dbt(
        *("run", "--select", "path:models/marts", *arguments),
        *("--vars", f"{{{NOW}, lock_patience: {patience}}}"),
    )


@contextmanager
def reading(warehouse: Warehouse, relation: str) -> Iterator[int]:
    """A session that has read and does not end its transaction; its number."""
    with closing(psycopg2.connect(warehouse.dsn)) as session, session.cursor() as cursor:
        cursor.execute(f"select count(*) from {relation}")
        yield session.info.backend_pid


@pytest.fixture
def someone(warehouse) -> Iterator[None]:
    """Views, a materialized view, a function and grants of people, on each table of the marts."""
    warehouse.rows("create role someone; create schema people")
    for table, column in TABLES.items():
        warehouse.rows(
            f"create view people.{NAMES[table]} as select * from {table};"
            f"create materialized view people.{NAMES[table]}_once as"
            f" select * from people.{NAMES[table]};"
            f"create index by_people_{NAMES[table]} on {table} ({column});"
            f"grant select on {table} to someone with grant option"
        )
    warehouse.rows(
        f"grant update (purchase_sum) on {PERSONAL} to someone;"
        "create view people.then as select * from presentation.frequent_flyers_as_of(now());"
        "create view people.load as select * from dwh_marts.flight_load"
    )
    yield
    warehouse.rows(
        "drop schema people cascade; drop owned by someone; drop role someone;"
        + ";".join(
            f"drop index if exists {table.replace(name, f'by_people_{name}')}"
            for table, name in NAMES.items()
        )
    )


def objects(warehouse: Warehouse) -> list[tuple]:
    return warehouse.rows(
        "select relnamespace::regnamespace::text, relname, relkind::text, relacl::text"
        " from pg_class where relnamespace::regnamespace::text in"
        " ('people', 'presentation', 'presentation_pii')"
        " and relkind <> 'i' or relname like 'by_people%'"
        " union all select attrelid::regclass::text, attname, '', attacl::text"
        " from pg_attribute where attacl is not null and attrelid >= 16384 order by 1, 2, 3, 4"
    )


def contents(warehouse: Warehouse) -> dict[str, list[tuple]]:
    """Table -> its rows, but for the time of the run."""
    return {
        table: warehouse.rows(
            f"select (to_jsonb(t) - 'updated_at')::text from {table} as t order by 1"
        )
        for table in TABLES
    }


def test_what_people_built_on_a_mart_stays(warehouse, someone):
    """A build would drop views, materialized views, indexes and grants of others in silence."""
    before, rows = objects(warehouse), contents(warehouse)
    assert all(rows.values())
    build(warehouse)
    assert objects(warehouse) == before
    build(warehouse, "--full-refresh")
    assert objects(warehouse) == before
    assert contents(warehouse) == rows


def test_rows_that_changed_replace_those_that_are_there(warehouse, someone):
    """Keeping the table would keep rows that are wrong by now."""
    rows = contents(warehouse)
    warehouse.rows(
        "delete from presentation.booking_curve where flight_id = 1;"
        "update presentation.booking_curve set seats_sold = -1 where flight_id = 2;"
        "update presentation.booking_curve set flight_id = 9, seats_sold = 0 where ctid in"
        " (select ctid from presentation.booking_curve where flight_id = 3 limit 1);"
        f"update {PERSONAL} set passenger_id = 'nobody', pseudonym = 'nobody'"
        " where passenger_id = 'P1'"
    )
    kept = "select xmin::text, ctid::text from presentation.booking_curve where flight_id = 3"
    versions = set(warehouse.rows(kept))
    build(warehouse)
    assert contents(warehouse) == rows
    assert versions, "no row is left as it was"
    assert versions < set(warehouse.rows(kept)), "rows that are as they were are written again"


def test_a_column_that_a_table_got_later_is_known_of_the_past(warehouse):
    """A migration adds a column where it can, as the last one, and the model has it elsewhere: the
    table's function of a moment could not be made.
    """
    rows, moment = contents(warehouse), "presentation.booking_curve_as_of(now())"
    past = sorted(warehouse.rows(f"select flight_id, flight_no, seats_sold from {moment}"))
    warehouse.rows(
        "alter table presentation.booking_curve add later text;"
        "update presentation.booking_curve set later = flight_no;"
        "alter table presentation.booking_curve drop flight_no cascade;"
        "alter table presentation.booking_curve rename later to flight_no"
    )
    build(warehouse)
    assert contents(warehouse) == rows
    assert past == sorted(warehouse.rows(f"select flight_id, flight_no, seats_sold from {moment}"))


def test_who_reads_holds_up_neither_a_build_nor_other_readers(warehouse):
    """An open transaction that has read a mart would hold up a build without end, and all readers
    that come after.
    """
    relations = [
        *TABLES,
        *("presentation.frequent_flyers", "dwh_marts.flight_load", "dwh_business.current_flights"),
    ]
    with reading(warehouse, " , ".join(f"{each} as r{i}" for i, each in enumerate(relations))):
        done = warehouse.dbt(
            *("run", "--select", "current_flights", "path:models/marts"),
            *("--vars", f"{{{NOW}, lock_patience: 1s}}"),
        )
        assert done.success, messages(done)


def test_what_must_be_made_anew_is_refused_where_people_built_on_it(warehouse, someone):
    """A changed contract would drop what people built; and grants would be gone."""
    relations = objects(warehouse)
    warehouse.rows(f"alter table {PERSONAL} add column other integer")
    warehouse.rows(
        "drop view people.load; drop view dwh_marts.flight_load cascade;"
        "create view dwh_marts.flight_load as select 1 as other;"
        "alter view dwh_marts.flight_load owner to airline_dbt;"
        "grant select on dwh_marts.flight_load to someone;"
        "create view people.load as select * from dwh_marts.flight_load"
    )
    done = attempt(warehouse)
    assert not done.success
    said = messages(done)
    assert "view people.frequent_flyers_personal" in said and "view people.load" in said
    assert "materialized view people.frequent_flyers_personal_once" in said
    assert "drop them, build, and make them again" in said
    assert [row[:3] for row in objects(warehouse)] == [row[:3] for row in relations]
    # Goes with its column.
    warehouse.rows("grant update (other) on dwh_marts.flight_load to someone")
    warehouse.rows("drop view people.load, people.frequent_flyers_personal, people.then cascade")
    build(warehouse)
    (((given,),), ((columns,),)) = (
        warehouse.rows(
            "select count(*) from information_schema.table_privileges"
            " where grantee = 'someone' and is_grantable = 'YES'"
            " and table_name = 'frequent_flyers_personal'"
        ),
        warehouse.rows(
            "select count(*) from information_schema.column_privileges where grantee = 'someone'"
            " and privilege_type = 'UPDATE' and column_name = 'purchase_sum'"
        ),
    )
    assert (given, columns) == (1, 1)
    assert warehouse.rows(
        "select has_table_privilege('someone', 'dwh_marts.flight_load', 'select')"
    )[0][0]


def test_who_is_in_the_way_is_named(warehouse):
    """A build that must lock would wait without end, and nobody would know for whom."""
    warehouse.rows(f"alter table {PERSONAL} add column other integer")
    with reading(warehouse, PERSONAL) as pid:
        done = attempt(warehouse, "--select", "frequent_flyers_personal", patience="1s")
        assert not done.success
        assert f"is in use for 1s by the sessions {pid} ({warehouse.settings.admin_user})" in (
            messages(done)
        )
        assert warehouse.rows(f"select count(*) from {PERSONAL}") == [(2,)]
    build(warehouse)


@pytest.mark.parametrize(
    ("command", "table"),
    [
        # a view that is there as it is, and its function of a moment
        (("run", "--select", "current_airports"), "pg_catalog.pg_proc"),
        (
            ("run", "--full-refresh", "--select", "airport_passenger_flow"),
            "presentation.airport_passenger_flow",
        ),
        (("run", "--full-refresh", "--select", "booking_curve"), "presentation.booking_curve"),
        (("snapshot",), "snapshots.customer_group_history"),
    ],
)
def test_two_builds_at_once(warehouse, command, table):
    """Airflow's build and a person's: one fails, or each adds the same rows."""
    assert warehouse.dbt("snapshot").success
    before = contents(warehouse)
    if command == ("snapshot",):
        warehouse.rows(f"delete from {table}")
    with closing(psycopg2.connect(warehouse.dsn)) as session, session.cursor() as cursor:
        # Both come to the point where they write, and go on at the same moment.
        cursor.execute(f"lock table {table} in share mode")
        runs = [warehouse.start_dbt(*command, "--vars", f"{{{NOW}}}") for _ in range(2)]
        wait_until(
            lambda: waiting(warehouse) == 2 or None not in [run.poll() for run in runs],
            600,
            lambda: AssertionError(f"{waiting(warehouse)} of two builds wait for {table}"),
        )
    said = [run.communicate(timeout=1200)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert contents(warehouse) == before
    assert warehouse.rows(
        "select passenger_id, count(*) from snapshots.customer_group_history group by 1 order by 1"
    ) == [("P1", 1), ("P2", 1)]


def waiting(warehouse: Warehouse) -> int:
    """The sessions of the warehouse that wait for a lock."""
    return warehouse.rows(
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and wait_event_type = 'Lock'"
    )[0][0]
