"""What a click filters is what was clicked: on every chart of every dashboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.superset import assets, canonical
from tests.support.browser import needs_browser
from tests.support.clicks import MAY_BE_EMPTY, Clicks, Mark, marks
from tests.support.superset import Dashboard

pytestmark = pytest.mark.timeout(1800)

BUNDLE = assets.read()
BOARDS = {each["slug"]: each for each in assets.of_kind(BUNDLE, "dashboards").values()}
CHARTS = {Path(name).stem: each for name, each in assets.of_kind(BUNDLE, "charts").items()}


def nothing(mark: Mark) -> dict[str, str]:
    return {}


def column(name: str) -> Callable[[Mark], dict[str, str]]:
    """A chart whose marks are the values of one column."""
    return lambda mark: {name: mark.seen}


def cells_of(*columns: str) -> Callable[[Mark], dict[str, str]]:
    """A table of which these columns filter; its numbers do not."""
    return lambda mark: {mark.column: mark.seen} if mark.column in columns else {}


def linked_airport(mark: Mark) -> dict[str, str]:
    """A bar called 'City (CODE)', as its column is."""
    return {"linked_airport": mark.seen}


def route(mark: Mark) -> dict[str, str]:
    """A bar called 'CODE → CODE'."""
    start, end = mark.seen.split(" → ")
    return {"airport_code": start, "linked_airport_code": end}


# A click on them marks the cell, and no other chart listens.
FRESHNESS = ("as_of_text", "as_of_day", "freshness")
# What a click on a mark of each chart must filter by: column -> value.
WANTED: dict[str, Callable[[Mark], dict[str, str]]] = {
    "active_airports_30d": nothing,
    "active_airports_by_day": nothing,
    "airport_data_freshness": cells_of(*FRESHNESS),
    "airport_map": nothing,
    "airport_flights": cells_of(
        *("flight_day", "flight_no", "movement_name", "airport", "linked_airport", "status_name")
    ),
    "airport_routes": cells_of("airport", "linked_airport"),
    "airport_traffic": cells_of("linked_airport_code", "linked_airport_name", "linked_city"),
    "avg_check_30d": nothing,
    "booked_today": nothing,
    "booking_pace": nothing,
    "bookings_by_day": nothing,
    "bookings_today": nothing,
    "busiest_routes": route,
    "completion_30d": nothing,
    "data_freshness": cells_of(*FRESHNESS),
    "days_changed": nothing,
    "days_reported": nothing,
    "flight_share": linked_airport,
    "flights_per_passenger_30d": nothing,
    "flow_between_airports": cells_of("airport_code", "linked_airport_code"),
    "flow_by_day": nothing,
    "flyers": nothing,
    "flyers_revenue": nothing,
    "frequent_flyers": cells_of("passenger_name", "home_airport", "customer_group_name"),
    "home_airports": column("home_airport"),
    "load_factor_30d": nothing,
    "network_revenue_by_day": nothing,
    "on_time_30d": nothing,
    "on_time_reported": nothing,
    "passenger_groups": cells_of("passenger_group_name"),
    "passenger_share": linked_airport,
    "passengers_30d": nothing,
    "passengers_carried": nothing,
    "passengers_changed": nothing,
    "punctuality_by_day": nothing,
    "rask_30d": nothing,
    "returned_today": nothing,
    "returns_by_day": nothing,
    "revenue_30d": nothing,
    "revenue_by_customer_group": column("customer_group_name"),
    "revenue_by_day": nothing,
    "revenue_by_group": column("passenger_group_name"),
    "revenue_changed": nothing,
    "revenue_reported": nothing,
    "route_outlook": nothing,
    "two_periods": nothing,
    "unique_passengers_30d": nothing,
    "unique_passengers_by_day": nothing,
    "worst_routes": nothing,
}


def has_data(dashboard: Dashboard, number: int) -> bool:
    """Whether a chart was given a figure that is not nought."""
    return any(
        value for row in dashboard.rows(number) for key, value in row.items() if "date" not in key
    )


def on(board: canonical.Asset) -> dict[str, canonical.Asset]:
    """The charts of a dashboard, by name."""
    placed = set(canonical.charts_of(board))
    return {name: chart for name, chart in CHARTS.items() if chart["uuid"] in placed}


def within_reach(board: canonical.Asset, clicked: str) -> set[str]:
    """The charts of a dashboard that a click on chart `clicked` may filter."""
    metadata, own = board["metadata"], canonical.chart_number(CHARTS[clicked]["uuid"])
    configured = metadata.get("chart_configuration", {}).get(str(own), {}).get("crossFilters")
    scope = (configured or metadata["global_chart_configuration"])["scope"]
    return {
        name
        for name, chart in on(board).items()
        if name != clicked and canonical.chart_number(chart["uuid"]) not in scope["excluded"]
    }


def with_columns(board: canonical.Asset, columns: set[str]) -> set[str]:
    """The charts of a dashboard whose dataset has all of `columns`."""
    offered = {
        each["uuid"]: {column["column_name"] for column in each["columns"]}
        for each in assets.of_kind(BUNDLE, "datasets").values()
    }
    return {name for name, chart in on(board).items() if columns <= offered[chart["dataset_uuid"]]}


@needs_browser
@pytest.mark.parametrize("slug", sorted(BOARDS))
def test_a_click_filters_what_was_clicked(dashboard: Dashboard, numbers: dict[str, int], slug: str):
    """A click on a chart empties the dashboard, or filters something else."""
    charts = on(BOARDS[slug])
    assert charts.keys() <= WANTED.keys(), "say above what a click on the new chart filters"
    dashboard.open(slug, len(charts))
    person = Clicks(dashboard, {name: numbers[name] for name in charts})
    person.settle()
    faults = []
    for name, chart in charts.items():
        if name in MAY_BE_EMPTY and not has_data(dashboard, numbers[name]):
            continue
        for mark in marks(dashboard, chart, numbers[name]):
            wanted = WANTED[name](mark)
            # Who has the column follows; the chart that was clicked goes on to show all of it.
            reach = (
                with_columns(BOARDS[slug], set(wanted)) & within_reach(BOARDS[slug], name)
                if wanted
                else set()
            )
            faults += person.faults(name, mark, wanted, reach)
    assert not faults, "\n".join(faults)
