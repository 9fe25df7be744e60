"""JSON of random shapes beside real events, in random batches: each is loaded or set aside.

`./airline test --integration -k property --hypothesis-seed=N` tries others. AIRLINE_EXAMPLES in
the environment of pytest says how many.
"""

from __future__ import annotations

import os
from collections import Counter
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.events import (
    JSON_NULL,
    KEYS,
    UNAVAILABLE,
    Source,
    aircraft,
    airport,
    booking,
    flight,
    segment,
    ticket,
)
from tests.support.warehouse import Warehouse, messages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

EXAMPLES = int(os.environ.get("AIRLINE_EXAMPLES") or 2)
# What the session tried, printed at its end.
TRIED: Counter[str] = Counter()

# table -> row of key n in state m
ROWS = {
    "airports": lambda n, m: airport(f"S{n}S", city=["One", "one", "", " one"][m]),
    "aircrafts": lambda n, m: aircraft(f"S{n}", range=m),
    "seats": lambda n, m: {"aircraft_code": "S0", "seat_no": f"{n}A", "fare_conditions": f"F{m}"},
    "flights": lambda n, m: flight(n + 1, status=f"Status {m}"),
    "bookings": lambda n, m: booking(f"SHAPE{n}", total_amount=f"{m}.25"),
    "tickets": lambda n, m: ticket(
        f"000000000000{n}", contact_data=[None, "{}", '{"a": 1}', "[]"][m]
    ),
    "ticket_flights": lambda n, m: segment(f"000000000000{n}", 1, amount=f"{m}.50"),
    "boarding_passes": lambda n, m: {
        "ticket_no": f"000000000000{n}",
        "flight_id": 1,
        "boarding_no": m,
        "seat_no": f"{n}A",
    },
}
TABLES = sorted(ROWS)
# How Debezium writes it -> how PostgreSQL does.
ENDS = {
    "+10000-01-01T00:00:00.000000Z": "10000-01-01 00:00:00+00",
    "0000-12-31T21:29:43.000000Z": "0001-12-31 21:29:43+00 BC",
    "infinity": "infinity",
    "POSITIVE_INFINITY": "Infinity",
    "NEGATIVE_INFINITY": "-Infinity",
}

# jsonb refuses NUL and half a surrogate pair: such a message is a dead letter, and never here.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
awkward = st.sampled_from(
    [
        *("", " ", "null", "NaN", "now", "today", "-1", "1e5", "0x10", "1_000", "\\u0000", "{"),
        *(UNAVAILABLE, "c", "d", "r", "t", "u", "BEGIN", "END", "1:1", "700", "700:1"),
        *("2026-13-45T00:00:00Z", "12345678901234.5", "0.001", "[" * 100_000, *ENDS),
    ]
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.sampled_from([0, 1, 700, 2**31, 2**63, 2**64]),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
    awkward,
)
names = st.sampled_from(
    [
        *("op", "before", "after", "source", "transaction", "txId", "lsn", "ts_us", "id", "status"),
        *("total_order", "data_collection_order", "data_collections", "event_count", "city"),
    ]
)
shapes = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names | texts, inner, max_size=6),
    max_leaves=15,
)
changes = st.tuples(
    st.sampled_from(TABLES),
    st.sampled_from(["put", "put", "put", "put without long", "delete", "truncate"]),
    st.integers(0, 2),
    st.integers(0, 3),
)
commits = st.lists(changes, min_size=1, max_size=4)
# Where in an event, what becomes of the part there, and whether the whole message is replaced.
mutations = st.tuples(st.integers(0, 200), st.sampled_from(["set", "set", "set", "gone"]), shapes)
step = st.one_of(
    *[st.tuples(st.just("commit"), commits)] * 3,
    *[st.tuples(st.just("mutate"), commits, st.integers(0, 20), mutations)] * 6,
    *[st.tuples(st.just("write"), st.sampled_from([*TABLES, "transaction"]), shapes, shapes)] * 4,
    st.tuples(st.just("load")),
)
histories = st.lists(step, min_size=60, max_size=120)


@pytest.fixture(scope="module")
def warehouse(postgres_server, tmp_path_factory):
    made = Warehouse(postgres_server, "set_aside_property", tmp_path_factory.mktemp("dbt"))
    made.load()
    yield made
    print(f"\nshapes: {dict(TRIED)}; again or others: --hypothesis-seed=N, AIRLINE_EXAMPLES")


def empty(warehouse: Warehouse) -> None:
    """Empties every table of the warehouse's layers, but keeps which version they are of."""
    found = warehouse.rows(
        "select format('%%I.%%I', schemaname, tablename) from pg_tables"
        " where schemaname = any(%s) and tablename <> 'migration'",
        ["staging", "dwh_control", "dwh_stage", "dwh_detailed", "dwh_business"],
    )
    warehouse.rows("truncate " + ", ".join(name for (name,) in found))


class Fates:
    """What became of each event: where a load read it, or that it was set aside or a repetition."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        # table -> offset -> what orders it among the changes of its row
        self.loaded: dict[str, dict[int, tuple]] = {table: {} for table in TABLES}

    def load(self, *arguments: str) -> None:
        done = self.warehouse.dbt(
            "run", "--selector", "vault", "--exclude", "config.materialized:view", *arguments
        )
        assert done.success, messages(done)
        assert self.warehouse.open_batches() == []
        TRIED["loads"] += 1
        for table in TABLES:
            read = self.warehouse.rows(
                "select kafka_offset, load_date, source_lsn, is_deleted, is_truncated"
                f" from dwh_stage.vst_{table} order by kafka_offset"
            )
            for offset, load_date, lsn, *_ in read:
                assert offset not in self.loaded[table], "loaded twice"
                self.loaded[table][offset] = (load_date, lsn or 0, offset)

    def noted(self, relation: str, table: str) -> dict[int, str]:
        """offset -> reason (or ''), of set_aside_event or repeated_event."""
        reason = "reason" if relation == "set_aside_event" else "''"
        topic = "airline." + (table if table == "transaction" else f"public.{table}")
        return dict(
            self.warehouse.rows(
                f"select kafka_offset, {reason} from dwh_control.{relation} where topic = %s", topic
            )
        )

    def rows(self) -> dict[str, dict[tuple, dict]]:
        """What the loaded events say that each table holds."""
        made: dict[str, dict[tuple, dict]] = {}
        for table in TABLES:
            values = dict(
                self.warehouse.rows(
                    f"select kafka_offset, value from staging.{table} where value is not null"
                )
            )
            state: dict[tuple, dict] = {}
            known: dict[tuple, dict] = {}
            for offset in sorted(self.loaded[table], key=self.loaded[table].__getitem__):
                value = values[offset]
                if value["op"] == "t":
                    state.clear()
                    continue
                image = value["before" if value["op"] == "d" else "after"]
                key = tuple(
                    int(image[column]) if column == "flight_id" else image[column]
                    for column in KEYS[table]
                )
                if value["op"] == "d":
                    state.pop(key, None)
                    continue
                before = known.get(key, {}) if value["op"] == "u" else {}
                state[key] = known[key] = {
                    column: before.get(column)
                    if part == UNAVAILABLE
                    else ENDS.get(part, part)
                    if isinstance(part, str)
                    else part
                    for column, part in image.items()
                }
            made[table] = state
        return made


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
def test_whatever_lands_is_loaded_or_set_aside(warehouse, history):
    """Some JSON would stop all loads, be lost without a word, or change the rows beside it."""
    empty(warehouse)
    source = warehouse.source = Source(warehouse.dsn)
    fates = Fates(warehouse)
    # (table, offset) of events that are as a connector writes them, and of what is no event at all
    whole: set[tuple[str, int]] = set()
    strange: set[tuple[str, int]] = set()
    loads = 0
    for kind, *arguments in history:
        TRIED[kind] += 1
        first, mutated = len(source.pending), None
        match kind:
            case "commit":
                commit(source, *arguments)
            case "mutate":
                commit(source, arguments[0])
                mutated = mutate(source, first, *arguments[1:])
            case "write":
                table, key, value = arguments
                source.pending.append((table, key, JSON_NULL if value is None else value))
            case "load":
                loads += 1
                if loads <= 2:
                    source.land()
                    fates.load()
        place = dict.fromkeys([*TABLES, "transaction"], 0)
        for table, _, _ in source.landed + source.pending[:first]:
            place[table] += 1
        for number, (table, _, value) in enumerate(source.pending[first:], first):
            if kind == "write" and not isinstance(value, dict):
                strange.add((table, place[table]))
            elif value is not None and (kind == "commit" or number != mutated) and kind != "write":
                whole.add((table, place[table]))
            place[table] += 1
    source.land()
    fates.load("--vars", "{transaction_patience: 0 seconds}")

    for table in [*TABLES, "transaction"]:
        aside = fates.noted("set_aside_event", table)
        again = fates.noted("repeated_event", table)
        landed = {
            offset
            for (offset,) in warehouse.rows(
                f"select kafka_offset from staging.{table} where value is not null"
            )
        }
        assert all(aside.values())
        assert aside.keys() <= landed
        assert {offset for name, offset in strange if name == table} <= aside.keys()
        for name, offset in whole:
            if name == table and offset in aside:
                assert "did not change with this event" in aside[offset], (table, offset)
        TRIED["set aside"] += len(aside)
        if table == "transaction":
            continue
        loaded = fates.loaded[table].keys()
        assert loaded | aside.keys() | again.keys() == landed, f"{table}: in neither place"
        assert not loaded & (aside.keys() | again.keys()), f"{table}: in both"
        TRIED["loaded"] += len(loaded)
    assert warehouse.differences(fates.rows()) == []
    assert warehouse.not_kept() == []


def commit(source: Source, changes: list[tuple]) -> None:
    made: list[tuple[str, str, Any]] = []
    live = {table: set(rows) for table, rows in source.rows.items()}
    for table, kind, number, state in changes:
        row = ROWS[table](number, state)
        key = tuple(row[column] for column in KEYS[table])
        if kind == "truncate":
            if number or state:  # now and then is enough
                continue
            made.append(("t", table, None))
            live[table].clear()
        elif kind == "delete":
            if key in live[table]:
                made.append(("d", table, row))
                live[table].remove(key)
        else:
            is_new = key not in live[table]
            if kind == "put without long" and table == "tickets" and not is_new:
                row |= {"contact_data": UNAVAILABLE}
            made.append(("c" if is_new else "u", table, row))
            live[table].add(key)
    if made:
        source.commit(*made)


def mutate(source: Source, first: int, which: int, mutation: tuple) -> int | None:
    """Changes one part of one of the events since `first`; returns its place in `pending`."""
    events = [n for n, (_, _, value) in enumerate(source.pending) if n >= first and value]
    if not events:
        return None
    number = events[which % len(events)]
    table, key, value = deepcopy(source.pending[number])
    place, kind, shape = mutation
    # What a row says most of the time: its columns are as many as all the rest.
    paths = [(name,) for name in value]
    paths += [
        (name, inner) for name, part in value.items() if isinstance(part, dict) for inner in part
    ]
    *way, last = paths[place % len(paths)]
    part = value
    for name in way:
        part = part[name]
    if kind == "gone":
        del part[last]
    else:
        part[last] = shape
    # Kafka's key says of which row an event is, as the row does.
    if way in (["after"], ["before"]) and key and last in key:
        key[last] = part.get(last)
    source.pending[number] = (table, key, value)
    return number
