"""The table of names that an older stack has where analysts read (migration 3)."""

from __future__ import annotations

from contextlib import closing

import psycopg2
import pytest

from infra import warehouse
from infra.postgres import roles
from tests.support.warehouse import Warehouse

NAME = "ANNA PASSENGER"


def ask(made: Warehouse, role: str, statement: str) -> list[tuple]:
    with (
        closing(psycopg2.connect(roles.login(made.settings, "dwh", role))) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
        return cursor.fetchall()


def test_the_names_of_an_older_stack_move_away(postgres_server, tmp_path):
    """`up` leaves names where analysts read, or takes what people built on their table."""
    old = Warehouse(postgres_server, "names_apart", tmp_path)
    old.rows(
        f"set local role {roles.DBT};"
        "create table presentation.frequent_flyers (passenger_id text, passenger_name text,"
        " flights_number bigint, purchase_sum numeric(18,2), home_airport text,"
        " customer_group text, updated_at timestamptz);"
        f"insert into presentation.frequent_flyers values ('1234 567890', '{NAME}');"
        "create function presentation.frequent_flyers_as_of(timestamptz) returns setof"
        " presentation.frequent_flyers language sql security definer"
        " begin atomic select * from presentation.frequent_flyers; end;"
        f"grant select on presentation.frequent_flyers to {roles.BI};"
        "grant execute on function presentation.frequent_flyers_as_of to public"
    )
    old.rows(
        "create index by_people on presentation.frequent_flyers (home_airport);"
        "create schema people;"
        "create view people.flyers as select passenger_name from presentation.frequent_flyers;"
        "create view people.past as"
        " select passenger_name from presentation.frequent_flyers_as_of(now());"
        "delete from dwh_control.migration where version > 2"
    )
    for way in ("presentation.frequent_flyers", "presentation.frequent_flyers_as_of(now())"):
        assert NAME in str(ask(old, roles.BI, f"select * from {way}"))
    applied = warehouse.make(old.settings, postgres_server.server)
    assert [each.name for each in applied] == ["names_apart", "tokens_of_persons"]
    moved = "presentation_pii.frequent_flyers_personal"
    # Names get tokens by the build that follows.
    assert old.rows(f"select passenger_name, pseudonym from {moved}") == []
    assert old.rows("select * from people.flyers") == []
    # It answers again once dbt has made the function for the new column.
    assert old.rows("select to_regclass('people.past') is not null") == [(True,)]
    assert old.rows("select to_regclass('presentation_pii.by_people') is not null") == [(True,)]
    assert old.rows("select to_regclass('presentation.frequent_flyers')") == [(None,)]
    for who in (roles.ANALYST, roles.OPS, roles.MONITOR, roles.INGEST):
        for way in (moved, f"{moved}_as_of(now())"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                ask(old, who, f"select * from {way}")
