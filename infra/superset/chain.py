"""Checks the references dashboard → chart → dataset → dbt model and column, from the files only.

Superset silently drops a chart with a wrong uuid, and shows an error instead of a chart whose
column is gone. Here both give a line that names the chart.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.superset import assets, canonical, clicks, language
from infra.superset.canonical import Asset, Bundle

# The schemas that the connection's role may read.
SCHEMAS = ("dwh_marts", "presentation")
# Parts of a chart's parameters that name columns.
COLUMN_KEYS = (
    "x_axis",
    "groupby",
    "columns",
    "all_columns",
    "groupbyColumns",
    "groupbyRows",
    "dimension",
    "entity",
    "series",
    "x",
    "y",
    "source",
    "target",
    "granularity_sqla",
    "js_columns",
    "lonCol",
    "latCol",
    "lonlatCol",
    "geohashCol",
    "subject",
)
METRIC_KEYS = (
    "metric",
    "metrics",
    "percent_metrics",
    "secondary_metric",
    "size",
    "timeseries_limit_metric",
    "x_axis_sort_metric",
)
# Words in an expression that are no columns.
_SQL = """
sum max min avg count distinct nullif coalesce sqrt round cast as numeric bigint integer text
date case when then else end and or not null is in filter where over partition by order desc asc
concat between
"""
SQL_WORDS = frozenset(_SQL.split())


@dataclass(frozen=True)
class Model:
    """A dbt model as its YAML promises it."""

    schema: str
    columns: frozenset[str]


def problems(bundle: Bundle, root: Path, folder: Path = assets.FOLDER) -> list[str]:
    """Broken references, a line each; [] if there are none.

    `root` is the dbt project, `folder` where roles.yml is.
    """
    chain = Chain(bundle, models(root))
    return [
        *chain.uuids(),
        *chain.datasets(),
        *chain.charts(),
        *chain.dashboards(),
        *clicks.problems(bundle),
        *language.problems(bundle, language.words()),
        *_roles(bundle, assets.read_roles(folder)),
    ]


def models(root: Path) -> dict[str, Model]:
    """The marts: name → schema and columns, from their YAML, which dbt enforces (contracts)."""
    found = {}
    for path in sorted((root / "models" / "marts").rglob("*.yml")):
        for each in (yaml.safe_load(path.read_text()) or {}).get("models", []):
            columns = frozenset(column["name"] for column in each.get("columns", []))
            # dbt_project.yml puts a mart whose YAML names no schema into dwh_marts.
            schema = (each.get("config") or {}).get("schema", SCHEMAS[0])
            found[each["name"]] = Model(schema, columns)
    return found


def _roles(bundle: Bundle, roles: dict[str, assets.Role]) -> Iterator[str]:
    tables = {each["table_name"] for each in assets.of_kind(bundle, "datasets").values()}
    for name, role in roles.items():
        for table in sorted(set(role.datasets) - tables):
            yield f"{assets.ROLES}: role {name} may read {table}, and no dataset is called that"
        for schema in sorted(set(role.schemas) - set(SCHEMAS)):
            yield (
                f"{assets.ROLES}: role {name} may read schema {schema}; "
                f"dashboards read {' and '.join(SCHEMAS)}"
            )
        yield from _half_open(bundle, name, role)


def _half_open(bundle: Bundle, name: str, role: assets.Role) -> Iterator[str]:
    """Superset shows a dashboard to whoever may read one of its datasets."""
    datasets = {each["uuid"]: each for each in assets.of_kind(bundle, "datasets").values()}
    charts = {each["uuid"]: each for each in assets.of_kind(bundle, "charts").values()}
    readable = {
        each
        for each, dataset in datasets.items()
        if dataset["schema"] in role.schemas or dataset["table_name"] in role.datasets
    }
    for board in assets.of_kind(bundle, "dashboards").values():
        placed = [charts[each] for each in canonical.charts_of(board) if each in charts]
        shut = [each for each in placed if each.get("dataset_uuid") not in readable]
        if len(shut) == len(placed):
            continue
        for chart in shut:
            if dataset := datasets.get(chart.get("dataset_uuid", "")):
                yield (
                    f"{assets.ROLES}: role {name} sees dashboard «{board['dashboard_title']}» and "
                    f"may not read {dataset['table_name']}, so chart «{chart['slice_name']}» "
                    "shows an error there"
                )


class Chain:
    """The links from one kind of file to the next."""

    def __init__(self, bundle: Bundle, models: dict[str, Model]) -> None:
        self.bundle = bundle
        self.models = models
        self._by_uuid = {
            kind: {each["uuid"]: each for each in assets.of_kind(bundle, kind).values()}
            for kind in assets.KINDS
        }

    def uuids(self) -> Iterator[str]:
        seen: dict[str, str] = {}
        for name, asset in self.bundle.items():
            try:
                same = str(uuid.UUID(asset["uuid"])) == asset["uuid"]
            except ValueError:
                same = False
            if not same:
                yield f"{name}: {asset['uuid']!r} is not a uuid in its usual form"
            elif asset["uuid"] in seen:
                yield f"{name}: has the uuid of {seen[asset['uuid']]}"
            seen[asset["uuid"]] = name

    def datasets(self) -> Iterator[str]:
        """Each dataset is a published dbt model, with columns that the model promises."""
        for name, dataset in assets.of_kind(self.bundle, "datasets").items():
            table = dataset["table_name"]
            model = self.models.get(table)
            if dataset["database_uuid"] not in self._by_uuid["databases"]:
                yield f"{name}: no database connection has uuid {dataset['database_uuid']}"
            if dataset["sql"]:
                yield f"{name}: is a query of its own; make it a dbt model"
            elif model is None:
                yield f"{name}: there is no dbt model {table}{self._users(dataset)}"
            elif dataset["schema"] != model.schema or model.schema not in SCHEMAS:
                yield (
                    f"{name}: says schema {dataset['schema']}, dbt builds {table} in "
                    f"{model.schema}; dashboards read {' and '.join(SCHEMAS)}"
                )
            else:
                yield from self._columns(name, dataset, model)

    def _columns(self, name: str, dataset: Asset, model: Model) -> Iterator[str]:
        calculated = {each["column_name"] for each in dataset["columns"] if each["expression"]}
        for each in dataset["columns"]:
            column = each["column_name"]
            if not each["expression"] and column not in model.columns:
                yield (
                    f"{name}: dbt model {dataset['table_name']} has no column {column}"
                    f"{self._users(dataset, column)}"
                )
        expressions = {
            each["column_name"]: each["expression"]
            for each in dataset["columns"]
            if each["expression"]
        } | {each["metric_name"]: each["expression"] for each in dataset["metrics"]}
        for what, expression in expressions.items():
            for column in identifiers(expression) - model.columns - calculated:
                yield (
                    f"{name}: {what} = {expression} asks for {column}, and dbt model "
                    f"{dataset['table_name']} has no such column{self._users(dataset, what)}"
                )

    def charts(self) -> Iterator[str]:
        """Each chart has its dataset, and uses only columns and metrics that it has."""
        placed = {
            each
            for board in self._by_uuid["dashboards"].values()
            for each in canonical.charts_of(board)
        }
        for name, chart in assets.of_kind(self.bundle, "charts").items():
            title = f"{name}: chart «{chart['slice_name']}»"
            dataset = self._by_uuid["datasets"].get(chart.get("dataset_uuid", ""))
            if dataset is None:
                yield f"{title} has no dataset (uuid {chart.get('dataset_uuid')})"
                continue
            if chart["uuid"] not in placed:
                yield f"{title} is on no dashboard"
            columns, metrics = _offered(dataset)
            for wanted in sorted(used_columns(chart["params"]) - columns):
                yield f"{title} asks {dataset['table_name']} for column {wanted}, which it has not"
            for wanted in sorted(used_metrics(chart["params"]) - metrics):
                yield f"{title} asks {dataset['table_name']} for metric {wanted}, which it has not"

    def dashboards(self) -> Iterator[str]:
        """Each chart placed on a dashboard exists, and so do each filter's dataset and column."""
        for name, board in assets.of_kind(self.bundle, "dashboards").items():
            title = f"{name}: dashboard «{board['dashboard_title']}»"
            placed = list(canonical.charts_of(board))
            for each in placed:
                if each not in self._by_uuid["charts"]:
                    yield f"{title} places chart {each}, which no file has"
            shown = canonical.shown_by(board)
            for each in placed:
                if each not in shown:
                    yield f"{title} has chart {each} in its position, and in no row"
            numbers = {canonical.chart_number(each) for each in placed if each}
            for each in board["position"].values():
                if isinstance(each, dict) and each.get("type") == "CHART":
                    number = canonical.chart_number(each["meta"].get("uuid") or "0")
                    if each["meta"].get("chartId") != number:
                        yield f"{title}: chart {each['meta'].get('uuid')} needs chartId {number}"
            for each in board["metadata"].get("native_filter_configuration", []):
                named = f"{title}, filter «{each['name']}»"
                for target in each.get("targets", []):
                    yield from self._target(named, target)
                for number in set(each.get("scope", {}).get("excluded", [])) - numbers:
                    yield f"{named} leaves out chart {number}, which is not on the dashboard"
            for number in _in_cross_filters(board["metadata"]) - numbers:
                yield f"{title}: cross-filters name chart {number}, which is not on the dashboard"

    def _target(self, shown: str, target: Asset) -> Iterator[str]:
        if not target:
            # A time range filters every chart by its own time column.
            return
        dataset = self._by_uuid["datasets"].get(target.get("datasetUuid", ""))
        if dataset is None:
            yield f"{shown} has no dataset (uuid {target.get('datasetUuid')})"
        elif target["column"]["name"] not in _offered(dataset)[0]:
            yield (
                f"{shown} asks {dataset['table_name']} for column {target['column']['name']}, "
                "which it has not"
            )

    def _users(self, dataset: Asset, wanted: str | None = None) -> str:
        """', which breaks …' with the charts on `dataset` that use the column or metric."""
        names = {wanted} | {
            each["metric_name"]
            for each in dataset["metrics"]
            if wanted and wanted in identifiers(each["expression"])
        }
        titles = sorted(
            f"«{chart['slice_name']}»"
            for chart in self._by_uuid["charts"].values()
            if chart.get("dataset_uuid") == dataset["uuid"]
            and (
                wanted is None
                or names & (used_columns(chart["params"]) | used_metrics(chart["params"]))
            )
        )
        return f", which breaks chart {', '.join(titles)}" if titles else ""

    def models_of(self, dashboard: Asset) -> set[str]:
        """The dbt models that a dashboard reads, by its charts and filters."""
        wanted = {
            self._by_uuid["charts"][each]["dataset_uuid"]
            for each in canonical.charts_of(dashboard)
            if each in self._by_uuid["charts"]
        } | {
            target["datasetUuid"]
            for each in dashboard["metadata"].get("native_filter_configuration", [])
            for target in each.get("targets", [])
            if target
        }
        datasets = self._by_uuid["datasets"]
        return {datasets[each]["table_name"] for each in wanted if each in datasets}


def identifiers(expression: str) -> set[str]:
    """The names in an SQL expression that can only be columns."""
    bare = re.sub(r"'(?:[^']|'')*'", " ", expression)
    words = re.findall(r'"([^"]+)"|\b([A-Za-z_]\w*)\b(?!\s*\()', bare)
    return {quoted or word for quoted, word in words if (quoted or word).lower() not in SQL_WORDS}


def used_columns(params: Any) -> set[str]:
    return set(_named(params, COLUMN_KEYS, "column_name"))


def used_metrics(params: Any) -> set[str]:
    found = set(_named(params, METRIC_KEYS, "metric_name"))
    radius = params.get("point_radius_fixed") or {}
    if radius.get("type") == "metric":
        found.update(_names(radius["value"], "metric_name"))
    return found


def _in_cross_filters(metadata: Asset) -> set[int]:
    """The ids of the charts that the cross-filter settings name."""
    each_chart = metadata.get("chart_configuration") or {}
    scopes = [
        (metadata.get("global_chart_configuration") or {}).get("scope"),
        *(each.get("crossFilters", {}).get("scope") for each in each_chart.values()),
    ]
    return {int(number) for number in each_chart} | {
        number
        for scope in scopes
        # A chart that follows the whole dashboard's says 'global'.
        if isinstance(scope, dict)
        for number in scope.get("excluded", [])
    }


def _offered(dataset: Asset) -> tuple[set[str], set[str]]:
    columns = {each["column_name"] for each in dataset["columns"]}
    return columns, {each["metric_name"] for each in dataset["metrics"]}


def _named(value: Any, keys: tuple[str, ...], name_key: str) -> Iterator[str]:
    """Every name that stands under one of `keys`, however deep."""
    if isinstance(value, dict):
        for key, below in value.items():
            if key in keys:
                yield from _names(below, name_key)
            else:
                yield from _named(below, keys, name_key)
    elif isinstance(value, list):
        for each in value:
            yield from _named(each, keys, name_key)


def _names(value: Any, name_key: str) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _names(each, name_key)
    elif isinstance(value, dict) and name_key in value:
        yield value[name_key]
    elif isinstance(value, dict) and isinstance(value.get("column"), dict):
        # A metric made in the chart: an aggregate of one column.
        yield from (_names(value["column"], name_key) if name_key == "column_name" else ())
