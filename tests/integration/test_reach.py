"""Who reaches what in the warehouse: each role that others may hold, by each way that was found.

`REACH` is the table of docs/security.md: a new role is a name in `WHO`, a new way a line there.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest

import catalogue
from infra import warehouse as warehouse_of
from infra.audit.audit import snapshot
from infra.cli import handed_on, report
from infra.health import checks
from infra.postgres import roles
from infra.warehouse import figures_dsn, incomplete_transactions, set_aside
from infra.warehouse.pending import pending
from infra.warehouse.service import Warehouse as Dwh
from tests.support.events import airport, booking, flight, segment, ticket
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(3600)

NOW = datetime(2026, 2, 1, tzinfo=UTC)
NAME, DOCUMENT = "ANNA PASSENGER", "1234 567890"

WHO = (
    roles.BI,
    roles.MANAGER,
    roles.ANALYST,
    roles.OPS,
    roles.MONITOR,
    roles.INGEST,
)
PEOPLE = {roles.BI, roles.MANAGER, roles.ANALYST}
NAMES = {roles.BI, roles.MANAGER}
WRITERS = {roles.INGEST}
NOBODY: set[str] = set()

# A way, a statement that goes it, and who may.
REACH = (
    # marts
    ("airports", "select airport_code from dwh_marts.v_airport_map", {*PEOPLE, roles.OPS}),
    ("airports then", "select * from dwh_marts.v_airport_map_as_of(now())", {*PEOPLE, roles.OPS}),
    ("revenue", "select revenue from dwh_marts.v_passenger_metrics_30d", PEOPLE),
    ("flights", "select * from dwh_marts.flight_load", PEOPLE),
    ("flights then", "select * from dwh_marts.flight_load_as_of(now())", PEOPLE),
    ("sales curve", "select * from presentation.booking_curve", PEOPLE),
    # what lies below them
    ("vault", "select passenger_name from dwh_detailed.sat_passenger_details", NOBODY),
    ("documents", "select passenger_id from dwh_detailed.hub_passengers", NOBODY),
    ("current rows", "select passenger_name from dwh_business.current_tickets", NOBODY),
    ("past rows", "select passenger_name from dwh_business.tickets_as_of(now())", NOBODY),
    ("kept rows", "select passenger_name from dwh_business.kept_tickets", NOBODY),
    ("events", "select value from staging.tickets", {roles.INGEST}),
    ("dead letters", "select value from staging.dead_letter", {roles.INGEST}),
    ("load batches", "select * from dwh_control.load_batch", {roles.MONITOR}),
    ("groups' history", "select * from snapshots.customer_group_history", NOBODY),
    ("implausible rows", "select * from dwh_business.implausible_values", NOBODY),
    # by a column's expression, which names no table to Superset
    ("a past name as a column", "select (presentation.frequent_flyers_as_of(now())).passenger_name",
     PEOPLE),
    ("a query in a text", "select query_to_xml('select passenger_name from"
     " dwh_detailed.sat_passenger_details', true, false, '')", NOBODY),
    ("a table in a text", "select table_to_xml('dwh_business.current_tickets', true, false, '')",
     NOBODY),
    # the server
    ("passwords", "select rolpassword from pg_authid", NOBODY),
    ("a file", "select pg_read_file('postgresql.conf')", NOBODY),
    ("a program", "copy (select 1) to program 'true'", NOBODY),
    # writing, holding up
    ("a row", "delete from presentation.booking_curve", NOBODY),
    ("a table", "create table presentation.mine (n integer)", NOBODY),
    ("a function", "create function dwh_marts.mine() returns integer return 1", NOBODY),
    ("a large object", "select lo_from_bytea(0, 'x')", NOBODY),
    ("the server's log of changes", "select pg_logical_emit_message(false, 'x', 'x')", NOBODY),
    ("another's role", "set role airline_dbt", NOBODY),
    ("loads", "select pg_try_advisory_lock(hashtext('airline load batch'))", WRITERS),
    ("loads, shared", "select pg_try_advisory_lock_shared(hashtext('airline load batch'))",
     WRITERS),
    ("loads, in a transaction", "select pg_advisory_xact_lock(hashtext('airline load batch'))",
     WRITERS),
    ("builds of a model", "select pg_advisory_lock(hashtext('airline build of a model'),"
     " hashtext('model.airline.frequent_flyers'))", WRITERS),
    ("the batches' table", "lock table dwh_control.load_batch in row exclusive mode", NOBODY),
    ("a batch's row", "select from dwh_control.load_batch for share", NOBODY),
    ("a mart's table", "lock table presentation.booking_curve in share mode", NOBODY),
)  # fmt: skip


@pytest.fixture(scope="module")
def warehouse(postgres_server, tmp_path_factory) -> Warehouse:
    """A passenger on a flight, every mart, and the history of groups."""
    return loaded(postgres_server, "reach", tmp_path_factory.mktemp("dbt"))


def loaded(postgres_server, name: str, folder: Path) -> Warehouse:
    made = Warehouse(postgres_server, name, folder)
    source = made.source
    source.clock = datetime(2025, 12, 20, tzinfo=UTC)
    source.snapshot("airports", airport("AAA"), airport("BBB"))
    source.snapshot("bookings", booking(book_date="2025-12-20T08:00:00.000000Z"))
    source.snapshot("tickets", ticket(passenger_id=DOCUMENT, passenger_name=NAME))
    moment = datetime(2026, 1, 3, 6, tzinfo=UTC).isoformat()
    source.snapshot("flights", flight(1, scheduled_departure=moment, status="Arrived"))
    source.snapshot("ticket_flights", segment("0000000000001", 1))
    made.load()
    build(made)
    return made


def build(warehouse: Warehouse) -> None:
    for command in (
        ("seed",),
        ("run", "--select", "path:models/marts", "path:models/business_vault"),
        ("snapshot",),
    ):
        done = warehouse.dbt(*command, "--vars", f"{{now: '{NOW.isoformat()}'}}")
        assert done.success, messages(done)


def ask(warehouse: Warehouse, role: str, statement: str) -> list[tuple]:
    """What the role gets by a statement, which is taken back."""
    dsn = warehouse.settings.dsn("dwh", user=role, password=warehouse.settings.secret(role))
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
        connection.rollback()
        return rows


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(("statement", "may"), [pytest.param(*way[1:], id=way[0]) for way in REACH])
def test_one_account_one_reach(warehouse, who, statement, may):
    """Whoever holds a role reads or stops what is not its own; or lacks what is."""
    if who in may:
        ask(warehouse, who, statement)
    else:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(warehouse, who, statement)


def test_no_function_is_everybodys(warehouse):
    """A function that a model makes runs with dbt's rights, for whoever calls it."""
    assert (
        warehouse.rows(
            "select oid::regprocedure::text from pg_proc"
            " where pronamespace::regnamespace::text !~ '^(pg_|information_schema)'"
            " and has_function_privilege('public', oid, 'execute')"
        )
        == []
    )


def test_a_new_function_is_nobodys(warehouse):
    """The next function would be everybody's until somebody thinks of it."""
    for role, schema in ((roles.DBT, "dwh_marts"), (roles.INGEST, "staging")):
        warehouse.rows(
            f"set local role {role}; create function {schema}.later() returns integer return 1"
        )
        [(open_to_all,)] = warehouse.rows(
            f"select has_function_privilege('public', '{schema}.later()', 'execute')"
        )
        warehouse.rows(f"drop function {schema}.later()")
        assert not open_to_all, f"{role} in {schema}"


def test_a_role_that_is_no_reader_any_more_is_shut_out(warehouse):
    """A mart that is taken from a role stays readable, for its grants stay with builds."""
    function = "dwh_marts.flight_load_as_of(timestamptz)"
    warehouse.rows(
        f"grant select on dwh_marts.flight_load to {roles.OPS};"
        f"grant execute on function {function} to {roles.OPS}, public"
    )
    build(warehouse)
    for statement in ("flight_load", "flight_load_as_of(now())"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(warehouse, roles.OPS, f"select from dwh_marts.{statement}")


# What dbt's role could put in the place of what is read: a view that calls a function of its own.
CAUGHT = "a superuser was caught"
TRAP = f"""
create function dwh_business.trap() returns boolean language plpgsql as $trap$
begin
    if (select rolsuper from pg_roles where rolname = current_user) then
        raise exception '{CAUGHT}';
    end if;
    return true;
end
$trap$;
grant usage on schema dwh_business to public;
grant execute on function dwh_business.trap() to public;
"""


@pytest.fixture(scope="module")
def trapped(warehouse) -> Warehouse:
    """dbt's role was taken over: all that it owns calls a function of its own. Stays so."""
    relations = warehouse.rows(
        "select relnamespace::regnamespace::text, relname, relkind = 'r' from pg_class"
        " where relowner = 'airline_dbt'::regrole and relkind in ('r', 'v')"
        " and relnamespace::regnamespace::text in"
        " ('dwh_control', 'dwh_business', 'dwh_marts', 'presentation')"
    )
    moves = [
        f"alter {'table' if is_table else 'view'} {schema}.{name} rename to {name}_real;"
        f"create view {schema}.{name} as"
        f" select * from {schema}.{name}_real where dwh_business.trap();"
        f"grant select on {schema}.{name} to {', '.join((*WHO, roles.AUDIT))}"
        for schema, name, is_table in relations
    ]
    warehouse.rows(f"set local role airline_dbt; {TRAP} {';'.join(moves)}")
    with pytest.raises(psycopg2.errors.RaiseException, match=CAUGHT):
        warehouse.rows("select * from dwh_control.load_batch")
    return warehouse


OF_THE_WAREHOUSE = [check for check in checks.CHECKS if check.needs == {"dwh"}]


@pytest.mark.parametrize("check", [pytest.param(each, id=each.name) for each in OF_THE_WAREHOUSE])
def test_status_runs_nothing_of_dbts_role_as_superuser(trapped, check):
    """Whoever holds dbt's role waits for the next `status`, and is superuser."""
    finding = check.ask(trapped.settings)
    assert finding.is_known and CAUGHT not in finding.text + finding.problem


def test_an_audit_runs_nothing_of_dbts_role_as_superuser(trapped, monkeypatch):
    """Whoever holds dbt's role waits for the next audit; or an audit cannot read."""
    logins = []
    monkeypatch.setattr(handed_on.command, "main", lambda _, *found: logins.extend(found) or 0)
    assert handed_on.audit(trapped.settings, []) == 0
    source, vault = (psycopg2.extensions.parse_dsn(each)["user"] for each in logins[:2])
    assert (source, vault) == (roles.AUDIT, roles.AUDIT)
    with closing(snapshot(logins[1])) as connection, connection.cursor() as cursor:
        for table in catalogue.names():
            cursor.execute(f"select * from dwh_business.current_{table}")
        assert incomplete_transactions.newest_load_batch(cursor, loaded=True)
        assert set_aside.waiting(cursor) == {}
        with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
            cursor.execute("delete from dwh_control.audit_result_real")
    with (
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
        closing(psycopg2.connect(logins[1])) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("delete from dwh_control.audit_result_real")


def test_up_runs_nothing_of_dbts_role_as_superuser(trapped, postgres_server):
    """Whoever holds dbt's role waits for the next `up`."""
    settings = trapped.settings
    assert report.marts(settings).count("\n") > 20
    assert pending(figures_dsn(settings)).offsets == 0
    assert warehouse_of.make(settings, postgres_server.server) == []
    assert Dwh(settings).is_of_older_version() is False


def test_dbts_role_cannot_replace_what_is_not_its_own(warehouse):
    """The version that `up` reads and writes as admin would be a trap of dbt's role."""
    for statement in (
        "drop table dwh_control.migration",
        "alter table dwh_control.migration rename to other",
        "create schema if not exists staging; drop schema dwh_control cascade",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(warehouse, roles.DBT, statement)


def test_a_schema_with_a_roles_name_is_searched_by_nobody(warehouse):
    """dbt's role makes a schema with the admin's name, and functions for the admin to call."""
    admin = warehouse.settings.admin_user
    assert warehouse.rows("show search_path") == [("public",)]
    warehouse.rows(f'set local role airline_dbt; create schema "{admin}"')
    try:
        assert warehouse.rows("select current_schemas(false)") == [(["public"],)]
    finally:
        warehouse.rows(f'drop schema "{admin}"')
