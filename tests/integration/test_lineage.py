"""Lineage against what happens: a column of the source is changed, and marts say other things.

Each column is changed in a copy of one loaded warehouse: some rows get the value of another row,
some one that was never there, some none at all. What then differs in a mart, `./airline impact`
must have named. Marts are asked by the SQL that dbt compiled of them.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql

import catalogue
from infra import warehouse as schemas
from infra.lineage import command, impact
from infra.lineage.deps import Origin
from infra.lineage.project import Lineage
from infra.testing import personal
from tests.integration.test_marts_odd_values import MARTS
from tests.support.events import KEYS, aircraft, airport, booking, flight, segment, ticket
from tests.support.warehouse import Warehouse, messages

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAME = "lineage"
COPY = f"{NAME}_as_loaded"
# They say when a row was written.
WHEN_MADE = {"updated_at", "load_batch_id"}
# They say when something was loaded: each load changes them, whatever it brings.
OF_LOADS = {
    "dwh_marts.data_freshness",
    "dwh_marts.airport_data_freshness",
    "dwh_marts.known_moments",
}
COLUMNS = [
    Origin(name, column) for name, table in catalogue.tables().items() for column in table.columns
]
# Two that only decide which rows count, one that is money, one that no mart reads.
SOME = [
    Origin("flights", "status"),
    Origin("tickets", "passenger_id"),
    Origin("ticket_flights", "amount"),
    Origin("airports", "timezone"),
]

Rows = dict[str, list[dict[str, Any]]]


class World:
    """A loaded warehouse, a copy of it as it was loaded, and what lineage says."""

    def __init__(self, server: Any, folder: Any) -> None:
        self.server = server
        self.warehouse = Warehouse(server, NAME, folder)
        for table, rows in network().items():
            self.warehouse.source.snapshot(table, *rows)
        self.warehouse.load()
        variables = ("--vars", f"{{now: '{NOW.isoformat()}'}}")
        done = self.warehouse.dbt(
            *("build", "--selector", "marts", "--exclude-resource-type", "unit_test", "test"),
            *variables,
        )
        assert done.success, messages(done)
        done = self.warehouse.dbt("compile", "--full-refresh", *variables)
        assert done.success, messages(done)
        manifest = command.read(self.warehouse.folder / "target")
        self.marts = Lineage(manifest, catalogue.tables()).marts()
        self.models = {
            f"{model['schema']}.{model['alias']}": model for model in manifest.published()
        }
        self.queries = {name: model["compiled_code"] for name, model in self.models.items()}
        self.source = copy.deepcopy(self.warehouse.source)
        self.before = self.rows()
        self._database(f"create database {COPY} template {NAME}")

    def _database(self, *statements: str) -> None:
        with closing(psycopg2.connect(self.server.dsn())) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for each in statements:
                    cursor.execute(sql.SQL(each))

    def rows(self) -> Rows:
        """What every mart says."""
        return {
            mart: [
                row
                for (row,) in self.warehouse.rows(
                    f"select to_jsonb(mart) from (\n{query}\n) as mart"
                )
            ]
            for mart, query in self.queries.items()
        }

    def changed_by(self, origin: Origin) -> set[tuple[str, str]]:
        """The (mart, column) that say something else when the column of the source is changed."""
        self._database(
            f"drop database {NAME} with (force)", f"create database {NAME} template {COPY}"
        )
        # Grants on a database are not copied with it.
        schemas.make(self.warehouse.settings, self.server.server)
        self.warehouse.source = copy.deepcopy(self.source)
        for number, row in enumerate(list(self.source.rows[origin.table].values())):
            self._change(origin, number, row)
        self.warehouse.load()
        after = self.rows()
        return {
            (mart, column)
            for mart, rows in self.before.items()
            if mart not in OF_LOADS
            for column in differences(*of_both_loads(rows, after[mart]), MARTS[mart])
        }

    def _change(self, origin: Origin, number: int, row: dict[str, Any]) -> None:
        value = changed(origin, number, row, list(self.source.rows[origin.table].values()))
        if value == row[origin.column]:
            return
        becomes = row | {origin.column: value}
        source, is_key = self.warehouse.source, origin.column in KEYS[origin.table]
        if not is_key:
            source.commit(("u", origin.table, becomes))
        elif tuple(becomes[each] for each in KEYS[origin.table]) not in source.rows[origin.table]:
            source.commit(("k", origin.table, (row, becomes)))

    def predicted(self, origin: Origin) -> set[tuple[str, str]]:
        """The (mart, column) that lineage names."""
        return {
            (mart, column)
            for mart, columns in impact.of_source(origin, self.marts, []).marts.items()
            for column in columns
        }


def network() -> dict[str, list[dict[str, Any]]]:
    """Four airports, two aircraft, flights of the last weeks and the next days, and who is on them;
    no two rows alike in any column.
    """
    codes = ["AAA", "BBB", "CCC", "DDD"]
    seats = {"320": ["1A", "1B", "1C", "2A"], "773": ["1A", "2B", "3C"]}
    found: dict[str, list[dict[str, Any]]] = {table: [] for table in KEYS}
    found["airports"] = [
        airport(
            code,
            airport_name=f"Airport {code}",
            city=f"City {code}",
            coordinates_lon=str(10 * number + 1),
            coordinates_lat=str(7 * number + 2),
            timezone=f"Etc/GMT+{number}",
        )
        for number, code in enumerate(codes)
    ]
    found["aircrafts"] = [
        aircraft(code, model=f'{{"en": "{code}"}}', range=3000 + number)
        for number, code in enumerate(seats)
    ]
    found["seats"] = [
        {"aircraft_code": code, "seat_no": place, "fare_conditions": fare}
        for code, places in seats.items()
        for place, fare in zip(places, ("Business", *["Economy"] * 3), strict=False)
    ]
    for number in range(1, 25):
        left = NOW + timedelta(days=number - 20, hours=-number % 5)
        status = "Scheduled" if left > NOW else ("Arrived", "Departed", "Cancelled")[number % 3]
        flown = status in ("Arrived", "Departed")
        found["flights"].append(
            flight(
                number,
                flight_no=f"SU{number:04}",
                scheduled_departure=moment(left),
                scheduled_arrival=moment(left + timedelta(hours=2, minutes=number)),
                departure_airport=codes[number % 4],
                arrival_airport=codes[(number + 1 + number // 4 % 3) % 4],
                status=status,
                aircraft_code=list(seats)[number % 2],
                actual_departure=moment(left + timedelta(minutes=number)) if flown else None,
                actual_arrival=moment(left + timedelta(hours=2, minutes=3 * number))
                if status == "Arrived"
                else None,
            )
        )
    for number in range(10):
        booked = NOW - timedelta(days=24 + number, hours=number)
        reference = f"B{number:05}"
        found["bookings"].append(
            booking(reference, book_date=moment(booked), total_amount=f"{900 + number}.00")
        )
        for person in range(2):
            # Some people have several tickets, under names that were spelled anew.
            name = (number + 3 * person) % 7
            ticket_no = f"{10 * number + person:013}"
            found["tickets"].append(
                ticket(
                    ticket_no,
                    book_ref=reference,
                    passenger_id=f"P{name}",
                    passenger_name=f"Name {number} {person}",
                    contact_data=f'{{"phone": "{number}"}}',
                )
            )
            for place in range(4):
                flight_id = 1 + (5 * number + 7 * person + 6 * place) % 24
                found["ticket_flights"].append(
                    segment(
                        ticket_no,
                        flight_id,
                        fare_conditions=("Economy", "Business")[place % 2],
                        amount=f"{100 + 13 * number + place}.50",
                    )
                )
                if found["flights"][flight_id - 1]["actual_departure"]:
                    found["boarding_passes"].append(
                        {
                            "ticket_no": ticket_no,
                            "flight_id": flight_id,
                            "boarding_no": number + 1,
                            "seat_no": seats["320"][place],
                        }
                    )
    return found


def moment(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def changed(origin: Origin, number: int, row: dict[str, Any], rows: list[dict[str, Any]]) -> Any:
    """What a row's value becomes: another row's, a new one, none, or itself."""
    table, value = catalogue.tables()[origin.table], row[origin.column]
    kind, way = table.columns[origin.column], number % 4
    if way == 0:
        return rows[(number + 1) % len(rows)][origin.column]
    if way == 1:
        return new(kind, number, value)
    if way == 2 and origin.column not in table.key:
        return None
    return value


def new(kind: str, number: int, value: Any) -> Any:
    """A value of this type that no row has."""
    if kind == "timestamptz":
        then = datetime.fromisoformat(value) if value else NOW - timedelta(days=2)
        return moment(then - timedelta(days=1, hours=5, minutes=number))
    if kind == "jsonb":
        return f'{{"en": "new {number}"}}'
    if kind == "text":
        return f"N{number:02}"
    return 700 + number if kind in ("integer", "bigint") else f"{70 + number}.25"


def of_both_loads(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[list]:
    """Both without what was reported at a moment of one of them alone."""
    moments = [{row.get("known_at") for row in rows} for rows in (before, after)]
    known = (moments[0] & moments[1]) | {None}
    return [[row for row in rows if row.get("known_at") in known] for rows in (before, after)]


def differences(
    before: list[dict[str, Any]], after: list[dict[str, Any]], key: list[str]
) -> Iterator[str]:
    """The columns of which a row of the same key says something else, or that hold other values in
    all: a row more, a row less.
    """
    keyed = [{tuple(row[each] for each in key): row for row in rows} for rows in (before, after)]
    both = keyed[0].keys() & keyed[1].keys()
    for column in {column for row in (*before, *after) for column in row} - WHEN_MADE:
        values = [sorted(repr(row[column]) for row in rows) for rows in (before, after)]
        if values[0] != values[1] or any(
            keyed[0][each][column] != keyed[1][each][column] for each in both
        ):
            yield column


@pytest.fixture(scope="module")
def world(postgres_server, tmp_path_factory) -> World:
    return World(postgres_server, tmp_path_factory.mktemp("dbt"))


def problems(world: World, origins: list[Origin]) -> list[str]:
    """What lineage missed; prints how much of what it named did change."""
    found, named, right = [], 0, 0
    for origin in origins:
        changes, predicted = world.changed_by(origin), world.predicted(origin)
        found += [
            f"{origin.table}.{origin.column} changed {mart}.{column}, and lineage does not say so"
            for mart, column in sorted(changes - predicted)
        ]
        reads = impact.of_source(origin, world.marts, []).marts
        if any("value" in columns.values() for columns in reads.values()) and not changes:
            found.append(f"{origin.table}.{origin.column}: the test's change changed nothing")
        named, right = named + len(predicted), right + len(changes & predicted)
        print(f"{origin.table}.{origin.column}: {len(changes)} changed, {len(predicted)} named")
    print(f"of {named} columns of marts that lineage names, {right} changed")
    return found


@pytest.mark.timeout(1800)
def test_lineage_names_what_changes(world):
    """A person would be told that nobody reads a column, and break a dashboard."""
    assert problems(world, SOME) == []


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_lineage_names_what_every_column_changes(world):
    """One way from a column to a chart would be missing."""
    assert problems(world, [each for each in COLUMNS if each not in SOME]) == []


def test_no_mart_says_who_somebody_is_but_to_few(world):
    """A column with another name than at the source carries names into a mart, past lint."""
    marked = {
        Origin(table.name, column)
        for table in catalogue.tables().values()
        for column in table.personal
    }
    found = {
        (mart, column)
        for mart, relation in world.marts.items()
        for column, deps in relation.columns.items()
        # Of counts and sums nobody is read.
        if deps.value & marked and world.models[mart]["columns"][column]["data_type"] == "text"
    }
    flyers = ("presentation.frequent_flyers", "presentation_pii.frequent_flyers_personal")
    assert {(mart, column) for mart in flyers for column in ("passenger_id", "passenger_name")} <= (
        found
    )
    assert [
        (mart, column)
        for mart, column in found
        if not personal.is_covered(world.models[mart], column)
    ] == []


def test_the_verb_asks_the_warehouse_once(world, capsys, monkeypatch):
    """`./airline impact` would not get the models' SQL, or keep people waiting each time."""
    settings = world.warehouse.settings
    asked = argparse.Namespace(column="tickets.passenger_id", json=True)
    assert command.run(settings, asked) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["marts"]["presentation.frequent_flyers"]["passenger_id"] == "value"
    assert "Пассажиры" in said["dashboards"]

    def complaint(*_arguments: str) -> str:
        return "dbt was asked again"

    monkeypatch.setattr(command.runner, "complaint", complaint)
    assert command.run(settings, asked) == 0
    assert json.loads(capsys.readouterr().out) == said
