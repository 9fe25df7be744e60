"""The ways back of docs/source_changes.md, walked on a running stack: no change needs a reset.

Each test does what the page says and no more, and begins and ends with a clean audit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

KEY = "alter table seats add constraint seats_pkey primary key (aircraft_code, seat_no)"


@pytest.fixture(scope="module", autouse=True)
def equal(stack) -> Iterator[None]:
    """Source and vault equal before and after."""
    if not stack.status()["healthy"]:
        mend(stack)  # what a run that failed in here left on a kept stack
    without_changes(stack)
    stack.assert_audit_clean()
    yield
    stack.assert_audit_clean()
    stack.healthy_status()


@pytest.fixture(autouse=True)
def as_before(stack, equal) -> Iterator[None]:
    """After each test the source's table is as it was, and nothing is left for a person."""
    before = shape(stack)
    yield
    without_changes(stack)
    assert shape(stack) == before
    assert set_aside(stack) == []
    assert "nothing to do" in evolve(stack)


def mend(stack) -> None:
    if stack.sql("primary", "select to_regclass('chairs')") != [(None,)]:
        stack.commit("drop table if exists seats", "alter table chairs rename to seats")
    stack.up()
    without_changes(stack)
    stack.airline("resync", "seats", "--yes")
    if left := [each["event"] for each in set_aside(stack)]:
        stack.airline("dead-letters", "discard", *left)


def shape(stack) -> list[tuple[int, str]]:
    """How many seats there are, and their columns."""
    return stack.sql(
        "primary",
        "select (select count(*) from seats), (select string_agg(concat_ws(' ', attname,"
        " format_type(atttypid, atttypmod), attnotnull), ', ' order by attname) from pg_attribute"
        " where attrelid = 'seats'::regclass and attnum > 0 and not attisdropped)",
    )


def set_aside(stack) -> list[dict]:
    """What waits for a decision."""
    return json.loads(stack.airline("dead-letters", "list", "--json").stdout)


def evolve(stack) -> str:
    """The plan."""
    return stack.airline("evolve", check=False).stdout


def findings(stack) -> str:
    """What audit says of `seats` beside the rows that differ."""
    [found] = [each for each in stack.audit()["tables"] if each["table"] == "seats"]
    return " ".join(found["findings"])


def resync_is_due(stack) -> bool:
    return "airline resync" in stack.airline("status", check=False).stdout


def decide(stack) -> None:
    """Replays what was set aside, and discards what a replay calls the past."""
    stack.airline("dead-letters", "replay", check=False)
    stack.assert_audit_clean()
    if past := [each["event"] for each in set_aside(stack)]:
        stack.airline("dead-letters", "discard", *past)


def one_seat(stack, table: str = "seats") -> tuple[str, str]:
    """The key of the first seat."""
    return stack.sql(
        "primary", f"select aircraft_code, seat_no from {table} order by 1, 2 limit 1"
    )[0]


def change(stack, table: str = "seats") -> None:
    """Seats are added, changed, given another key and, from the second call on, deleted."""
    code, _ = one_seat(stack, table)
    for statement in (
        f"delete from {table} where (aircraft_code, seat_no) = ('{code}', '99Z')",
        f"insert into {table} values ('{code}', '98Z', 'Economy')"
        " on conflict (aircraft_code, seat_no) do update set fare_conditions = 'Business'",
        f"update {table} set seat_no = '99Z' where (aircraft_code, seat_no) = ('{code}', '98Z')",
    ):
        stack.commit(statement)


def without_changes(stack) -> None:
    stack.commit("delete from seats where seat_no in ('98Z', '99Z')")


def test_table_renamed_and_back(stack):
    """What was written under the other name would be missing for good, or asked for a reset."""
    change(stack)
    stack.assert_audit_clean()
    stack.commit("alter table seats rename to chairs")
    try:
        change(stack, "chairs")
        assert "seats is missing at the source" in findings(stack)
        plan = evolve(stack)
        assert "table gone: seats" in plan and "chairs has its columns" in plan
        assert resync_is_due(stack)
    finally:
        stack.commit("alter table chairs rename to seats")
    stack.airline("resync", "seats", "--yes")
    stack.assert_audit_clean()


@pytest.mark.parametrize("partitions", [0, 3])
def test_table_swapped_and_back(stack, partitions):
    """Another table in the place of one, whole or partitioned, would be loaded no more."""
    columns = "like chairs including all"
    alike = f"create table seats ({columns})" + (
        " partition by hash (aircraft_code)" if partitions else ""
    )
    stack.commit(
        "alter table seats rename to chairs",
        alike,
        *[
            f"create table seats_{n} partition of seats"
            f" for values with (modulus {partitions}, remainder {n})"
            for n in range(partitions)
        ],
        "insert into seats table chairs",
    )
    try:
        change(stack)
        assert "seats is not published" in findings(stack)
        plan = evolve(stack)
        assert ("partitioned: seats" if partitions else "not published: seats") in plan
        assert resync_is_due(stack)
        stack.up()
        stack.airline("resync", "seats", "--yes")
        stack.assert_audit_clean()
        # Changes come from it now, a key that moves a row to another partition as well.
        change(stack)
        moved = one_seat(stack)
        stack.commit(
            "insert into aircrafts values ('T0Z', '{}', 1)",
            "insert into seats values ('T0Z', '1A', 'Economy')",
            f"update seats set aircraft_code = '{moved[0]}', seat_no = '97Z'"
            " where aircraft_code = 'T0Z'",
        )
        stack.assert_audit_clean()
        stack.commit(
            "delete from seats where seat_no = '97Z'",
            "delete from aircrafts where aircraft_code = 'T0Z'",
        )
    finally:
        stack.commit("drop table seats", "alter table chairs rename to seats")
    assert "seats is not published" in findings(stack)
    stack.up()
    stack.airline("resync", "seats", "--yes")
    stack.assert_audit_clean()


def test_primary_key_grows_and_back(stack):
    """Two rows that one key tells apart no more would be one, or stop the table for good."""
    code, seat = one_seat(stack)
    [(fare,)] = stack.sql(
        "primary",
        "select fare_conditions from seats where (aircraft_code, seat_no) = (%s, %s)",
        *(code, seat),
    )
    stack.commit(
        "alter table seats drop constraint seats_pkey,"
        " add constraint seats_pkey primary key (aircraft_code, seat_no, fare_conditions)"
    )
    stack.commit(
        f"insert into seats select '{code}', '{seat}', other from (values ('Economy'), ('Comfort'),"
        f" ('Business')) as t (other) where other not in (select fare_conditions from seats"
        f" where (aircraft_code, seat_no) = ('{code}', '{seat}'))",
        f"insert into seats values ('{code}', '98Z', 'Economy')",
    )
    assert "has the primary key (aircraft_code, seat_no, fare_conditions)" in findings(stack)
    assert {each["error"].split()[0] for each in set_aside(stack)} == {"key"}
    assert "key changed: seats" in evolve(stack)
    stack.commit(
        f"delete from seats where (aircraft_code, seat_no) = ('{code}', '{seat}')",
        f"insert into seats values ('{code}', '{seat}', '{fare}')",
        f"alter table seats drop constraint seats_pkey; {KEY}",
    )
    stack.airline("resync", "seats", "--yes")
    decide(stack)


def test_type_of_a_key_grows(stack):
    """Longer keys than there were would be cut off, set aside, or rows of their own."""
    code, _ = one_seat(stack)
    flight = "alter table boarding_passes alter flight_id type {}"
    [(check,)] = stack.sql(
        "primary",
        "select pg_get_constraintdef(oid) from pg_constraint where conname = 'seats_seat_no_check'",
    )
    stack.commit("alter table seats drop constraint seats_seat_no_check")
    try:
        stack.sql("primary", "alter table seats alter seat_no type varchar(4)")
        stack.sql("primary", flight.format("integer"))
        change(stack)
        stack.assert_audit_clean()
        stack.sql("primary", "alter table seats alter seat_no type varchar(400)")
        stack.sql("primary", flight.format("bigint"))
        stack.commit(
            f"insert into seats values ('{code}', '{'7' * 300}A', 'Economy')",
            f"update seats set seat_no = '{'8' * 400}' where seat_no = '99Z'",
            "update boarding_passes set boarding_no = boarding_no"
            " where flight_id = (select min(flight_id) from boarding_passes)",
        )
        stack.assert_audit_clean()
        assert "nothing to do" in evolve(stack)
    finally:
        stack.commit("delete from seats where length(seat_no) > 100 or seat_no in ('98Z', '99Z')")
        stack.sql("primary", "alter table seats alter seat_no type text")
        stack.sql("primary", f"alter table seats add constraint seats_seat_no_check {check}")


def test_column_made_nullable_and_back(stack):
    """A NULL where there was none would stop the table, or vanish with its row."""
    stack.commit("alter table seats alter fare_conditions drop not null")
    code, _ = one_seat(stack)
    try:
        change(stack)
        stack.commit(f"insert into seats values ('{code}', '98Z', null)")
        stack.assert_audit_clean()
        assert "nothing to do" in evolve(stack)
    finally:
        without_changes(stack)
        stack.commit("alter table seats alter fare_conditions set not null")


def test_dropped_column_put_back(stack):
    """A column that somebody dropped by mistake would leave rows set aside for good."""
    stack.commit("create table seats_kept as table seats")
    [(check,)] = stack.sql(
        "primary",
        "select pg_get_constraintdef(oid) from pg_constraint"
        " where conname = 'seats_fare_conditions_check'",
    )
    code, _ = one_seat(stack)
    stack.commit("alter table seats drop fare_conditions")
    try:
        stack.commit(f"insert into seats values ('{code}', '98Z')")
        assert "has no column fare_conditions" in findings(stack)
        [letter] = set_aside(stack)
        assert letter["error"].startswith("fare_conditions")
        assert "dropped: seats.fare_conditions" in evolve(stack)
    finally:
        stack.commit(
            "alter table seats add fare_conditions text",
            "update seats set fare_conditions = kept.fare_conditions from seats_kept as kept"
            " where (seats.aircraft_code, seats.seat_no) = (kept.aircraft_code, kept.seat_no)",
            "update seats set fare_conditions = 'Economy' where fare_conditions is null",
            "alter table seats alter fare_conditions set not null",
            f"alter table seats add constraint seats_fare_conditions_check {check}",
            "drop table seats_kept",
        )
    decide(stack)
