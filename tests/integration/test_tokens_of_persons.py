"""A stack that has persons in the clear gets tokens (migration 4), on a real server."""

from __future__ import annotations

import json
import re
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest

from infra import warehouse as stack
from infra.errors import AirlineError
from infra.warehouse import tokens
from tests.support.events import UNAVAILABLE, airport, booking, flight, segment, ticket
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(3600)

ANNA, BORIS, CLARA = "1234 567890", "4321 098765", " C 1"
SAME, MARRIED, PHONE = "ANNA PASSENGER", "ANNA MARRIED", "+70005550001"
CONTACT = json.dumps({"phone": PHONE})
CLEAR = (ANNA, BORIS, "C 1", SAME, MARRIED, PHONE, "OTHER", "NOBODY")
AT = "{now: '2026-02-01 00:00+00'}"


@pytest.fixture
def old(postgres_server, tmp_path) -> Warehouse:
    """What the version before had: persons in the clear, in several loads."""
    made = Warehouse(postgres_server, "tokens_of_persons", tmp_path)
    source = made.source
    source.clock = datetime(2025, 12, 20, tzinfo=UTC)
    source.snapshot("airports", airport("AAA"), airport("BBB"))
    source.snapshot("bookings", booking(book_date="2025-12-20T08:00:00.000000Z"))
    anna = {"passenger_id": ANNA, "passenger_name": SAME, "contact_data": CONTACT}
    boris = {"passenger_id": BORIS, "passenger_name": SAME, "contact_data": None}
    source.snapshot(
        "tickets",
        ticket("0000000000001", **anna),
        ticket("0000000000002", **anna),
        ticket("0000000000003", **boris),
        ticket("0000000000004", passenger_id=CLARA, passenger_name="", contact_data=None),
    )
    moment = datetime(2026, 1, 3, 6, tzinfo=UTC).isoformat()
    source.snapshot("flights", flight(1, scheduled_departure=moment, status="Arrived"))
    source.snapshot(
        "ticket_flights", *(segment(f"000000000000{n}", 1, amount=f"{n}.10") for n in (1, 2, 3, 4))
    )
    made.load()
    # Given to somebody of the same name and contact, to another, and back; renamed; deleted.
    source.commit(("u", "tickets", ticket("0000000000001", **(anna | {"passenger_id": BORIS}))))
    source.commit(("u", "tickets", ticket("0000000000002", **(anna | {"passenger_name": MARRIED}))))
    made.load()
    source.commit(
        ("u", "tickets", ticket("0000000000002", **(anna | {"passenger_name": UNAVAILABLE})))
    )
    source.commit(("u", "tickets", ticket("0000000000001", **anna)))
    source.commit(("d", "tickets", ticket("0000000000003", **boris)))
    made.load()
    build(made)
    # Set aside by the load: a document that is no text.
    source.commit(("c", "tickets", ticket("0000000000005", passenger_name={"a": "OTHER"})))
    del source.rows["tickets"]["0000000000005",]
    made.load()
    return made


def build(made: Warehouse) -> None:
    for arguments in (
        ("seed",),
        ("run", "--exclude", "tag:vault", "--vars", AT),
        ("snapshot", "--vars", AT),
    ):
        done = made.dbt(*arguments)
        assert done.success, messages(done)


def migrate(made: Warehouse, server, said: list[str] | None = None) -> list:
    return stack.make(made.settings, server.server, (said if said is not None else []).append)


def make_old(made: Warehouse) -> None:
    made.rows("delete from dwh_control.migration where version > 3")


def clear_tables(made: Warehouse) -> list[str]:
    """Tables, and tables' files, with a value in the clear."""
    names = made.rows(
        "select schemaname || '.' || tablename from pg_tables where schemaname !~"
        " '^(pg_|information_schema)'"
    )
    pattern = "|".join(map(re.escape, CLEAR))
    return sorted(
        name
        for (name,) in names
        if made.rows(f"select 1 from {name} as t where t::text ~ %s limit 1", pattern)
    )


def figures(made: Warehouse) -> list:
    return [
        made.rows(f"select * from {mart} as t order by t::text")
        for mart in ("dwh_marts.v_passenger_groups_revenue", "dwh_marts.v_passenger_metrics_30d")
    ] + made.rows(
        "select passenger_id, passenger_name, flights_number, purchase_sum, home_airport,"
        " customer_group from presentation.frequent_flyers order by passenger_id"
    )


def files_with(made: Warehouse, *values: str) -> list[str]:
    """The files of tables that have one of the values."""
    made.rows("checkpoint")
    [(folder,)] = made.rows("select current_setting('data_directory')")
    return [
        name
        for (name,) in made.rows(
            "select oid::regclass::text from pg_class where relfilenode <> 0 and relnamespace in"
            " (select oid from pg_namespace where nspname !~ '^pg_')"
        )
        for (path,) in made.rows("select pg_relation_filepath(%s::regclass)", name)
        for each in [(Path(folder) / path).read_bytes()]
        if any(value.encode() in each for value in values)
    ]


def test_an_older_stack_gets_tokens_and_says_the_same(old, postgres_server):
    """A figure would change, names be lost or left in the clear; or raw and vault not fit together
    any more.
    """
    before, rows = figures(old), old.source.rows["tickets"]
    history = old.rows(
        "select customer_group, purchase_sum, dbt_valid_from, dbt_valid_to"
        " from snapshots.customer_group_history order by 1, 2"
    )
    make_old(old)
    assert {"staging.tickets", "dwh_detailed.hub_passengers"} <= {*clear_tables(old)}
    said: list[str] = []
    assert [each.number for each in migrate(old, postgres_server, said)] == [4]
    assert any("events" in line for line in said)
    # What a dead letter has are bytes.
    assert clear_tables(old) == ["staging_pii.identity"]
    long = [value for value in CLEAR if len(value) > 8]
    assert set(files_with(old, *long)) <= {"staging.dead_letter", "staging_pii.identity"}
    assert old.rows("select count(*) from dwh_control.set_aside_event") == [(0,)]
    assert old.not_kept() == []
    build(old)
    assert figures(old) == before
    assert history == old.rows(
        "select customer_group, purchase_sum, dbt_valid_from, dbt_valid_to"
        " from snapshots.customer_group_history order by 1, 2"
    )
    assert old.rows(
        "select count(*) from snapshots.customer_group_history where passenger_id !~ '^~'"
    ) == [(0,)]
    # Each ticket's names are of the one who holds it.
    assert {
        (ticket_no, document, name)
        for ticket_no, document, name in old.rows(
            "select ticket.ticket_no, person.value, coalesce(name.value, ticket.passenger_name)"
            " from dwh_business.current_tickets as ticket"
            " inner join staging_pii.identity as person on person.token = ticket.passenger_id"
            " left join staging_pii.identity as name"
            " on name.token = ticket.passenger_name and name.person = person.person"
        )
    } == {(each["ticket_no"], each["passenger_id"],
           MARRIED if each["ticket_no"][-1] == "2" else each["passenger_name"])
          for each in rows.values()}  # fmt: skip
    vault = old.vault()
    done = old.dbt("run", "--full-refresh", "--selector", "loading")
    assert done.success, messages(done)
    assert old.vault() == vault
    assert migrate(old, postgres_server) == []


def test_a_migration_that_fails_leaves_persons_as_they_were(old, postgres_server, monkeypatch):
    """A stack would be without its history, or half of it in tokens."""
    make_old(old)
    before = old.vault(), old.rows("select value from staging.tickets order by kafka_offset")

    def fail(*_: object) -> None:
        raise AirlineError("no more", "again")

    monkeypatch.setattr(tokens, "_kept_anew", fail)
    with pytest.raises(AirlineError, match="no more"):
        migrate(old, postgres_server)
    after = old.vault(), old.rows("select value from staging.tickets order by kafka_offset")
    assert after == before
    assert old.rows("select count(*) from staging_pii.identity") == [(0,)]
    monkeypatch.undo()
    assert [each.number for each in migrate(old, postgres_server)] == [4]


def test_hashes_of_another_kind_are_refused(old, postgres_server):
    """Keys would be written that no load finds again."""
    make_old(old)
    with closing(psycopg2.connect(old.dsn)) as connection, connection:
        connection.cursor().execute(
            "update dwh_detailed.hub_passengers"
            " set passenger_hash_key = decode(md5('other'), 'hex') where passenger_id = %s",
            (ANNA,),
        )
    with pytest.raises(AirlineError, match="hub_passengers are made otherwise"):
        migrate(old, postgres_server)
    assert "dwh_detailed.hub_passengers" in clear_tables(old)
