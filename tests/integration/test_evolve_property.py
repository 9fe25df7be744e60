"""Random changes of tables and rows at the source, under loads, with `evolve` in between.

Tables and rows change in a real database; their events are written as Debezium would. After each
step that settles things the audit compares the two. AIRLINE_TEST_SEED tries another history,
AIRLINE_TEST_LONG a longer one.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg2
import psycopg2.extras
import pytest

import catalogue
from infra.audit import audit
from tests.integration.test_evolve import Evolving, replay, waiting
from tests.support.events import KEYS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

STEPS = 150 if os.environ.get("AIRLINE_TEST_LONG") else 18
KEPT_KEYS = ("KEEP01", "KEEP02")
EPOCH = date(1970, 1, 1)
# How a column comes to be, type -> a random value of it.
TYPES: dict[str, Any] = {
    "text": lambda dice: dice.choice(["", " ", "a", "Ёлка", "x" * 3000, "'\"\\"]),
    "varchar(20)": lambda dice: dice.choice(["one", "two", ""]),
    "integer": lambda dice: dice.choice([0, -1, 2**31 - 1, dice.randrange(100)]),
    "numeric(8,3)": lambda dice: Decimal(dice.randrange(-(10**7), 10**7)).scaleb(-3),
    "boolean": lambda dice: dice.choice([True, False]),
    "timestamptz": lambda dice: (
        datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=dice.randrange(10**15))
    ),
    "timestamp": lambda dice: datetime(1969, 1, 1) + timedelta(microseconds=dice.randrange(10**17)),
    "date": lambda dice: EPOCH + timedelta(days=dice.randrange(-30_000, 30_000)),
    "bigint": lambda dice: dice.choice([2**63 - 1, -(2**63), 5]),
    "numeric(14,3)": lambda dice: Decimal(dice.randrange(10**13)).scaleb(-3),
    "jsonb": lambda dice: json.dumps({"a": dice.randrange(9), "long": "y" * dice.randrange(3000)}),
    "double precision": lambda dice: dice.choice([0.1, -1.5, 1e300, 3.0]),
}
WIDER = {"varchar(20)": "text", "integer": "bigint", "numeric(8,3)": "numeric(14,3)"}


class History:
    """A source that changes at random, and the events of it."""

    def __init__(self, evolving: Evolving, seed: int) -> None:
        self.evolving = evolving
        self.dice = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.names = 0
        # (table, column) -> type, of columns that were added and are there, and that were dropped
        self.added: dict[tuple[str, str], str] = {}
        self.dropped: dict[tuple[str, str], str] = {}
        # Tables whose rows hold values that no event has told of.
        self.unread: set[str] = set()

    def plan(self) -> list[Callable[[], None]]:
        """STEPS steps at random, in which each kind occurs."""
        weights = {
            self.write: 6,
            self.add: 3,
            self.drop: 1,
            self.again: 1,
            self.rename: 1,
            self.widen: 1,
            self.nullable: 1,
            self.there_and_back: 1,
            self.load: 2,
            self.settle: 2,
        }
        more = self.dice.choices(list(weights), list(weights.values()), k=STEPS - len(weights))
        return self.dice.sample([*weights, *more], STEPS)

    def step(self, chosen: Callable[[], None]) -> None:
        self.done[chosen.__name__] += 1
        print(f"-- {chosen.__name__}", flush=True)  # shown where the test fails
        chosen()

    def at_source(self, statement: str) -> None:
        print(f"{statement};", flush=True)
        self.evolving.at_source(statement)

    def sql(self, statement: str, parameters: Any = None) -> list[dict[str, Any]]:
        with (
            closing(psycopg2.connect(self.evolving.source_dsn, options="-c timezone=UTC")) as link,
            link,
            link.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
        ):
            psycopg2.extras.register_default_jsonb(cursor, loads=str)
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def row(self, table: str, key: str) -> dict[str, Any] | None:
        """The row as Debezium would send it, None where there is none."""
        [column] = KEYS[table]
        for found in self.sql(f"select * from {table} where {column} = %s", (key,)):
            return {name: self.sent(value) for name, value in found.items()}
        return None

    @staticmethod
    def sent(value: Any) -> Any:
        if isinstance(value, Decimal):
            return str(value)
        if isinstance(value, datetime):
            if value.tzinfo is not None:
                return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            return (value - datetime(1970, 1, 1)) // timedelta(microseconds=1)
        return (value - EPOCH).days if isinstance(value, date) else value

    def write(self) -> None:
        """Inserts, updates and deletes of both tables, in one transaction each."""
        for _ in range(self.dice.randint(1, 6)):
            table = self.dice.choice(["bookings", "tickets"])
            number = self.dice.randrange(12)
            key = f"ROW0{number:02}" if table == "bookings" else f"{number:013}"
            [name] = KEYS[table]
            before = self.row(table, key)
            if before and self.dice.random() < 0.15:
                self.sql(f"delete from {table} where {name} = %s", (key,))
                self.evolving.source.commit(("d", table, before))
                continue
            values = {
                column: None if self.dice.random() < 0.2 else TYPES[kind](self.dice)
                for (of, column), kind in self.added.items()
                if of == table and self.dice.random() < 0.7
            }
            if table == "bookings":
                values |= {"total_amount": self.dice.randrange(9), "book_date": "2026-01-01Z"}
            else:
                # Its booking is one that is never deleted.
                values |= {"book_ref": "KEEP01", "passenger_id": "P1", "passenger_name": "N"}
            listed = ", ".join(["%s"] * (len(values) + 1))
            self.sql(
                f"insert into {table} ({', '.join([name, *values])}) values ({listed})"
                f" on conflict ({name}) do update set"
                + ", ".join(f" {column} = excluded.{column}" for column in values),
                (key, *values.values()),
            )
            self.evolving.source.commit(("u" if before else "c", table, self.row(table, key)))

    def add(self, column: tuple[str, str] | None = None, kind: str | None = None) -> None:
        if column is None:
            self.names += 1
            column = self.dice.choice(["bookings", "tickets"]), f"new_{self.names}"
        kind = kind or self.dice.choice(list(TYPES))
        self.at_source(f"alter table {column[0]} add {column[1]} {kind}")
        self.added[column] = kind

    def drop(self) -> None:
        column = self.any_added()
        self.at_source(f"alter table {column[0]} drop {column[1]}")
        self.dropped[column] = self.added.pop(column)

    def again(self) -> None:
        """A column of a name that there was: no row has a value of it, whatever raw says."""
        if not self.dropped:
            self.drop()
        column = self.dice.choice(list(self.dropped))
        self.add(column, self.dropped.pop(column))
        self.unread.add(column[0])

    def rename(self) -> None:
        column = self.any_added()
        self.names += 1
        table, new = column[0], f"new_{self.names}"
        self.at_source(f"alter table {table} rename {column[1]} to {new}")
        self.added[table, new] = self.added.pop(column)
        # Nothing tells of values under the new name that were written under the old one.
        self.unread.add(table)

    def widen(self) -> None:
        column = self.any_added(WIDER)
        kind = WIDER[self.added[column]]
        self.at_source(f"alter table {column[0]} alter {column[1]} type {kind}")
        self.added[column] = kind

    def nullable(self) -> None:
        self.at_source(
            "alter table bookings alter total_amount "
            + self.dice.choice(["drop not null", "set not null"])
        )

    def there_and_back(self) -> None:
        """A column gets a type whose values cannot be read, a row is written, and back again."""
        table, name = self.any_added(["integer"])
        self.load()
        self.at_source(f"alter table {table} alter {name} type text")
        key = "ROWXXX" if table == "bookings" else "9" * 13
        values = (
            "(%s, '2026-01-01Z', 1, 'many')"
            if table == "bookings"
            else "(%s, 'KEEP01', 'P1', 'N', 'many')"
        )
        columns = (
            "book_ref, book_date, total_amount"
            if table == "bookings"
            else "ticket_no, book_ref, passenger_id, passenger_name"
        )
        [of] = KEYS[table]
        self.sql(
            f"insert into {table} ({columns}, {name}) values {values}"
            f" on conflict ({of}) do update set {name} = excluded.{name}",
            (key,),
        )
        self.evolving.source.commit(("u", table, self.row(table, key)))
        self.load()
        self.at_source(
            f"alter table {table} alter {name} type integer"
            f" using case when {name} <> 'many' then {name}::integer end"
        )
        self.evolving.source.commit(("u", table, self.row(table, key)))

    def any_added(self, kinds: Iterable[str] = TYPES) -> tuple[str, str]:
        """A column that was added, of one of these types; added now where there is none."""
        if not set(kinds) & set(self.added.values()):
            self.add(kind=self.dice.choice(list(kinds)))
        return self.dice.choice([column for column, kind in self.added.items() if kind in kinds])

    def load(self) -> None:
        self.evolving.warehouse.load("--vars", "{transaction_patience: 0 seconds}")

    def settle(self) -> None:
        """What a person does: evolve, replay, resync where the plan says so; then the audit."""
        self.load()
        warehouse = self.evolving.warehouse
        found = self.evolving.find()
        self.done.update(f"found {each.kind}" for each in found)
        if [each for each in found if each.writes]:
            before = warehouse.vault()
            self.evolving.evolve()
            warehouse.load_landed("--vars", "{transaction_patience: 0 seconds}")
            after = warehouse.vault()
            # No row of what was there got a version by it.
            assert {table: after[table] for table in before} == before
            assert not [each for each in self.evolving.find() if each.writes]
        if waiting(warehouse):
            replay(warehouse)
            # The rows were written again since.
            warehouse.rows(
                "update dwh_control.set_aside_event set resolution = 'discarded'"
                " where resolution is null"
            )
        for table in sorted(self.unread):
            rows = self.sql(f"select * from {table} order by 1")
            self.evolving.source.snapshot(
                table, *[{name: self.sent(each) for name, each in row.items()} for row in rows]
            )
        self.unread.clear()
        self.load()
        with pytest.MonkeyPatch.context() as patch:
            # What is compared stands in the checkout.
            patch.setattr(catalogue.tables, "__defaults__", (self.evolving.root,))
            results = list(audit.audit(self.evolving.source_dsn, warehouse.dsn))
        assert [each.named for each in results if each.differences] == []
        assert [each.not_kept for each in results if each.not_kept] == []

    def kept(self) -> dict[str, list[tuple]]:
        """The rows of the keys that are never written again, in every satellite there is."""
        warehouse = self.evolving.warehouse
        return {
            table: warehouse.rows(
                f"select version::text from dwh_detailed.{table} as version"
                " inner join dwh_detailed.hub_bookings as hub using (booking_hash_key)"
                " where hub.book_ref = any(%s) order by 1",
                list(KEPT_KEYS),
            )
            for table in ("sat_booking_details", "sat_booking_status")
        }


def test_random_ddl_and_dml(postgres_server, tmp_path, capsys):
    """A change of the source's tables would lose rows, stop loads, or write versions of its own."""
    seed = int(os.environ.get("AIRLINE_TEST_SEED") or random.randrange(10**6))
    with capsys.disabled():
        print(f"\nAIRLINE_TEST_SEED={seed}", flush=True)
    history = History(Evolving(postgres_server, "evolve_property", tmp_path), seed)
    for key in KEPT_KEYS:
        history.sql("insert into bookings values (%s, '2026-01-01Z', 1)", (key,))
        history.evolving.source.commit(("c", "bookings", history.row("bookings", key)))
    history.load()
    kept = history.kept()
    assert all(len(rows) == len(KEPT_KEYS) for rows in kept.values())
    history.add()
    history.write()
    for kind in history.plan():
        history.step(kind)
    history.settle()
    assert history.kept() == kept
    with capsys.disabled():
        print(f"seed {seed}: " + ", ".join(f"{n} {what}" for what, n in history.done.items()))
