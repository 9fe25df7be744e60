"""Finds charts whose cross-filter is known to use a wrong value.

With cross-filters on, a click on a mark filters the other charts of the dashboard. Some chart types
filter by a wrong value, so that every chart with that column becomes empty. A chart cannot turn
this off, so such charts are refused here, with an alternative.
"""

from __future__ import annotations

from collections.abc import Iterator

from infra.superset import assets, canonical
from infra.superset.canonical import Asset, Bundle


def problems(bundle: Bundle) -> Iterator[str]:
    """A line for each chart on a dashboard with cross-filters that is known to filter wrongly."""
    datasets = {each["uuid"]: each for each in assets.of_kind(bundle, "datasets").values()}
    clicked = {
        uuid
        for board in assets.of_kind(bundle, "dashboards").values()
        # Superset takes a missing setting for true.
        if board["metadata"].get("cross_filters_enabled", True)
        for uuid in canonical.charts_of(board)
    }
    for name, chart in assets.of_kind(bundle, "charts").items():
        if chart["uuid"] in clicked:
            why = wrong(chart, datasets.get(chart.get("dataset_uuid", ""), {}))
            if why:
                yield f"{name}: chart «{chart['slice_name']}»: {why}"


def wrong(chart: Asset, dataset: Asset) -> str:
    """Why a click on `chart` filters by a wrong value; '' if it does not."""
    kind, params = chart["viz_type"], chart["params"]
    if (
        kind.startswith("echarts_timeseries")
        and params.get("orientation") == "horizontal"
        and not params.get("groupby")
        # Bars that have colours of their own are drawn otherwise: a click on them filters nothing.
        and not params.get("color_by_primary_axis")
        and not _by_time(params, dataset)
    ):
        return (
            "a click on a horizontal bar filters its category by the bar's value "
            "(apache/superset#41102); make the category a dimension too and stack the bars "
            "(groupby, stack), as flight_share does"
        )
    if kind == "deck_scatter" and (params.get("spatial") or {}).get("type") == "latlong":
        return (
            "a click on a circle filters by a box around the mouse that is smaller than the "
            "circle; take the place from one column (spatial type delimited), for which a click "
            "filters nothing, as airport_map does"
        )
    return ""


def _by_time(params: Asset, dataset: Asset) -> bool:
    """Whether the categories are moments: a click on them filters nothing."""
    times = {each["column_name"] for each in dataset.get("columns", []) if each["is_dttm"]}
    axis = params.get("x_axis")
    return isinstance(axis, str) and axis in times and not params.get("xAxisForceCategorical")
