"""An odd row is odd, alone: every column of every table at each extreme, marts right.

Each value is in a row of a world of its own (airports, aircraft, flight, booking, ticket), so that
one load has all of them. What people reported is loaded alone too; with AIRLINE_TEST_LONG, each.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg2.extras
import pytest
import yaml

from tests.support import odd_values
from tests.support.events import KEYS, aircraft, airport, booking, flight, segment, ticket
from tests.support.odd_values import Mutation
from tests.support.warehouse import ROOT, Warehouse, messages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LONG = bool(os.environ.get("AIRLINE_TEST_LONG"))
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CODES = ["AAA", "BBB", "CCC", "DDD"]
# mart -> the columns that say whose a row is
MARTS = {
    "dwh_marts.airport_traffic": ["airport_code"],
    "dwh_marts.v_airport_traffic_share": ["airport_code"],
    "dwh_marts.v_airport_map": ["airport_code"],
    "dwh_marts.airport_flights": ["flight_id", "movement"],
    "dwh_marts.v_active_airports_30d": ["flight_date"],
    "dwh_marts.v_passenger_metrics_30d": ["flight_date"],
    "dwh_marts.v_passenger_groups_revenue": ["passenger_group"],
    "dwh_marts.flight_load": ["flight_id"],
    "dwh_marts.flight_punctuality": ["flight_date", "departure_airport"],
    "dwh_marts.flight_performance": ["flight_id"],
    "dwh_marts.network_by_day": ["flight_date"],
    "dwh_marts.network_30d": ["flight_date"],
    "dwh_marts.route_performance": ["departure_airport", "arrival_airport"],
    "presentation.booking_curve": ["flight_id", "days_before_departure"],
    "presentation.airport_passenger_flow": ["flight_date", "airport_code", "linked_airport_code"],
    "presentation.frequent_flyers": ["passenger_id"],
    "presentation_pii.frequent_flyers_personal": ["passenger_id"],
    "dwh_marts.sales_by_day": ["sales_date"],
    "dwh_marts.booking_pace": ["days_before_departure"],
    "dwh_marts.route_outlook": ["departure_airport", "arrival_airport"],
    "dwh_marts.known_moments": ["known_at"],
    "dwh_marts.as_reported": ["known_at", "flight_date"],
    # one row each, of the loads and not of the source
    "dwh_marts.data_freshness": [],
    "dwh_marts.airport_data_freshness": [],
}
# Figures of a row that depend on all rows of the network.
OF_THE_NETWORK = {
    "dwh_marts.v_airport_traffic_share": ["flight_share_percent", "passenger_share_percent"],
    "dwh_marts.v_active_airports_30d": ["active_airports_30d"],
    "dwh_marts.v_passenger_metrics_30d": [
        "unique_passengers_30d",
        "revenue_30d",
        "avg_check_30d",
        "avg_flights_per_passenger_30d",
    ],
    "dwh_marts.network_30d": [
        *("flights_scheduled", "flights_cancelled", "flights_flown", "arrivals_timed"),
        *("flights_on_time", "passengers", "revenue", "seat_km", "passenger_km", "seat_km_revenue"),
        *("completion_percent", "on_time_percent", "load_factor_percent", "revenue_per_seat_km"),
    ],
    # A key that changes is a row that goes.
    "dwh_marts.sales_by_day": ["seats_returned", "returned_amount"],
    "dwh_marts.booking_pace": [
        *("usual_flights", "usual_sold_percent", "coming_flights", "coming_sold_percent"),
    ],
    "presentation.frequent_flyers": ["customer_group", "updated_at"],
    "presentation_pii.frequent_flyers_personal": ["customer_group", "updated_at"],
    "presentation.airport_passenger_flow": ["load_batch_id"],
    "dwh_marts.data_freshness": ["data_as_of", "loaded_at", "minutes_old"],
    "dwh_marts.airport_data_freshness": ["data_as_of", "loaded_at", "minutes_old"],
}
# What people saw: an arrival in 2226, bookings of -infinity and of the year 1, an amount of NaN.
REPORTED = [
    ("flights", "actual_arrival", "2226-02-19T12:00:00.000000Z"),
    ("bookings", "book_date", "-infinity"),
    ("bookings", "book_date", "0001-01-01T00:00:00.000000Z"),
    ("ticket_flights", "amount", "NAN"),
]
WHEN_MADE = {"updated_at", "load_batch_id", "data_as_of", "loaded_at", "minutes_old"}
WITHOUT_A_PAST = ("airport_passenger_flow", "data_freshness", "as_reported", "known_moments")

Rows = dict[str, dict[tuple, dict[str, Any]]]


class Marts:
    """A warehouse with a network that nothing odd happens to, and a world for each mutation."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.source = warehouse.source
        self.mutations = odd_values.mutations(source_columns())
        self._network()
        self.worlds = [odd_values.world(each.number, NOW) for each in self.mutations]
        others = [
            airport(row["flights"]["arrival_airport"], airport_name="other end")
            for row in self.worlds
        ]
        self.source.snapshot("airports", *others)
        for table in KEYS:
            self.source.snapshot(table, *[row[table] for row in self.worlds])
        warehouse.load()
        self.build()
        self.before = self.rows()

    def _network(self) -> None:
        source = self.source
        source.snapshot("airports", *[airport(each) for each in CODES])
        source.snapshot("aircrafts", aircraft("320"))
        for place in ("1A", "1B", "1C"):
            seat = {"aircraft_code": "320", "seat_no": place, "fare_conditions": "Economy"}
            source.snapshot("seats", seat)
        for number in range(20):
            reference, booked = f"C{number:05}", NOW - timedelta(days=70, hours=number)
            source.snapshot("bookings", booking(reference, book_date=booked.isoformat()))
            person = ticket(
                f"{number:013}",
                book_ref=reference,
                passenger_id=f"C{number % 7}",
                contact_data="{}",
            )
            source.snapshot("tickets", person)
        for number in range(1, 49):
            left = NOW + timedelta(days=6 - number, hours=-3)
            flown = left < NOW
            source.snapshot(
                "flights",
                flight(
                    number,
                    scheduled_departure=left.isoformat(),
                    scheduled_arrival=(left + timedelta(hours=2)).isoformat(),
                    actual_departure=(left + timedelta(minutes=number)).isoformat()
                    if flown
                    else None,
                    actual_arrival=(left + timedelta(minutes=120 + number)).isoformat()
                    if flown
                    else None,
                    departure_airport=CODES[number % 4],
                    arrival_airport=CODES[(number + 1 + number // 4 % 3) % 4],
                    status="Arrived" if flown else "Scheduled",
                ),
            )
            for person in (number % 20, (number * 7 + 1) % 20):
                fare = f"{number + person}.50"
                source.snapshot("ticket_flights", segment(f"{person:013}", number, amount=fare))

    def build(self, *arguments: str) -> None:
        """Builds the marts, with their data tests: a warning is no failure."""
        done = self.warehouse.dbt(
            *("build", "--selector", "marts", "--exclude-resource-type", "unit_test"),
            *("--vars", f"{{now: '{NOW.isoformat()}'}}", *arguments),
        )
        assert done.success, messages(done)
        self.warned = {each.node.name for each in done.result if each.status == "warn"}

    def rows(self) -> Rows:
        """Every row of every mart, by its key."""
        found: Rows = {}
        for mart, key in MARTS.items():
            rows = [row for (row,) in self.warehouse.rows(f"select to_jsonb(t) from {mart} as t")]
            found[mart] = {tuple(row[column] for column in key): row for row in rows}
            assert len(found[mart]) == len(rows), f"{mart} has a key twice"
        return found

    def apply(self, *mutations: Mutation) -> None:
        """What the source's rows of the mutations' worlds become."""
        for each in mutations:
            row = self.worlds[each.number][each.table]
            odd = row | {each.column: each.value}
            self._change(each, row, odd)
            key = tuple(odd[column] for column in KEYS[each.table])
            self.source.rows[each.table][key] = odd | {each.column: each.stored}

    def revert(self, *mutations: Mutation) -> None:
        """The rows as they were."""
        for each in mutations:
            row = self.worlds[each.number][each.table]
            self._change(each, row | {each.column: each.value}, row)

    def _change(self, each: Mutation, row: dict, becomes: dict) -> None:
        if each.is_of_key:
            self.source.commit(("k", each.table, (row, becomes)))
        else:
            self.source.commit(("u", each.table, becomes))

    def is_touched(self, mart: str, row: dict[str, Any]) -> bool:
        """Whether a row is of a world's airport, flight or passenger."""
        if "flight_id" in row:
            return not 0 < row["flight_id"] < 1_000
        if "passenger_id" in row:
            return not (row["passenger_id"][:1] == "C" and len(row["passenger_id"]) == 2)
        codes = {row[name] for name in row if name in ("airport_code", "linked_airport_code")}
        if mart.endswith(("punctuality", "route_performance", "route_outlook")):
            codes |= {row[name] for name in ("departure_airport", "arrival_airport") if name in row}
        if codes:
            return not codes <= set(CODES)
        if "passenger_group" in row:
            return True
        if "is_old" in row or "known_at" in row or "days_before_departure" in row:
            return False
        if "sales_date" in row:
            return row["sales_date"] == str((NOW - timedelta(days=40)).date())
        return row["flight_date"] == str((NOW - timedelta(days=10)).date())

    def untouched(self, found: Rows) -> Rows:
        """The rows that no mutation is about, without what depends on the whole network."""
        return {
            mart: {
                key: {
                    name: value
                    for name, value in row.items()
                    if name not in OF_THE_NETWORK.get(mart, ())
                }
                for key, row in rows.items()
                if not self.is_touched(mart, row)
            }
            for mart, rows in found.items()
        }

    def problems(self, changed: int) -> list[str]:
        """What is wrong in the marts after `changed` rows of the source were made odd."""
        found = self.rows()
        wanted, actual = self.untouched(self.before), self.untouched(found)
        problems = [
            f"{mart} {key}: {wanted[mart].get(key)} is {actual[mart].get(key)}"
            for mart in MARTS
            for key in wanted[mart].keys() | actual[mart].keys()
            if wanted[mart].get(key) != actual[mart].get(key)
        ]
        problems += [
            f"{mart} has {len(rows)} rows, {len(self.before[mart])} before"
            for mart, rows in found.items()
            if len(rows) > len(self.before[mart]) + changed
        ]
        problems += [
            f"{mart} {key}: {row}"
            for mart, rows in found.items()
            for key, row in rows.items()
            if "NaN" in row.values() or "Infinity" in row.values()
        ]
        (metrics, *_) = found["dwh_marts.v_passenger_metrics_30d"].values()
        if Decimal(str(metrics["revenue_30d"])) != self.revenue():
            problems.append(f"the window's revenue is {metrics['revenue_30d']}, {self.revenue()}")
        return problems

    def revenue(self) -> Decimal:
        """The window's revenue, of the source's rows: what is no amount of money is left out."""
        flights, tickets = self.source.rows["flights"], self.source.rows["tickets"]
        total = Decimal(0)
        for row in self.source.rows["ticket_flights"].values():
            flight_row = flights.get((row["flight_id"],))
            holder = tickets.get((row["ticket_no"],))
            if not flight_row or not holder or holder["passenger_id"] is None:
                continue
            if flight_row["status"] in ("Cancelled", None) or row["amount"] is None:
                continue
            try:
                left = datetime.fromisoformat(flight_row["scheduled_departure"])
            except (TypeError, ValueError):
                continue
            amount = Decimal(row["amount"])
            in_window = NOW - timedelta(days=30) < left <= NOW
            if in_window and amount.is_finite() and amount >= 0:
                total += amount
        return total

    def not_in_the_vault(self) -> list[str]:
        """Rows of the source that current_* lacks or has otherwise, and the reverse."""
        found = []
        for table, rows in self.source.rows.items():
            view = f"dwh_business.current_{table}"
            texts = {"aircrafts": "model", "tickets": "contact_data"}
            given = [
                {
                    name: json.loads(value) if name == texts.get(table) and value else value
                    for name, value in row.items()
                }
                for row in rows.values()
            ]
            there = f"select to_jsonb(t) - 'load_date' from {view} as t"
            wanted = (
                "select to_jsonb(t) - 'load_date'"
                f" from jsonb_populate_recordset(null::{view}, %s::jsonb) as t"
            )
            for one, other in ((there, wanted), (wanted, there)):
                difference = self.warehouse.rows(
                    f"({one}) except all ({other})", psycopg2.extras.Json(given)
                )
                found += [f"{table}: {row}"[:500] for (row,) in difference]
        return found


def source_columns() -> dict[str, dict[str, str]]:
    """table -> column -> type, as the staging models read them."""
    declared = yaml.safe_load((ROOT / "models/staging/_staging__sources.yml").read_text())
    return {
        table["name"]: table["config"]["meta"]["columns"]
        for table in declared["sources"][0]["tables"]
        if table["name"] in KEYS
    }


@pytest.fixture(scope="module")
def marts(postgres_server, tmp_path_factory) -> Marts:
    """Built, then every mutation loaded at once and built again."""
    made = Marts(Warehouse(postgres_server, "marts_odd_values", tmp_path_factory.mktemp("dbt")))
    assert made.warned == set()
    made.apply(*made.mutations)
    made.warehouse.load()
    made.build()
    return made


def test_odd_values_are_kept_in_the_vault(marts):
    """A value that PostgreSQL holds would be lost, or another, before any mart saw it."""
    assert marts.not_in_the_vault() == []


def test_marts_are_right_for_the_rest(marts):
    """One odd row would change or multiply the figures of rows that it has nothing to do with."""
    assert marts.problems(len(marts.mutations)) == []


def test_a_warning_names_the_odd_values(marts):
    """What the marts leave out would be left out without a word."""
    assert "no_value_is_implausible" in marts.warned
    found = Counter(
        marts.warehouse.rows("select table_name, column_name from dwh_business.implausible_values")
    )
    moments = len(odd_values.EXTREMES["timestamptz"])
    # NULL, and all but those of 1970 and 2099
    assert found["flights", "scheduled_departure"] == moments - 1
    assert found["flights", "scheduled_arrival"] == moments - 1
    # the one of 1970 was booked too early, and so was the flight of 2099
    assert found["bookings", "book_date"] == moments + 1
    # also 1970 and 2099, too far from the timetable, and where it is the timetable that is of then;
    # NULL is before it happens
    for column in ("actual_departure", "actual_arrival"):
        assert found["flights", column] == moments + 2, column
    # NaN, and what is negative, and NULL
    assert found["ticket_flights", "amount"] == 4
    assert found["bookings", "total_amount"] == 4
    for column in ("book_ref", "passenger_id"):
        assert found["tickets", column] == 1


def test_past_can_be_asked_about(marts):
    """What a mart said before would be an error from the odd row's day on."""
    for mart in MARTS:
        if not mart.endswith(WITHOUT_A_PAST):
            marts.warehouse.rows(f"select count(*) from {mart}_as_of(%s)", marts.source.clock)


def test_full_refresh_gives_the_same(marts):
    """Marts made anew would differ from those brought up to date, or not come to an end."""
    before = marts.rows()
    marts.build("--full-refresh")
    after = marts.rows()
    for rows in (before, after):
        for row in (row for mart in rows.values() for row in mart.values()):
            for name in WHEN_MADE & row.keys():
                del row[name]
    assert after == before


def test_corrected_values_leave_nothing_behind(marts):
    """A mistake that was corrected at the source would stay in a mart."""
    marts.revert(*marts.mutations)
    marts.warehouse.load()
    assert marts.not_in_the_vault() == []
    marts.build()
    assert marts.warned == set()
    # A row that was deleted under its key, and is there again, has a history.
    with_history = {each.number for each in marts.mutations if each.is_of_key}
    curve = "presentation.booking_curve"
    after, before = marts.rows(), dict(marts.before)
    for rows in (after, before):
        rows[curve] = {
            key: row for key, row in rows[curve].items() if key[0] - 1_000 not in with_history
        }
        for row in (row for mart in rows.values() for row in mart.values()):
            for name in WHEN_MADE & row.keys():
                row[name] = None
    assert after == before


@pytest.mark.timeout(6 * 3600)
def test_each_odd_value_alone(marts):
    """A value that others hide would break the marts when it comes alone."""
    found, before = [], []
    for each in marts.mutations:
        if not LONG and (each.table, each.column, each.value) not in REPORTED:
            continue
        # the one before is put right by the same load
        marts.revert(*before)
        marts.apply(each)
        before = [each]
        marts.warehouse.load()
        variables = f"{{now: '{NOW.isoformat()}'}}"
        done = marts.warehouse.dbt("run", "--select", "path:models/marts", "--vars", variables)
        problems = marts.problems(1) if done.success else [messages(done)]
        found += [f"{each}: {problem}" for problem in problems]
    assert before
    assert found == []
