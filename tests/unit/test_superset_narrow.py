"""The layout of a dashboard in a narrow window."""

from __future__ import annotations

import copy
import itertools
import json

import flask
import pytest

from infra.superset import assets, canonical, narrow

BOARDS = assets.of_kind(assets.read(), "dashboards")


def rows(layout: dict) -> list[list[str]]:
    """What each row under the grid holds, from above."""
    return [layout[row]["children"] for row in layout["GRID_ID"]["children"]]


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_each_chart_has_a_row_of_its_own(name):
    """A chart is gone on a telephone, or shares the width, or stands in another order."""
    layout = BOARDS[name]["position"]
    found = narrow.one_column(layout)
    assert rows(found) == [[each] for each in itertools.chain(*rows(layout))]
    assert canonical.shown_by({"position": found}) == canonical.shown_by({"position": layout})
    charts = [each for each in found.values() if isinstance(each, dict) and each["type"] == "CHART"]
    assert charts and {each["meta"]["width"] for each in charts} == {narrow.COLUMNS}
    # What takes two lines there is not cut.
    for each in charts:
        assert each["meta"]["height"] > layout[each["id"]]["meta"]["height"]


def test_the_given_layout_stays_as_it_is():
    """One telephone changes the dashboard of everybody who asks after it."""
    layout = BOARDS["dashboards/airports.yaml"]["position"]
    before = copy.deepcopy(layout)
    narrow.one_column(layout)
    assert layout == before


def test_columns_and_tabs_are_kept_apart():
    """Charts one above the other in a column are lost, or two tabs become one."""
    layout = {
        "ROOT_ID": {"type": "ROOT", "children": ["TABS"]},
        "TABS": {"type": "TABS", "children": ["T1", "T2"]},
        "T1": {"type": "TAB", "children": ["R1"]},
        "T2": {"type": "TAB", "children": ["R2"]},
        "R1": {"type": "ROW", "children": ["C1", "A"], "parents": ["ROOT_ID", "TABS", "T1"]},
        "R2": {"type": "ROW", "children": ["B"]},
        "C1": {"type": "COLUMN", "children": ["D", "E"]},
        **{name: {"type": "CHART", "children": [], "meta": {"width": 4}} for name in "ABDE"},
    }
    found = narrow.one_column(layout)
    assert found["T1"]["children"] == ["R1", "R1-1", "R1-2"]
    assert [found[row]["children"] for row in found["T1"]["children"]] == [["D"], ["E"], ["A"]]
    assert found["T2"]["children"] == ["R2"]
    assert found["E"]["parents"] == ["ROOT_ID", "TABS", "T1", "R1-1"]


@pytest.fixture
def browser():
    """A browser, and a server that has the two views of Superset's that matter here."""
    app = flask.Flask("superset")
    layout = json.dumps(BOARDS["dashboards/airports.yaml"]["position"])
    app.add_url_rule(
        "/board",
        "DashboardRestApi.get",
        lambda: flask.jsonify({"result": {"position_json": layout}}),
    )
    app.add_url_rule("/board", "DashboardRestApi.put", lambda: "saved", methods=["PUT"])
    narrow.install(app)
    return app.test_client()


def shown(browser) -> dict:
    return json.loads(browser.get("/board").json["result"]["position_json"])


def test_a_narrow_window_is_told_one_column_and_a_wide_one_is_not(browser):
    """A telephone shows slivers, or a desk's screen one long column."""
    layout = BOARDS["dashboards/airports.yaml"]["position"]
    assert shown(browser) == layout
    browser.set_cookie(narrow.COOKIE, "1")
    assert shown(browser) == narrow.one_column(layout)
    browser.set_cookie(narrow.COOKIE, "0")
    assert shown(browser) == layout


def test_a_narrow_window_saves_everything_but_its_layout(browser):
    """Somebody edits on a telephone, and the dashboard has one column for everybody."""
    layout = {"json_metadata": json.dumps({"positions": {"ROOT_ID": {}}})}
    assert browser.put("/board", json=layout).text == "saved"
    browser.set_cookie(narrow.COOKIE, "1")
    refused = browser.put("/board", json=layout)
    assert refused.status_code == 409 and refused.json["message"] == narrow.REFUSAL
    for harmless in ({"dashboard_title": "Другое имя"}, {"json_metadata": "{}"}):
        assert browser.put("/board", json=harmless).text == "saved"
