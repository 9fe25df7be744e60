"""Clicks on the marks of a dashboard's charts, and what Superset makes of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from typing import Any

from infra.superset.canonical import Asset
from tests.support.superset import Dashboard

# Until the page has done what a click asks for, milliseconds; a click that asks for nothing has
# only this long to do it all the same: Superset waits 300 for a second click.
PATIENCE = 30_000
NOTHING = 1_500
# How often a mark is clicked until something happens.
CLICKS = 3
# Corrections, returns, and routes with ten flights in 30 days: there may be none.
MAY_BE_EMPTY = {
    *("days_reported", "days_changed", "passengers_changed", "revenue_changed"),
    *("returned_today", "returns_by_day"),
    "worst_routes",
}
# Where somebody has clicked the present day: of that there is no whole day yet.
EMPTY_ON_A_DAY = MAY_BE_EMPTY | {"active_airports_by_day"}
# Tiles of the map, pixels, at zoom 0.
WORLD = 512

# The page's own state: the filters of each chart's clicks, and what each chart shows; of chart
# `whole` all rows, of others the first two.
STATE = """(whole) => {
    const app = document.getElementById('app');
    const left = [app[Object.keys(app).find((each) => each.startsWith('__reactContainer'))]];
    let store = null;
    while (!store && left.length) {
        const fiber = left.pop();
        if (fiber.memoizedProps?.store?.getState) store = fiber.memoizedProps.store;
        if (fiber.sibling) left.push(fiber.sibling);
        if (fiber.child) left.push(fiber.child);
    }
    const {dataMask, charts} = store.getState();
    const filters = Object.fromEntries(Object.entries(dataMask)
        .filter(([id, mask]) => /^\\d+$/.test(id) && (
            mask.extraFormData?.filters?.length || (mask.filterState?.value ?? null) !== null))
        .map(([id, mask]) => [id, mask.extraFormData?.filters ?? []]));
    const shown = Object.fromEntries(Object.values(charts).map((chart) => [chart.id, {
        status: chart.chartStatus, alert: chart.chartAlert ?? null,
        data: (chart.queriesResponse?.[0]?.data ?? [])
            .slice(0, chart.id === whole ? undefined : 2)}]));
    return {filters, shown};
}"""

# Where the map's window is: [longitude, latitude, zoom] of its middle.
VIEW = """(id) => {
    const place = document.querySelector(`#chart-id-${id} canvas`);
    for (let element = place; element; element = element.parentElement) {
        const key = Object.keys(element).find((each) => each.startsWith('__reactFiber$'));
        for (let fiber = key && element[key]; fiber; fiber = fiber.return)
            for (let hook = fiber.memoizedState; hook?.next !== undefined; hook = hook.next) {
                const view = hook.memoizedState;
                if (view?.zoom !== undefined && view.longitude !== undefined)
                    return [view.longitude, view.latitude, view.zoom];
            }
    }
}"""

# The marks that ECharts drew in a chart, as a person sees them: [what it says, x, y] of each.
MARKS = """(id) => {
    const place = document.querySelector(`#chart-id-${id} [_echarts_instance_]`);
    const key = Object.keys(place).find((each) => each.startsWith('__reactFiber$'));
    let drawn = null;
    for (let fiber = place[key]; fiber && !drawn; fiber = fiber.return)
        for (let hook = fiber.memoizedState; hook?.next !== undefined; hook = hook.next)
            if (hook.memoizedState?.current?.getZr) drawn = hook.memoizedState.current;
    const box = place.getBoundingClientRect();
    const found = [];
    for (const series of drawn.getModel().getSeries()) {
        const data = series.getData();
        for (let i = 0; i < data.count(); i++) {
            const bar = data.getItemLayout(i), raw = data.getRawDataItem(i);
            const value = raw?.value ?? raw;
            const [x, y] = bar?.width !== undefined
                ? [bar.x + bar.width / 2, bar.y + bar.height / 2]
                : drawn.convertToPixel({seriesIndex: series.seriesIndex}, value);
            if (bar?.width !== undefined && !(Math.abs(bar.width) > 2 && Math.abs(bar.height) > 2))
                continue;
            if (!drawn.getZr().handler.findHover(x, y).target) continue;
            found.push([data.getName(i) || String(value[0]), box.x + x, box.y + y]);
        }
    }
    return found;
}"""

# The words and figures that ECharts drew in a chart: [text, whether all of it is in the picture].
TEXTS = """(id) => {
    const place = document.querySelector(`#chart-id-${id} [_echarts_instance_]`);
    const key = Object.keys(place).find((each) => each.startsWith('__reactFiber$'));
    let drawn = null;
    for (let fiber = place[key]; fiber && !drawn; fiber = fiber.return)
        for (let hook = fiber.memoizedState; hook?.next !== undefined; hook = hook.next)
            if (hook.memoizedState?.current?.getZr) drawn = hook.memoizedState.current;
    return drawn.getZr().storage.getDisplayList(true)
        .filter((each) => each.type === 'tspan' && each.style.text)
        .map((each) => {
            const box = each.getBoundingRect().clone();
            if (each.transform) box.applyTransform(each.transform);
            return [each.style.text, box.x >= -1 && box.x + box.width <= drawn.getWidth() + 1];
        });
}"""


@dataclass(frozen=True)
class Mark:
    """A mark in a chart: what it says, where it is in the window (pixels), its table's column."""

    seen: str
    x: float
    y: float
    column: str = ""


def marks(dashboard: Dashboard, chart: Asset, number: int) -> list[Mark]:
    """Marks of a drawn chart to click on: of a table a cell of each column, of others two."""
    kind = chart["viz_type"]
    if kind.startswith("echarts_"):
        # A chart that was just asked anew is drawn again, bar by bar.
        found, waited = [], 0
        while not found and waited < PATIENCE:
            dashboard.page.wait_for_timeout(100)
            waited += 100
            found = [Mark(*each) for each in dashboard.page.evaluate(MARKS, number)]
    elif kind == "table":
        return list(_cells(dashboard, chart["params"], number))
    elif kind == "deck_scatter":
        found = list(_circles(dashboard, chart["params"], number))
    elif kind in ("big_number_total", "big_number"):
        figure = dashboard.page.locator(f"#chart-id-{number} .header-line")
        box = figure.bounding_box()
        found = [Mark(figure.inner_text(), box["x"] + 10, box["y"] + box["height"] / 2)]
    else:
        raise AssertionError(f"this module knows no mark of a {kind}: teach it")
    assert found, f"«{chart['slice_name']}» drew no mark"
    return list(dict.fromkeys((found[0], found[-1])))


def _cells(dashboard: Dashboard, params: dict, number: int) -> Iterator[Mark]:
    raw = params.get("query_mode") == "raw"
    columns = params["all_columns"] if raw else [*params["groupby"], *params["metrics"]]
    rows = dashboard.page.locator(f"#chart-id-{number} tbody tr")
    row = rows.nth(min(1, rows.count() - 1))
    for place, column in enumerate(columns):
        cell = row.locator("td").nth(place)
        box = cell.bounding_box()
        # In the text: the bar of a number may not reach the middle of its cell.
        yield Mark(cell.inner_text(), box["x"] + 8, box["y"] + box["height"] / 2, column)


def places(dashboard: Dashboard, params: dict, number: int) -> Iterator[tuple[dict, float, float]]:
    """Each row of a map, the largest traffic first, and where its circle is in the window."""
    box = dashboard.page.locator(f"#chart-id-{number} canvas").first.bounding_box()
    middle, level, zoom = dashboard.page.evaluate(VIEW, number)
    size = WORLD * 2**zoom

    def north(latitude: float) -> float:
        return math.asinh(math.tan(math.radians(latitude))) / (2 * math.pi)

    rows = dashboard.page.evaluate(STATE, number)["shown"][str(number)]["data"]
    size_of, place = params["point_radius_fixed"]["value"], params["spatial"]
    for row in sorted(rows, key=lambda row: row[size_of], reverse=True):
        longitude, latitude = (
            map(float, row[place["lonlatCol"]].split(place["delimiter"]))
            if place["type"] == "delimited"
            else (row[place["lonCol"]], row[place["latCol"]])
        )
        east = (longitude - middle) / 360
        down = north(level) - north(latitude)
        yield (
            row,
            box["x"] + box["width"] / 2 + east * size,
            box["y"] + box["height"] / 2 + down * size,
        )


def _circles(dashboard: Dashboard, params: dict, number: int) -> Iterator[Mark]:
    """The largest circle of a map that says its airport when the mouse is over it."""
    for row, x, y in list(places(dashboard, params, number))[:5]:
        # Beside the middle: a person does not hit it to the pixel.
        y += 2
        # What is under the mouse is looked up when it moves, and told after the map is drawn.
        dashboard.page.mouse.move(x - 30, y)
        dashboard.page.wait_for_timeout(500)
        dashboard.page.mouse.move(x, y)
        for _ in range(100):
            dashboard.page.wait_for_timeout(200)
            tooltip = "".join(dashboard.page.locator(".deckgl-tooltip").all_inner_texts())
            if row["linked_airport"] in tooltip:
                yield Mark(tooltip, x, y)
                return


class Clicks:
    """A person who clicks on an open dashboard."""

    def __init__(self, dashboard: Dashboard, charts: dict[str, int]) -> None:
        """`charts`: name of each chart on the dashboard -> its id in this Superset."""
        self.dashboard = dashboard
        self.charts = charts
        self._names = {number: name for name, number in charts.items()}

    def faults(self, name: str, mark: Mark, wanted: dict[str, str], reach: set[str]) -> list[str]:
        """Clicks on `mark`, looks at all charts, and takes the filter away again.

        `wanted`: column -> value that the click must filter by, {} if nothing. `reach`: the charts
        that must be filtered then, and no others.
        """
        self.dashboard.answers.clear()
        # A chart that is being drawn again hears no click: then a person clicks once more.
        for _ in range(CLICKS if wanted else 1):
            self.dashboard.page.mouse.click(mark.x, mark.y)
            filters = self._filters(name, patience=PATIENCE // CLICKS if wanted else NOTHING)
            if filters:
                break
        what = f"{name}, a click on {mark.column} «{mark.seen}»".replace("on  ", "on ")
        found = []
        if filters != ({name: wanted} if wanted else {}):
            found.append(f"{what} filters {filters}, not {wanted or 'nothing'}")
        if filters:
            if wanted:
                self.until(
                    lambda: reach <= self._asked(wanted).keys() or filters != {name: wanted},
                    f"{what}: not all of {reach} were asked with the filter",
                )
            self.settle()
            found += self._seen(what, filters, reach if wanted else set())
            self.clear()
        else:
            self.settle()
        return found + [f"{what}, taken back: {each}" for each in self.broken()]

    def _seen(self, what: str, filters: dict, reach: set[str]) -> Iterator[str]:
        """What is wrong while a filter is on."""
        is_of_a_day = any("flight_day" in columns for columns in filters.values())
        broken = self.broken(EMPTY_ON_A_DAY if is_of_a_day else MAY_BE_EMPTY)
        yield from (f"{what}: {each}" for each in broken)
        [*values] = [value for columns in filters.values() for value in columns.values()]
        said = self.dashboard.page.locator(".ant-tag:has(.ant-tag-close-icon)").all_inner_texts()
        if len(said) != 1 or not all(str(value) in said[0] for value in values):
            yield f"{what}: the filter bar says {said}, and {values} is filtered"
        asked = {
            name: rejected
            for columns in filters.values()
            for name, rejected in self._asked(columns).items()
        }
        if asked.keys() != reach:
            yield f"{what} filters {sorted(asked)}, not {sorted(reach)}"
        for name, rejected in asked.items():
            if rejected:
                yield f"{what}: {name} has no {rejected}"

    def _filters(self, name: str, patience: float) -> dict[str, dict[str, str]]:
        """Chart -> column -> value of all clicks' filters; waits for one of chart `name`."""
        waited = 0
        while True:
            state = self.dashboard.page.evaluate(STATE)["filters"]
            if str(self.charts[name]) in state or waited >= patience:
                break
            self.dashboard.page.wait_for_timeout(100)
            waited += 100
        return {
            self._names[int(number)]: {
                str(each["col"]): _only(each["val"]) if each["op"] == "IN" else json.dumps(each)
                for each in filters
            }
            for number, filters in state.items()
        }

    def _asked(self, columns: dict[str, str]) -> dict[str, list[str]]:
        """Charts that were asked for data with these filters -> the columns they lack."""
        asked = {}
        for number, _, question, came in list(self.dashboard.answers):
            for query in question.get("queries", []):
                given = {
                    each["col"]: _only(each["val"])
                    for each in query.get("filters", [])
                    if each["op"] == "IN" and isinstance(each["col"], str)
                }
                if columns and columns.items() <= given.items() and number in self._names:
                    rejected = (came.get("result") or [{}])[0].get("rejected_filters", [])
                    asked[self._names[number]] = [each["column"] for each in rejected]
        return asked

    def broken(self, may_be_empty: Set[str] = MAY_BE_EMPTY) -> list[str]:
        """Charts that show no data, or an error in its place."""
        shown = self.dashboard.page.evaluate(STATE)["shown"]
        found = [f"a chart says {each!r}" for each in self.dashboard.errors()]
        for name, number in self.charts.items():
            chart = shown[str(number)]
            if chart["alert"] or chart["status"] == "failed":
                found.append(f"{name} ended in error: {chart['alert']}")
            elif name not in may_be_empty and not any(
                value for row in chart["data"] for value in row.values()
            ):
                found.append(f"{name} is empty")
        refused = {
            self._names.get(n, n) for n, status, _, _ in self.dashboard.answers if status != 200
        }
        return found + [f"{each} was refused its data" for each in sorted(map(str, refused))]

    def settle(self) -> None:
        """Waits until every chart is drawn again."""

        def drawn() -> bool:
            shown = self.dashboard.page.evaluate(STATE)["shown"]
            return all(
                shown[str(number)]["status"] in ("rendered", "success", "failed")
                for number in self.charts.values()
            )

        self.dashboard.page.wait_for_timeout(300)
        self.until(drawn, "the charts were not drawn again")

    def clear(self) -> None:
        """Takes the filter off as a person does: by the cross of its tag in the filter bar."""
        crosses = self.dashboard.page.locator(".ant-tag .ant-tag-close-icon")
        while crosses.count():
            crosses.first.click()
            self.dashboard.page.wait_for_timeout(200)
        self.until(
            lambda: not self.dashboard.page.evaluate(STATE)["filters"], "the filter stays on"
        )
        self.settle()

    def until(self, holds: Callable[[], bool], otherwise: str) -> None:
        for _ in range(PATIENCE // 100):
            if holds():
                return
            self.dashboard.page.wait_for_timeout(100)
        raise AssertionError(otherwise)


def _only(value: Any) -> str:
    """The value of a filter of one; all of them as JSON where there are several."""
    if isinstance(value, list) and len(value) == 1:
        return str(value[0])
    return json.dumps(value)
