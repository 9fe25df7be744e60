"""What a chart asks its dataset for, from its file: reports by text and CSV read the chart's rows.

Superset keeps that with each chart as the browser works it out. The files do not have it, for it
has numbers of one machine; without it every such report opens the chart in a browser first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Params = dict[str, Any]
# A map has its rows for the browser alone.
KINDS = (
    "big_number",
    "big_number_total",
    "echarts_timeseries_bar",
    "echarts_timeseries_line",
    "table",
)


def query_context(params: Params, dataset: int) -> dict[str, Any] | None:
    """The query of a chart of these kinds; `dataset` is Superset's number of it."""
    if params["viz_type"] not in KINDS:
        return None
    metrics = _metrics(params)
    query: dict[str, Any] = {
        "columns": list(_columns(params)),
        "filters": list(_filters(params)),
        "extras": {"where": _sql(params, "WHERE"), "having": _sql(params, "HAVING")},
        "orderby": _order(params, metrics),
        "row_limit": params.get("row_limit"),
        "annotation_layers": [],
    }
    if params.get("query_mode") != "raw":
        query["metrics"] = metrics
    if grain := params.get("time_grain_sqla"):
        query["extras"]["time_grain_sqla"] = grain
    return {
        "datasource": {"id": dataset, "type": "table"},
        "force": False,
        "queries": [query],
        "form_data": {**params, "datasource": f"{dataset}__table"},
        "result_format": "json",
        "result_type": "full",
    }


def _metrics(params: Params) -> list[Any]:
    if "metric" in params:
        return [params["metric"]]
    return list(params.get("metrics") or [])


def _columns(params: Params) -> Iterator[Any]:
    if params.get("query_mode") == "raw":
        yield from params.get("all_columns") or []
        return
    if axis := params.get("x_axis"):
        # A time axis by its grain; other columns as they are.
        yield {
            "timeGrain": params.get("time_grain_sqla"),
            "columnType": "BASE_AXIS",
            "sqlExpression": axis,
            "label": axis,
            "expressionType": "SQL",
        }
    yield from params.get("groupby") or []


def _filters(params: Params) -> Iterator[Params]:
    for each in params.get("adhoc_filters") or []:
        if each.get("expressionType") == "SIMPLE":
            found = {"col": each["subject"], "op": each["operator"]}
            if each.get("comparator") is not None:
                found["val"] = each["comparator"]
            yield found


def _sql(params: Params, clause: str) -> str:
    """The conditions of people who wrote them in SQL."""
    return " and ".join(
        f"({each['sqlExpression']})"
        for each in params.get("adhoc_filters") or []
        if each.get("expressionType") == "SQL" and each.get("clause", "WHERE") == clause
    )


def _order(params: Params, metrics: list[Any]) -> list[list[Any]]:
    """[column or metric, ascending]"""
    if params.get("query_mode") == "raw":
        return [json.loads(each) for each in params.get("order_by_cols") or []]
    by = params.get("timeseries_limit_metric") or (metrics[0] if metrics else None)
    is_by_time = "x_axis" in params and "time_grain_sqla" in params
    if by is None or "metric" in params or (is_by_time and not params.get("groupby")):
        return []
    return [[by, not params.get("order_desc", True)]]
