"""Who reaches what in the warehouse: each role that others may hold, by each way that was found.

The table is in tests/support/reach.py: a new role is a name in `WHO`, a new way a line in `REACH`.
"""

from __future__ import annotations

import hmac
import json
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
from ingest.book import Book
from tests.support.events import airport, booking, flight, segment, ticket
from tests.support.reach import NAMES, REACH, WHO
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(3600)

VARIABLES = "{now: '2026-02-01 00:00+00'}"
NAME, DOCUMENT, PHONE = "ANNA PASSENGER", "1234 567890", "+70005550001"


@pytest.fixture(scope="module")
def warehouse(postgres_server, tmp_path_factory) -> Warehouse:
    """A passenger on a flight, every mart, and the history of groups."""
    return loaded(postgres_server, "reach", tmp_path_factory.mktemp("dbt"))


def loaded(postgres_server, name: str, folder: Path) -> Warehouse:
    made = Warehouse(postgres_server, name, folder)
    source = made.source
    source.book = Book(made.settings.secret(warehouse_of.IDENTITY_KEY))
    source.clock = datetime(2025, 12, 20, tzinfo=UTC)
    source.snapshot("airports", airport("AAA"), airport("BBB"))
    source.snapshot("bookings", booking(book_date="2025-12-20T08:00:00.000000Z"))
    contact = json.dumps({"phone": PHONE})
    passenger = ticket(passenger_id=DOCUMENT, passenger_name=NAME, contact_data=contact)
    source.snapshot("tickets", passenger)
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
        done = warehouse.dbt(*command, "--vars", VARIABLES)
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


# Every relation and every function of a moment that a role may read.
READABLE = """
select format('%I.%I', relnamespace::regnamespace, relname) from pg_class
where
    relkind in ('r', 'v', 'm')
    and relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
    and has_schema_privilege(relnamespace, 'usage')
    and has_table_privilege(oid, 'select')
union all
select format('%s(now())', oid::regproc) from pg_proc
where
    proname like '%\\_as\\_of'
    and has_schema_privilege(pronamespace, 'usage')
    and has_function_privilege(oid, 'execute')
"""


@pytest.mark.parametrize("who", WHO)
def test_what_a_role_may_read_names_nobody(warehouse, who):
    """A name, a document or a telephone number is in a mart, or in a column of its past."""
    found = []
    readable = [place for (place,) in ask(warehouse, who, READABLE)]
    assert readable
    for place in readable:
        text = str(ask(warehouse, who, f"select whole::text from {place} as whole"))
        found += [place for secret in (NAME, DOCUMENT, PHONE) if secret in text]
    expected = set()
    if who in NAMES:
        name = "presentation.frequent_flyers"
        expected = {name, f"{name}_as_of(now())"}
    if who in (roles.INGEST, roles.AUDIT):
        expected = {"staging_pii.identity"}
    assert set(found) == expected


def test_a_pseudonym_is_a_keyed_hash_and_always_the_same(warehouse):
    """Whoever knows a document finds its passenger; or a passenger has two pseudonyms."""
    [(inner, outer)] = warehouse.rows(
        "select inner_block, outer_block from dwh_secrets.pseudonym_key"
    )
    key = bytes(byte ^ 0x36 for byte in bytes(inner))
    assert key == bytes(byte ^ 0x5C for byte in bytes(outer)) and len(set(key)) > 16
    [(token,)] = warehouse.rows("select token from staging_pii.identity where value = %s", DOCUMENT)
    expected = "P-" + hmac.new(key, token.encode(), "sha256").hexdigest()[:16]
    shown = "select passenger_id, passenger_name from presentation.frequent_flyers"
    assert ask(warehouse, roles.ANALYST, shown) == [(expected, expected)]
    past = shown + "_as_of(now())"
    assert ask(warehouse, roles.ANALYST, past) == [(expected, expected)]
    assert ask(warehouse, roles.MANAGER, shown) == [(DOCUMENT, NAME)]
    assert ask(warehouse, roles.MANAGER, past) == [(DOCUMENT, NAME)]
    # A filter with a function of one's own choice sees no more.
    peeping = f"{shown} where passenger_name || passenger_id like '%{DOCUMENT}%'"
    assert ask(warehouse, roles.ANALYST, peeping) == []
    # The key stays when `up` comes again.
    warehouse_of.make(warehouse.settings, Dwh(warehouse.settings).server)
    assert warehouse.rows("select inner_block from dwh_secrets.pseudonym_key") == [(inner,)]


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
    done = warehouse.dbt("run", "--select", "flight_load", "--vars", VARIABLES)
    assert done.success, messages(done)
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


@pytest.mark.parametrize("name", ["admin", roles.MONITOR, roles.AUDIT, roles.FIGURES])
def test_a_schema_that_dbts_role_makes_is_searched_by_nobody(warehouse, name):
    """dbt's role makes a schema that another one's sessions search, and functions to be called."""
    admin = warehouse.settings.admin_user
    name = admin if name == "admin" else name
    assert warehouse.rows("show search_path") == [("public",)]
    warehouse.rows(
        f'set local role airline_dbt; create schema "{name}";'
        f'grant usage on schema "{name}" to public'
    )
    try:
        assert warehouse.rows("select current_schemas(false)") == [(["public"],)]
        for who in (*WHO, roles.DBT):
            found = ask(warehouse, who, "select current_schemas(false)")
            assert found == [(["public"],)], who
    finally:
        warehouse.rows(f'drop schema "{name}"')
