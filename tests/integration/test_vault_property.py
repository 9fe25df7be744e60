"""Random histories of the source, loaded in random batches, against a plain model in Python.

`./airline test --integration -k property --hypothesis-seed=N` tries others. AIRLINE_EXAMPLES in
the environment of pytest says how many.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.events import UNAVAILABLE, Source, airport, booking, segment, ticket
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(7200)

EXAMPLES = int(os.environ.get("AIRLINE_EXAMPLES") or 2)
# What the session tried, printed at its end.
TRIED: Counter[str] = Counter()

# table -> (row of key n in state m, its columns of the key)
ROWS = {
    "airports": lambda n, m: airport(f"P{n}P", city=["One", "one", "", " one"][m]),
    "bookings": lambda n, m: booking(f"PROP0{n}", total_amount=f"{m}.00"),
    "tickets": lambda n, m: ticket(
        f"000000000000{n}",
        passenger_name=f"Name {m % 2}",
        passenger_id=f"P{m // 3}",
        contact_data=[None, '{"a": 1}', '{"a": 1}', '{"b": "' + "x" * 50 + '"}'][m],
    ),
    "ticket_flights": lambda n, m: segment(f"000000000000{n}", 1, amount=f"{m}.00"),
}
KEYS = {
    "airports": ("airport_code",),
    "bookings": ("book_ref",),
    "tickets": ("ticket_no",),
    "ticket_flights": ("ticket_no", "flight_id"),
}
# satellite -> (source table, its attributes in the source, query for key, attributes and load date)
SATELLITES = {
    "sat_airport_details": (
        "airports",
        ("city", "airport_name"),
        "select airport_code, v.city, v.airport_name, v.load_date from dwh_detailed.{} as v"
        " inner join dwh_detailed.hub_airports using (airport_hash_key)",
    ),
    "sat_booking_details": (
        "bookings",
        ("total_amount",),
        "select book_ref, v.total_amount::text, v.load_date from dwh_detailed.{} as v"
        " inner join dwh_detailed.hub_bookings using (booking_hash_key)",
    ),
    "sat_ticket_details": (
        "tickets",
        ("book_ref", "passenger_id"),
        "select ticket_no, book_ref, passenger_id, v.load_date from dwh_detailed.{} as v"
        " inner join dwh_detailed.hub_tickets using (ticket_hash_key)"
        " inner join dwh_detailed.link_ticket_booking using (ticket_booking_hash_key)"
        " inner join dwh_detailed.hub_bookings using (booking_hash_key)"
        " inner join dwh_detailed.hub_passengers using (passenger_hash_key)",
    ),
    "sat_passenger_details": (
        "tickets",
        ("passenger_name", "contact_data"),
        "select ticket_no, v.passenger_name, v.contact_data::text, v.load_date"
        " from dwh_detailed.{} as v inner join dwh_detailed.hub_tickets using (ticket_hash_key)",
    ),
    "sat_ticket_flight_details": (
        "ticket_flights",
        ("amount",),
        "select ticket_no, flight_id, v.amount::text, v.load_date from dwh_detailed.{} as v"
        " inner join dwh_detailed.link_ticket_flight using (ticket_flight_hash_key)"
        " inner join dwh_detailed.hub_tickets using (ticket_hash_key)"
        " inner join dwh_detailed.hub_flights using (flight_hash_key)",
    ),
    "sat_airport_status": (
        "airports",
        None,
        "select airport_code, v.is_deleted, v.load_date from dwh_detailed.{} as v"
        " inner join dwh_detailed.hub_airports using (airport_hash_key)",
    ),
    "sat_ticket_status": (
        "tickets",
        None,
        "select ticket_no, v.is_deleted, v.load_date from dwh_detailed.{} as v"
        " inner join dwh_detailed.hub_tickets using (ticket_hash_key)",
    ),
    "sat_ticket_flight_status": (
        "ticket_flights",
        None,
        "select ticket_no, flight_id, v.is_deleted, v.load_date from dwh_detailed.{} as v"
        " inner join dwh_detailed.link_ticket_flight using (ticket_flight_hash_key)"
        " inner join dwh_detailed.hub_tickets using (ticket_hash_key)"
        " inner join dwh_detailed.hub_flights using (flight_hash_key)",
    ),
}

tables = st.sampled_from(sorted(ROWS))
change = st.tuples(
    tables,
    st.sampled_from(["put", "put", "put", "put without long", "change key", "delete", "truncate"]),
    st.integers(0, 3),
    st.integers(0, 3),
)
commits = st.tuples(
    st.just("commit"),
    st.lists(change, min_size=1, max_size=5),
    st.sampled_from([1, 1, 1, 0, -3600]),
)
# Many commits for each of the rest.
step = st.one_of(
    *[commits] * 7,
    st.tuples(st.just("snapshot"), tables),
    st.tuples(st.just("repeat"), st.integers(1, 30)),
    st.tuples(st.just("load"), st.integers(0, 6)),
)
histories = st.lists(step, min_size=20, max_size=50)


@dataclass
class Model:
    """What the source committed, table by table: (transaction, commit time, key, row or None)."""

    changes: dict[str, list[tuple[str, Any, tuple, dict | None]]] = field(
        default_factory=lambda: {table: [] for table in ROWS}
    )
    # Per table: the load date of its newest transaction.
    dates: dict[str, tuple[str, Any]] = field(default_factory=dict)

    def date(self, table: str, transaction: str, at: Any) -> Any:
        """The commit time, strictly later than the table's transaction before."""
        before, newest = self.dates.get(table, ("", None))
        if before != transaction:
            newest = at if newest is None else max(at, newest + timedelta(microseconds=1))
            self.dates[table] = (transaction, newest)
        return newest

    def note(self, table: str, transaction: str, at: Any, key: tuple, row: dict | None) -> None:
        self.changes[table].append((transaction, self.date(table, transaction, at), key, row))

    def history(self, table: str, attributes: tuple[str, ...] | None) -> list[tuple]:
        """The rows of a satellite: what changed from one transaction to the next, per key."""
        # The last change of a key in a transaction is what was committed.
        committed: dict[tuple, dict] = {}
        for transaction, date, key, row in self.changes[table]:
            if row is None and attributes:
                continue
            committed[key, transaction, date] = (key, date, row)
        versions: dict[tuple, list] = {}
        for key, date, row in committed.values():
            value = (row is None,) if attributes is None else tuple(row[a] for a in attributes)
            known = versions.setdefault(key, [])
            if not known or known[-1][-2:-1] != (value,):
                known.append((key, value, date))
        return sorted(
            (tuple(map(str, (*key, *value, date.timestamp()))))
            for rows in versions.values()
            for key, value, date in rows
        )


@pytest.fixture(scope="module")
def warehouse(postgres_server, tmp_path_factory):
    made = Warehouse(postgres_server, "vault_property", tmp_path_factory.mktemp("dbt"))
    made.load()
    yield made
    print(f"\nproperty test: {dict(TRIED)}; again or others: --hypothesis-seed=N, AIRLINE_EXAMPLES")


def empty(warehouse: Warehouse, *schemas: str) -> None:
    """Empties every table of these schemas, but for what says of which version they are."""
    found = warehouse.rows(
        "select format('%%I.%%I', schemaname, tablename) from pg_tables where schemaname = any(%s)"
        " and tablename <> 'migration'",
        list(schemas),
    )
    warehouse.rows("truncate " + ", ".join(name for (name,) in found))


def load(warehouse: Warehouse, *arguments: str) -> None:
    done = warehouse.dbt(
        "run", "--selector", "vault", "--exclude", "config.materialized:view", *arguments
    )
    assert done.success, messages(done)
    TRIED["loads"] += 1


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    print_blob=True,
    # The usual run tries the same few histories each time; whoever names a number gets others.
    derandomize="AIRLINE_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
    # Each example is a handful of loads: shrinking would take hours for what a seed repeats.
    phases=[p for p in settings.default.phases if p.name in ("explicit", "reuse", "generate")],
)
@given(history=histories)
def test_vault_is_what_the_source_was(warehouse, history):
    """The vault would depend on how changes came in batches, or not be what the source was."""
    empty(warehouse, "staging", "dwh_control", "dwh_stage", "dwh_detailed", "dwh_business")
    warehouse.source = Source(warehouse.dsn)
    source, model = warehouse.source, Model()
    snapshots = 0
    TRIED["histories"] += 1
    for kind, *arguments in history:
        TRIED[kind] += 1
        match kind:
            case "commit":
                commit(source, model, *arguments)
            case "snapshot":
                snapshots += 1
                snapshot(source, model, arguments[0], snapshots)
            case "repeat":
                source.repeat(arguments[0])
            case "load":
                # Some of the newest events have not landed yet: a transaction may be cut.
                source.land(max(1, len(source.pending) - arguments[0]))
                load(warehouse)
    source.land()
    load(warehouse)

    for name, (table, attributes, query) in SATELLITES.items():
        stored = warehouse.rows(query.format(name))
        actual = sorted(tuple(map(str, (*row[:-1], row[-1].timestamp()))) for row in stored)
        assert actual == model.history(table, attributes), name
        TRIED["versions"] += len(actual)

    assert warehouse.differences() == []
    assert warehouse.not_kept() == []
    stepwise = warehouse.vault()
    empty(warehouse, "dwh_control", "dwh_stage", "dwh_detailed", "dwh_business")
    load(warehouse)
    assert warehouse.not_kept() == []
    assert warehouse.vault() == stepwise, "one batch is not what many were"


def commit(source: Any, model: Model, changes: list[tuple], seconds: int) -> None:
    transaction = str(source.next_transaction)
    at = source.clock + timedelta(seconds=seconds)
    source.clock = max(source.clock, at)
    made: list[tuple[str, str, Any]] = []
    rows = {table: dict(live) for table, live in source.rows.items()}
    for table, kind, number, state in changes:
        row = ROWS[table](number, state)
        key = tuple(row[column] for column in KEYS[table])
        live = rows[table]
        if kind == "truncate":
            if seconds == 1 and number:  # now and then is enough
                continue
            made.append(("t", table, None))
            # Also of an empty table it is a transaction that the next one comes after.
            model.date(table, transaction, at)
            for each in live:
                model.note(table, transaction, at, each, None)
            live.clear()
        elif kind == "delete":
            if key not in live:
                continue
            made.append(("d", table, live.pop(key)))
            model.note(table, transaction, at, key, None)
        elif kind == "change key":
            # The long value stays, and PostgreSQL does not log what stays.
            old = ROWS[table]((number + 1 + state) % 4, state)
            gone = tuple(old[column] for column in KEYS[table])
            if gone not in live or key in live:
                continue
            before = live.pop(gone)
            row = before | {column: row[column] for column in KEYS[table]}
            sent = row
            if row.get("contact_data") is not None:
                sent = row | {"contact_data": UNAVAILABLE}
            made.append(("k", table, (old, sent)))
            live[key] = row
            model.note(table, transaction, at, gone, None)
            model.note(table, transaction, at, key, row)
        else:
            sent = row
            if kind == "put without long" and table == "tickets" and key in live:
                row = row | {"contact_data": live[key]["contact_data"]}
                if row["contact_data"] is not None:
                    sent = row | {"contact_data": UNAVAILABLE}
            made.append(("u" if key in live else "c", table, sent))
            live[key] = row
            model.note(table, transaction, at, key, row)
    if made:
        source.commit(*made, at=at)


def snapshot(source: Any, model: Model, table: str, number: int) -> None:
    for key, row in source.rows[table].items():
        model.note(table, f"snapshot {number}", source.clock, key, row)
    source.snapshot(table, *source.rows[table].values())
