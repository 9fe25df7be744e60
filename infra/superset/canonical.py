"""Assets as they stand in files: without defaults and without what changes by itself."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

# What Superset takes a missing field for. Left out of the files, given back at an import: a field
# that is deleted from a file must not keep its old value.
DEFAULTS: dict[str, dict[str, Any]] = {
    "databases": {
        "cache_timeout": None,
        "expose_in_sqllab": True,
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_csv_upload": False,
        "impersonate_user": False,
        "configuration_method": "sqlalchemy_form",
    },
    "datasets": {
        "main_dttm_col": None,
        "currency_code_column": None,
        "description": None,
        "default_endpoint": None,
        "offset": 0,
        "cache_timeout": None,
        "sql": None,
        "params": None,
        "template_params": None,
        "filter_select_enabled": True,
        "fetch_values_predicate": None,
        "extra": None,
        "normalize_columns": False,
        "always_filter_main_dttm": False,
        "folders": None,
        "source_db_engine": None,
    },
    "charts": {
        "description": None,
        "certified_by": None,
        "certification_details": None,
        "cache_timeout": None,
    },
    "dashboards": {
        "description": None,
        "css": "",
        "certified_by": None,
        "certification_details": None,
        "published": True,
        "theme_uuid": None,
    },
}


COLUMN_DEFAULTS = {
    "verbose_name": None,
    "is_dttm": False,
    "is_active": True,
    "advanced_data_type": None,
    "groupby": True,
    "filterable": True,
    "expression": None,
    "description": None,
    "python_date_format": None,
    "datetime_format": None,
    "extra": None,
}


METRIC_DEFAULTS = {
    "verbose_name": None,
    "metric_type": None,
    "description": None,
    "d3format": None,
    "currency": None,
    "extra": None,
    "warning_text": None,
}


# Computed by the browser, or the same for every object.
VOLATILE = {
    "databases": ("version",),
    "datasets": ("version", "external_url", "is_managed_externally", "catalog"),
    "charts": ("version", "external_url", "is_managed_externally", "tags", "query_context"),
    "dashboards": ("version", "external_url", "is_managed_externally", "tags"),
}


VOLATILE_PARAMS = ("datasource", "slice_id", "dashboards", "dashboardId", "url_params")


# Put in by Superset where they are empty.
EMPTY_PARAMS = ("annotation_layers", "extra_form_data")


VOLATILE_METADATA = (
    "shared_label_colors",
    "map_label_colors",
    "color_scheme_domain",
    "default_filters",
    "filter_scopes",
    "expanded_slices",
    "timed_refresh_immune_slices",
    "native_filter_migration",
)


Asset = dict[str, Any]


# path below the folder -> what is in the file, with defaults
Bundle = dict[str, Asset]


def with_defaults(kind: str, asset: Asset) -> Asset:
    whole = {**copy.deepcopy(DEFAULTS[kind]), **copy.deepcopy(asset)}
    if kind == "datasets":
        for part, defaults in (("columns", COLUMN_DEFAULTS), ("metrics", METRIC_DEFAULTS)):
            whole[part] = [{**defaults, **each} for each in whole.get(part, [])]
    return whole


def canonical(kind: str, asset: Asset) -> Asset:
    """The asset as it stands in a file: no defaults, nothing volatile, charts by stable numbers."""
    lean = _without(asset, DEFAULTS[kind])
    for name in VOLATILE[kind]:
        lean.pop(name, None)
    if kind == "datasets":
        for part, defaults in (("columns", COLUMN_DEFAULTS), ("metrics", METRIC_DEFAULTS)):
            key = "column_name" if part == "columns" else "metric_name"
            lean[part] = sorted(
                (_without(each, defaults) for each in lean.get(part) or []),
                key=lambda each: each[key],
            )
    if kind == "charts":
        lean["params"] = {
            key: value
            for key, value in lean["params"].items()
            if key not in VOLATILE_PARAMS and (value or key not in EMPTY_PARAMS)
        }
    if kind == "dashboards":
        lean["metadata"] = _lean_metadata(lean.get("metadata") or {})
        lean["position"] = _lean_position(lean.get("position") or {})
        _renumber(lean)
    return lean


def chart_number(uuid: str) -> int:
    """What stands for a chart's id in the files: Superset's own differ from one to the next."""
    return int(uuid.replace("-", "")[:7], 16)


def charts_of(dashboard: Asset) -> Iterator[str]:
    """The uuids of the charts that a dashboard places."""
    for each in dashboard.get("position", {}).values():
        if isinstance(each, dict) and each.get("type") == "CHART":
            yield each["meta"].get("uuid", "")


def shown_by(dashboard: Asset) -> set[str]:
    """The uuids of the charts that its layout leads to: by rows, columns and tabs from the root."""
    position = dashboard.get("position", {})
    found, ahead = set(), ["ROOT_ID"]
    while ahead:
        each = position.get(ahead.pop(), {})
        ahead += each.get("children", [])
        if each.get("type") == "CHART":
            found.add(each["meta"].get("uuid", ""))
    return found


def _without(asset: Asset, defaults: Asset) -> Asset:
    return {
        key: value
        for key, value in asset.items()
        if not (key in defaults and (value == defaults[key] or value in (None, {}, [])))
        and value is not None
    }


def _lean_metadata(metadata: Asset) -> Asset:
    lean = {
        k: v for k, v in metadata.items() if k not in VOLATILE_METADATA or v not in ({}, [], "{}")
    }
    for name in ("shared_label_colors", "map_label_colors", "color_scheme_domain"):
        lean.pop(name, None)
    for each in lean.get("native_filter_configuration", []):
        for name in ("chartsInScope", "tabsInScope"):
            each.pop(name, None)
    # The UI saves every chart here; a chart that follows the whole dashboard says nothing.
    lean["chart_configuration"] = {
        number: each
        for number, each in (lean.get("chart_configuration") or {}).items()
        if each.get("crossFilters", {}).get("scope") != "global"
    }
    for each in lean["chart_configuration"].values():
        each.get("crossFilters", {}).pop("chartsInScope", None)
    (lean.get("global_chart_configuration") or {}).pop("chartsInScope", None)
    return lean


def _lean_position(position: Asset) -> Asset:
    """Without what Superset fills in by itself: parents, and the copy of a chart's title."""
    lean = copy.deepcopy(position)
    for each in lean.values():
        if isinstance(each, dict):
            each.pop("parents", None)
            if each.get("type") == "CHART":
                each["meta"].pop("sliceName", None)
    return lean


def _renumber(dashboard: Asset) -> None:
    """Puts chart_number() in the place of Superset's ids."""
    numbers: dict[int, int] = {}
    for each in dashboard["position"].values():
        if isinstance(each, dict) and each.get("type") == "CHART":
            number = chart_number(each["meta"]["uuid"])
            numbers[each["meta"]["chartId"]] = number
            each["meta"]["chartId"] = number
    metadata = dashboard["metadata"]

    def renumbered(ids: list[int]) -> list[int]:
        return sorted(numbers[number] for number in ids if number in numbers)

    for each in metadata.get("native_filter_configuration", []):
        if "excluded" in each.get("scope", {}):
            each["scope"]["excluded"] = renumbered(each["scope"]["excluded"])
    configuration = metadata.get("chart_configuration") or {}
    metadata["chart_configuration"] = {
        str(numbers[int(number)]): each | {"id": numbers[int(number)]}
        for number, each in configuration.items()
        if int(number) in numbers
    }
    if not metadata["chart_configuration"]:
        del metadata["chart_configuration"]
    for each in (metadata.get("chart_configuration") or {}).values():
        scope = each.get("crossFilters", {}).get("scope")
        if isinstance(scope, dict) and "excluded" in scope:
            scope["excluded"] = renumbered(scope["excluded"])
    overall = (metadata.get("global_chart_configuration") or {}).get("scope", {})
    if "excluded" in overall:
        overall["excluded"] = renumbered(overall["excluded"])
