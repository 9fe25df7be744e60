"""Values from the whole range of PostgreSQL's types, through the real connector: all are read.

The columns and their types are the source's own, out of its catalogue. Rows honour keys and foreign
keys; CHECKs are taken off meanwhile, for they are the booking system's rules and not PostgreSQL's.
AIRLINE_TEST_SEED repeats a run.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import pytest
import yaml
from psycopg2 import sql

from catalogue import names as tables
from infra.settings import PUBLICATION, ROOT
from tests.support import value_ranges

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# Each row's key has it, or refers to one that has; no other row's has.
MARK = "⁂"
# Rows refer to each other's: in this order they are inserted, in the other one deleted.
ORDER = tables()
OURS = {
    "airports": "airport_code like %(mark)s",
    "aircrafts": "aircraft_code like %(mark)s",
    "seats": "aircraft_code like %(mark)s",
    "flights": "departure_airport like %(mark)s",
    "bookings": "book_ref like %(mark)s",
    "tickets": "ticket_no like %(mark)s",
    "ticket_flights": "ticket_no like %(mark)s",
    "boarding_passes": "ticket_no like %(mark)s",
}
# A column that the project does not declare as long has at most this many characters, so that no
# value of it is kept apart from its row: an update that leaves such a one alone comes without it.
# The source's CHECKs keep these columns short.
SHORT = 20
# What is in an index has at most 2,704 bytes, or PostgreSQL refuses the row.
INDEXED = 500
Family = dict[str, dict[str, str | None]]


@dataclass
class Column:
    """A column of the source; `refers_to` is (table, column) of its foreign key."""

    kind: str
    nullable: bool
    of_key: bool
    is_long: bool
    is_indexed: bool
    refers_to: tuple[str, str] | None


@dataclass
class Drawing:
    """Draws rows of the source's tables, and writes them."""

    dsn: str
    columns: dict[str, dict[str, Column]]
    dice: random.Random
    zones: list[str]
    drawn: Counter[str] = field(default_factory=Counter)
    families: int = 0
    # Numbers that are keys.
    used: set[str] = field(default_factory=set)

    def value(self, column: Column) -> str | None:
        if column.nullable and self.dice.random() < 0.15:
            self.drawn["null"] += 1
            return None
        self.drawn[column.kind] += 1
        if column.kind != "text":
            value = value_ranges.of(column.kind)(self.dice)
            while column.of_key and (value in self.used or 0 < int(value) < 10**6):
                value = value_ranges.of(column.kind)(self.dice)  # another row has it
            if column.of_key:
                self.used.add(value)
            return value
        if column.is_long:
            return value_ranges.text(self.dice, *([INDEXED] if column.is_indexed else []))
        text = value_ranges.text(self.dice, SHORT)
        if column.of_key:
            # Where the mark is must not hide what is at the ends.
            place = self.dice.randrange(len(text) + 1)
            text = f"{text[:place]}{MARK}{self.families}{text[place:]}"
        return text

    def family(self) -> Family:
        """One row of each table, which refer to each other and to no other row."""
        self.families += 1
        rows: Family = {}
        for table in ORDER:
            rows[table] = {}
            for name, column in self.columns[table].items():
                if column.refers_to is not None:
                    of, theirs = column.refers_to
                    rows[table][name] = rows[of][theirs]
                else:
                    rows[table][name] = self.value(column)
        return rows

    def insert(self, rows: Family) -> None:
        with self.session() as cursor:
            for table in ORDER:
                names = list(rows[table])
                cursor.execute(
                    sql.SQL("insert into {} ({}) values ({})").format(
                        sql.Identifier(table),
                        sql.SQL(", ").join(map(sql.Identifier, names)),
                        sql.SQL(", ").join([sql.Placeholder()] * len(names)),
                    ),
                    list(rows[table].values()),
                )

    def update(self, rows: Family) -> None:
        """Each row gets other values in some columns, and one of the family another key."""
        with self.session() as cursor:
            for table in ORDER:
                columns = self.columns[table]
                own = [name for name, each in columns.items() if each.refers_to is None]
                chosen = [
                    name for name in own if not columns[name].of_key and self.dice.random() < 0.6
                ]
                if table == self.dice.choice(ORDER):
                    chosen += [name for name in own if columns[name].of_key]
                if not chosen:
                    continue
                key = [name for name, each in columns.items() if each.of_key]
                new = {name: self.value(columns[name]) for name in chosen}
                cursor.execute(
                    sql.SQL("update {} set {} where {}").format(
                        sql.Identifier(table),
                        _pairs(new, ", "),
                        _pairs(key, " and "),
                    ),
                    [*new.values(), *(rows[table][name] for name in key)],
                )
                assert cursor.rowcount == 1
                rows[table] |= new
                # Foreign keys follow: ON UPDATE CASCADE.
                for other in ORDER:
                    for name, column in self.columns[other].items():
                        if column.refers_to is not None:
                            of, theirs = column.refers_to
                            rows[other][name] = rows[of][theirs]

    def session(self) -> Any:
        return _Session(self.dsn, self.dice.choice(self.zones))


def _pairs(names: Any, between: str) -> sql.Composed:
    return sql.SQL(between).join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder()) for name in names
    )


class _Session:
    """A transaction of a session in a time zone."""

    def __init__(self, dsn: str, zone: str) -> None:
        self.connection = psycopg2.connect(dsn)
        self.zone = zone

    def __enter__(self) -> Any:
        cursor = self.connection.cursor()
        cursor.execute("select set_config('timezone', %s, false)", (self.zone,))
        return cursor

    def __exit__(self, kind: Any, *_: Any) -> None:
        with closing(self.connection):
            if kind is None:
                self.connection.commit()


def catalogue(stack) -> dict[str, dict[str, Column]]:
    """table -> column -> what PostgreSQL says of it."""
    found: dict[str, dict[str, Column]] = defaultdict(dict)
    models = yaml.safe_load((ROOT / "models" / "staging" / "_staging__sources.yml").read_text())
    long_columns = {
        each["name"]: each.get("config", {}).get("meta", {}).get("long_columns", {})
        for each in models["sources"][0]["tables"]
    }
    for table, name, kind, nullable, of_key, is_indexed, refers_to in stack.sql(
        "primary",
        """
        select
            class.relname::text, attname::text, format_type(atttypid, atttypmod), not attnotnull,
            exists (
                select from pg_index
                where indrelid = class.oid and indisprimary and attnum = any(indkey)
            ),
            exists (
                select from pg_index where indrelid = class.oid and attnum = any(indkey)
            ),
            (
                select array[confrelid::regclass::text, theirs.attname::text]
                from pg_constraint, unnest(conkey, confkey) as pair (here, there)
                inner join pg_attribute as theirs on theirs.attnum = pair.there
                where conrelid = class.oid and contype = 'f' and pair.here = attribute.attnum
                    and theirs.attrelid = confrelid
            )
        from pg_attribute as attribute
        inner join pg_class as class on class.oid = attrelid
        where attrelid = any(%s::regclass[]) and attnum > 0 and not attisdropped
        order by class.relname, attnum
        """,
        list(tables()),
    ):
        refers = tuple(refers_to) if refers_to else None
        is_long = name in long_columns[table]
        found[table][name] = Column(kind, nullable, of_key, is_long, is_indexed, refers)
    assert sorted(found) == sorted(ORDER)
    return dict(found)


def clean_up(stack) -> None:
    with closing(psycopg2.connect(stack.settings.dsn("primary"))) as connection, connection:
        for table in reversed(ORDER):
            connection.cursor().execute(
                f"delete from {table} where {OURS[table]}", {"mark": f"%{MARK}%"}
            )


@pytest.fixture
def drawing(stack, capsys) -> Iterator[Drawing]:
    """The source without its CHECKs; after it they are back, and the stack as it was."""
    clean_up(stack)  # what a run that was killed left on a kept stack
    stack.assert_audit_clean()
    checks = stack.sql(
        "primary",
        "select conrelid::regclass::text, conname::text, pg_get_constraintdef(oid)"
        " from pg_constraint where contype = 'c' and conrelid = any(%s::regclass[])",
        list(tables()),
    )
    zones = [name for (name,) in stack.sql("primary", "select name from pg_timezone_names")]
    seed = int(os.environ.get("AIRLINE_TEST_SEED") or random.randrange(10**6))
    made = Drawing(
        stack.settings.dsn("primary"), catalogue(stack), random.Random(seed), sorted(zones)
    )
    try:
        stack.commit(*[f"alter table {table} drop constraint {name}" for table, name, _ in checks])
        yield made
    finally:
        with capsys.disabled():
            kinds = ", ".join(f"{count} {kind}" for kind, count in made.drawn.most_common())
            print(f"\nAIRLINE_TEST_SEED={seed}: {made.families} rows of each table, {kinds}")
        clean_up(stack)
        stack.commit(
            *[f"alter table {table} add constraint {name} {what}" for table, name, what in checks]
        )
    stack.assert_audit_clean()
    assert set_aside(stack) == []


def set_aside(stack) -> list[dict[str, Any]]:
    return json.loads(stack.airline("dead-letters", "list", "--json").stdout)


def assert_all_is_read(stack) -> None:
    """Each row of the source is in the vault with equal values.

    The models have the source's types, so there is no value of them that may be set aside.
    """
    assert [(each["event"], each["error"]) for each in set_aside(stack)] == []
    stack.assert_audit_clean()
    assert set_aside(stack) == []


def count(stack) -> dict[str, int]:
    """Of each table how many rows of the vault are from here."""
    return {
        table: stack.sql(
            "dwh",
            f"select count(*) from dwh_business.current_{table} where "
            + where.replace("%(mark)s", "%s"),
            f"%{MARK}%",
        )[0][0]
        for table, where in OURS.items()
    }


def write(drawing: Drawing, families: int) -> None:
    for _ in range(families):
        rows = drawing.family()
        drawing.insert(rows)
        for _ in range(drawing.dice.randrange(3)):
            drawing.update(rows)


def versions(stack) -> dict[str, int]:
    """satellite -> its rows."""
    names = stack.sql(
        "dwh",
        "select relname::text from pg_class where relnamespace = 'dwh_detailed'::regnamespace"
        r" and relkind in ('r', 'p') and relname like 'sat\_%%'",
    )
    return {
        name: stack.sql("dwh", f"select count(*) from dwh_detailed.{name}")[0][0]
        for (name,) in names
    }


def test_values_of_each_type_by_stream(stack, drawing):
    """A value that the source's type holds would stop a load, or be another one in the vault."""
    write(drawing, 4)
    assert_all_is_read(stack)
    assert count(stack) == dict.fromkeys(ORDER, 4)


def test_values_of_each_type_by_snapshot(stack, drawing):
    """A snapshot would read a value otherwise than the stream did: a version that is none; or a
    row that only a snapshot brings would stop a load, or be another one in the vault.
    """
    write(drawing, 3)
    stack.assert_audit_clean()
    before = versions(stack)
    stack.sql("primary", f"alter publication {PUBLICATION} drop table {', '.join(ORDER)}")
    write(drawing, 3)
    stack.up()
    stack.airline("resync", "--yes")
    assert_all_is_read(stack)
    assert count(stack) == dict.fromkeys(ORDER, 6)
    grown = {name: rows - before[name] for name, rows in versions(stack).items()}
    # Tickets may be of one passenger, or of none.
    assert grown.pop("sat_passenger_details") <= 3
    assert grown and set(grown.values()) == {3}, grown
