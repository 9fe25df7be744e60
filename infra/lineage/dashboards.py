"""Which columns of which marts each chart and filter reads, by the dashboards' files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.superset import assets, canonical, chain
from infra.superset.canonical import Asset, Bundle


@dataclass(frozen=True)
class Reader:
    """A chart, or a filter of a dashboard; `mart` is `schema.name`."""

    kind: str
    title: str
    dashboards: tuple[str, ...]
    mart: str
    columns: frozenset[str]


def readers(bundle: Bundle) -> list[Reader]:
    """Every chart that is on a dashboard, and every filter, by their titles."""
    datasets = {each["uuid"]: each for each in assets.of_kind(bundle, "datasets").values()}
    boards = list(assets.of_kind(bundle, "dashboards").values())
    found = [
        Reader(
            "chart",
            chart["slice_name"],
            shown,
            _mart(datasets[chart["dataset_uuid"]]),
            _of_mart(datasets[chart["dataset_uuid"]], set(_asked(chart["params"]))),
        )
        for chart in assets.of_kind(bundle, "charts").values()
        if (shown := _shown_on(chart, boards)) and chart.get("dataset_uuid") in datasets
    ]
    for board in boards:
        for each in board["metadata"].get("native_filter_configuration", []):
            for target in each.get("targets", []):
                # A time range names no dataset.
                if target and (dataset := datasets.get(target["datasetUuid"])):
                    columns = _of_mart(dataset, {target["column"]["name"]})
                    title = board["dashboard_title"]
                    found.append(Reader("filter", each["name"], (title,), _mart(dataset), columns))
    return sorted(found, key=lambda each: (each.kind, each.title, each.mart))


def _mart(dataset: Asset) -> str:
    return f"{dataset['schema']}.{dataset['table_name']}"


def _shown_on(chart: Asset, boards: list[Asset]) -> tuple[str, ...]:
    return tuple(
        sorted(
            board["dashboard_title"]
            for board in boards
            if chart["uuid"] in canonical.charts_of(board)
        )
    )


def _asked(params: Any) -> Iterator[str]:
    """The columns and metrics that a chart names."""
    yield from chain.used_columns(params)
    yield from chain.used_metrics(params)
    # A row is the first one by a column that may not be shown: '["flights_number", false]'.
    yield from (json.loads(each)[0] for each in params.get("order_by_cols") or ())
    for expression in _expressions(params):
        yield from chain.identifiers(expression)


def _expressions(value: Any) -> Iterator[str]:
    """The SQL that was written into a chart: filters and metrics of its own."""
    if isinstance(value, dict):
        if isinstance(value.get("sqlExpression"), str):
            yield value["sqlExpression"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _expressions(each)


def _of_mart(dataset: Asset, names: set[str]) -> frozenset[str]:
    """The mart's columns behind columns and metrics of its dataset."""
    expressions = {
        each["column_name"]: each["expression"] for each in dataset["columns"] if each["expression"]
    } | {each["metric_name"]: each["expression"] for each in dataset["metrics"]}
    given = {each["column_name"] for each in dataset["columns"]} - expressions.keys()
    found, waiting, seen = set(), list(names), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in expressions:
            waiting += chain.identifiers(expressions[name])
        if name in given:
            found.add(name)
    return frozenset(found)
