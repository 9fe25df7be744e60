"""What change data can do to a loader, through the real connector: one sequence, then one load.

The order of the statements is the point of several; each test reads what became of its own.
"""

from __future__ import annotations

import json

import pytest

from infra.connect import connector

pytestmark = pytest.mark.timeout(3600)

AWKWARD = 'О\'Нил "😀"\t\\N \\u0041 \r\n {"a": [1]}  __x'
LONG = 5_000_000


@pytest.fixture(scope="module")
def trapped(stack):
    """The stack after all of it, landed and loaded."""
    clean_up(stack)  # what a run that failed in here left on a kept stack
    stack.commit(
        "insert into bookings values ('TRAP01', '2026-01-01', 300), ('TRAP02', 'infinity', 'NaN'),"
        " ('TRAP03', '-infinity', 0), ('TRAP04', '20000-01-01Z', 0),"
        " ('TRAP05', '0044-03-15 00:00Z BC', 0)",
        "insert into tickets select '999000000000' || n, 'TRAP01', 'TRAP ' || n, 'Trap', '{}'"
        " from generate_series(1, 4) as n",
        "insert into airports select 'Q' || n || 'Q', 'Trap', 'Trap', 0, 0, 'UTC'"
        " from generate_series(0, 9) as n",
    )
    # A long value, then changes beside it: before and after a load.
    # Random, so that compression does not make it short.
    stack.commit(
        "update tickets set contact_data = jsonb_build_object('long', (select"
        f" string_agg(md5(random()::text), '') from generate_series(1, {LONG // 32})))"
        " where ticket_no = '9990000000001'"
    )
    stack.commit("update tickets set passenger_name = 'A' where ticket_no = '9990000000001'")
    stack.assert_audit_clean()
    stack.commit("update tickets set passenger_name = 'B' where ticket_no = '9990000000001'")

    # A key that changes, deletions, and what comes again, in one transaction and across.
    stack.commit("update airports set airport_code = 'Q0R' where airport_code = 'Q0Q'")
    stack.commit("delete from airports where airport_code = 'Q1Q'")
    stack.commit("delete from airports where airport_code = 'Q2Q'")
    stack.commit("insert into airports values ('Q2Q', 'Again', 'Trap', 0, 0, 'UTC')")
    stack.commit(
        "delete from airports where airport_code = 'Q3Q'",
        "insert into airports values ('Q3Q', 'Again', 'Trap', 0, 0, 'UTC')",
    )
    stack.commit(*[f"update airports set city = '{n}' where airport_code = 'Q4Q'" for n in "123"])
    stack.sql("primary", "update tickets set passenger_name = %s where book_ref = 'TRAP01'"
              " and ticket_no = '9990000000002'", AWKWARD)  # fmt: skip

    # Columns that come and go.
    stack.sql("primary", "alter table airports add column terminals integer")
    stack.commit("update airports set terminals = 2, city = 'New' where airport_code = 'Q5Q'")

    # Everything of a table at once, and part of it again.
    stack.commit(
        "create temporary table kept on commit drop as select * from boarding_passes",
        "truncate boarding_passes",
        "insert into boarding_passes select * from kept order by ticket_no, flight_id offset 5",
    )
    stack.assert_audit_clean()
    yield stack
    clean_up(stack)
    stack.assert_audit_clean()


def clean_up(stack) -> None:
    stack.sql("primary", "alter table airports drop column if exists terminals")
    stack.commit(
        "delete from tickets where book_ref = 'TRAP01'",
        "delete from bookings where book_ref like 'TRAP0_'",
        "delete from airports where airport_code like 'Q_Q' or airport_code = 'Q0R'",
    )


def airport_history(stack, code: str) -> list[tuple]:
    return stack.sql(
        "dwh",
        "select status.is_deleted from dwh_detailed.sat_airport_status as status"
        " inner join dwh_detailed.hub_airports using (airport_hash_key)"
        " where airport_code = %s order by status.load_date",
        code,
    )


def test_long_value_left_alone_stands(trapped):
    """A change beside a long value replaces it by Debezium's placeholder."""
    [(raw,)] = trapped.sql(
        "dwh",
        "select count(*) from staging.tickets where value -> 'after' ->> 'ticket_no' ="
        " '9990000000001' and value -> 'after' ->> 'contact_data' = '__debezium_unavailable_value'",
    )
    assert raw == 2, "the source did log the long value: nothing was tried"
    rows = trapped.sql(
        "dwh",
        "select name.value, length(contact.value::jsonb ->> 'long')"
        " from dwh_detailed.sat_passenger_details inner join dwh_detailed.hub_tickets"
        " using (ticket_hash_key)"
        " inner join staging_pii.identity as name on name.token = passenger_name"
        " left join staging_pii.identity as contact on contact.token = contact_data #>> '{}'"
        " where ticket_no = '9990000000001'"
        " order by sat_passenger_details.load_date",
    )
    length = LONG // 32 * 32
    assert rows == [("Trap", None), ("Trap", length), ("A", length), ("B", length)]


def test_odd_numbers_and_dates_arrive(trapped):
    """One NaN, infinity or far year stops every load."""
    rows = trapped.sql(
        "dwh",
        "select book_ref, (book_date at time zone 'UTC')::text, total_amount::text"
        " from dwh_business.current_bookings where book_ref like 'TRAP0_' order by 1",
    )
    assert [row[1:] for row in rows][1:] == [
        ("infinity", "NaN"),
        ("-infinity", "0.00"),
        ("20000-01-01 00:00:00", "0.00"),
        ("0044-03-15 00:00:00 BC", "0.00"),
    ]


def test_awkward_text_arrives_as_it_is(trapped):
    """A quote, tab, backslash, line end, Cyrillic or emoji is mangled."""
    assert trapped.sql(
        "dwh",
        "select book.value from dwh_business.current_tickets"
        " inner join staging_pii.identity as book on book.token = passenger_name"
        " where ticket_no = '9990000000002'",
    ) == [(AWKWARD,)]


@pytest.mark.parametrize(
    ("code", "history"),
    [
        ("Q0Q", [False, True]),
        ("Q0R", [False]),
        ("Q1Q", [False, True]),
        ("Q2Q", [False, True, False]),
        ("Q3Q", [False]),
    ],
)
def test_deletions_are_history(trapped, code, history):
    """A deleted or renamed airport lives on, or one that came back is dead."""
    assert [deleted for (deleted,) in airport_history(trapped, code)] == history


def test_only_what_was_committed_is_history(trapped):
    """A state from inside a transaction counts as a version."""
    rows = trapped.sql(
        "dwh",
        "select city from dwh_detailed.sat_airport_details inner join dwh_detailed.hub_airports"
        " using (airport_hash_key) where airport_code = 'Q4Q'"
        " order by sat_airport_details.load_date",
    )
    assert rows == [("Trap",), ("3",)]


def test_truncation_ends_what_was_there(trapped):
    """Rows of a truncated table live on in the vault."""
    [(dead,)] = trapped.sql(
        "dwh",
        "select count(*) from (select distinct on (ticket_flight_hash_key) is_deleted"
        " from dwh_detailed.sat_boarding_pass_status"
        " order by ticket_flight_hash_key, load_date desc) as newest where is_deleted",
    )
    assert dead >= 5


def test_new_source_column_breaks_nothing(trapped):
    """A column added at the source stops the load, or the audit."""
    assert trapped.sql(
        "dwh", "select city from dwh_business.current_airports where airport_code = 'Q5Q'"
    ) == [("New",)]
    tables = {table["table"]: table for table in trapped.audit()["tables"]}
    assert tables["airports"]["not_kept"] == ["terminals"]


def test_dropped_source_column_says_so(trapped):
    """A dropped column empties values that change, or stops all loads."""
    ranges = trapped.sql("primary", "select aircraft_code, range from aircrafts")
    trapped.sql("primary", "alter table aircrafts drop column range")
    try:
        trapped.commit('update aircrafts set model = model || \'{"x": "y"}\'')
        trapped.wait_until_landed()
        trapped.airline("dbt", "run", "--selector", "vault")
        said = trapped.airline("dead-letters").stdout
        assert said.count("range is missing: put it back at the source") == len(ranges)
        assert trapped.status()["checks"]["set aside"]["tables"] == {"aircrafts": len(ranges)}
    finally:
        trapped.sql("primary", "alter table aircrafts add column range integer")
        for code, value in ranges:
            trapped.sql(
                "primary",
                "update aircrafts set model = model - 'x', range = %s where aircraft_code = %s",
                value,
                code,
            )
        trapped.sql("primary", "alter table aircrafts alter column range set not null")
    trapped.assert_audit_clean()
    # What they said is the past by now.
    said = trapped.airline("dead-letters", "replay", check=False)
    assert said.returncode == 1 and "range is missing" in said.stderr
    letters = json.loads(trapped.airline("dead-letters", "list", "--json").stdout)
    trapped.airline("dead-letters", "discard", *[each["event"] for each in letters])
    assert trapped.status()["checks"]["set aside"]["count"] == 0


def test_connector_registered_again_repeats_nothing(trapped):
    """Events sent twice become the newest history, or a row comes twice."""
    stack = trapped
    stack.commit("update airports set city = 'first' where airport_code = 'Q6Q'")
    stack.commit("update airports set city = 'second' where airport_code = 'Q6Q'")
    stack.assert_audit_clean()
    history = vault_versions(stack)

    # It loses its place, as without exactly-once: the offsets of the connector go, its slot stays.
    # Each waits until Connect's worker knows: it answers before, or refuses while it is at another.
    connector.stop(stack.settings)
    connector.forget_position(stack.settings)
    connector.forget(stack.settings)
    stack.up()
    stack.assert_audit_clean()
    assert vault_versions(stack) == history

    [(snapshots,)] = stack.sql(
        "dwh",
        "select count(*) from staging.airports where value ->> 'op' = 'r'"
        " and value -> 'after' ->> 'airport_code' = 'Q6Q'",
    )
    assert snapshots == 1, "the connector did not start anew: nothing was tried"
    stack.commit("update airports set city = 'third' where airport_code = 'Q6Q'")
    stack.assert_audit_clean()


def vault_versions(stack) -> dict[str, int]:
    """Satellite -> rows."""
    tables = stack.sql(
        "dwh",
        "select table_name from information_schema.tables where table_schema = 'dwh_detailed'"
        " and table_name like 'sat_%'",
    )
    return {
        table: stack.sql("dwh", f"select count(*) from dwh_detailed.{table}")[0][0]
        for (table,) in tables
    }


def test_two_loads_at_once_lose_nothing(trapped):
    """Airflow's load and a person's double rows or block each other."""
    trapped.airline("simulate", "--rate", "0", "--changes", "300", "--seed", "21")
    trapped.airline("audit", "--json", check=False)
    trapped.airline("simulate", "--rate", "0", "--changes", "300", "--seed", "22")
    runs = [trapped.start("dbt", "run", "--selector", "vault") for _ in range(2)]
    said = [run.communicate()[0] for run in runs]
    assert 0 in [run.returncode for run in runs], said
    for run, text in zip(runs, said, strict=True):
        assert run.returncode == 0 or "Nothing is lost: run again" in text, text
    trapped.assert_audit_clean()


def test_rebuilt_from_raw_the_vault_is_the_same(trapped):
    """The vault depends on when it was loaded, and raw is no backup of it."""
    before = vault_digests(trapped)
    trapped.airline("dbt", "run", "--full-refresh", "--selector", "loading")
    assert vault_digests(trapped) == before


def vault_digests(stack) -> dict[str, str]:
    """Table of the vault -> digest of all its rows, whatever their order."""
    tables = stack.sql(
        "dwh",
        "select table_name from information_schema.tables where table_schema = 'dwh_detailed'",
    )
    return {
        table: json.dumps(
            stack.sql(
                "dwh",
                "select count(*), md5(string_agg(row_digest, '' order by row_digest))"
                f" from (select md5(t::text) as row_digest from dwh_detailed.{table} as t) as rows",
            )
        )
        for (table,) in tables
    }
