"""A chart whose click filters something else than what was clicked is refused by its file."""

from __future__ import annotations

import copy

import pytest

from infra.settings import ROOT
from infra.superset import assets, canonical, chain, clicks


@pytest.fixture
def bundle() -> canonical.Bundle:
    return copy.deepcopy(assets.read())


def test_no_chart_of_ours_is_refused(bundle):
    """A dashboard would be emptied by a click, or the check refuse what is right."""
    assert list(clicks.problems(bundle)) == []


@pytest.mark.parametrize(
    ("chart", "change"),
    [
        # As all six bars by category were once.
        ("home_airports", {"groupby": []}),
        ("flight_share", {"groupby": []}),
        ("busiest_routes", {"groupby": None}),
        ("revenue_by_group", {"groupby": [], "viz_type": "echarts_timeseries_line"}),
        # Days that are treated as names.
        ("revenue_by_day", {"orientation": "horizontal", "xAxisForceCategorical": True}),
        (
            "airport_map",
            {"spatial": {"type": "latlong", "lonCol": "longitude", "latCol": "latitude"}},
        ),
    ],
)
def test_a_chart_whose_click_is_wrong_is_refused(bundle, chart, change):
    """A chart that was changed in the UI and exported would empty its dashboard at a click."""
    changed = bundle[f"charts/{chart}.yaml"]
    changed["params"].update(change)
    changed["viz_type"] = changed["params"]["viz_type"]
    [line] = [each for each in chain.problems(bundle, ROOT) if "a click" in each]
    assert line.startswith(f"charts/{chart}.yaml: chart «{changed['slice_name']}»")


def test_horizontal_bars_that_filter_nothing_are_taken(bundle):
    """A chart whose click does no harm would be refused."""
    bundle["charts/revenue_by_day.yaml"]["params"]["orientation"] = "horizontal"
    bundle["charts/revenue_by_group.yaml"]["params"].update(groupby=[], color_by_primary_axis=True)
    assert list(clicks.problems(bundle)) == []


def test_a_dashboard_without_cross_filters_has_what_it_wants(bundle):
    """A chart that nobody can click would be refused; or one that everybody can be taken."""
    bundle["charts/home_airports.yaml"]["params"]["groupby"] = []
    metadata = bundle["dashboards/flyers_and_flow.yaml"]["metadata"]
    metadata["cross_filters_enabled"] = False
    assert list(clicks.problems(bundle)) == []
    # What Superset takes a missing setting for.
    del metadata["cross_filters_enabled"]
    assert len(list(clicks.problems(bundle))) == 1


def test_what_the_ui_saves_of_cross_filters_comes_back_as_it_was(bundle):
    """An export after any change of a dashboard would rewrite which charts a click filters."""
    for name, board in assets.of_kind(bundle, "dashboards").items():
        saved = copy.deepcopy(board)
        metadata = saved["metadata"]
        named = metadata.setdefault("chart_configuration", {})
        for uuid in canonical.charts_of(board):
            number = canonical.chart_number(uuid)
            named.setdefault(str(number), {"id": number, "crossFilters": {"scope": "global"}})
        for each in named.values():
            each["crossFilters"]["chartsInScope"] = [1, 2, 3]
        metadata["global_chart_configuration"]["chartsInScope"] = [1, 2, 3]
        text = assets.dump(canonical.canonical("dashboards", saved))
        assert text == (assets.FOLDER / name).read_text()
