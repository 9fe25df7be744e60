"""Dashboards in one column where the window is as narrow as a telephone.

Superset gives each chart its part of twelve columns, however narrow the window: on a telephone
three charts in a row are three words wide. It has no setting for that, and draws charts in the
width that the layout says, so style sheets do not help. Here the page says by a cookie how wide its
window is (templates/head_custom_extra.html), and a narrow one is told a layout with a row for each
chart.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COOKIE = "airline_narrow"
# Narrower than a tablet upright, CSS pixels.
PIXELS = 768
COLUMNS = 12
# A line of text, in the units of a chart's height.
LINE = 4
TEMPLATES = Path(__file__).with_name("templates")
REFUSAL = (
    "In a window this narrow the dashboard stands in one column, and saving would keep it so. "
    "Make the window wider, load the page again, then edit."
)
Layout = dict[str, Any]


def one_column(layout: Layout) -> Layout:
    """The layout with a row of its own, as wide as there is, for each chart."""
    narrow = copy.deepcopy(layout)
    for name, each in layout.items():
        if isinstance(each, dict) and each.get("type") != "ROW" and each.get("children"):
            children = each["children"]
            narrow[name]["children"] = [
                row for child in children for row in _rows(layout, narrow, child)
            ]
    return narrow


def _rows(layout: Layout, narrow: Layout, name: str) -> Iterator[str]:
    """The names of the rows that take the place of `name`, which they add to `narrow`."""
    row = layout[name]
    if row.get("type") != "ROW":
        yield name
        return
    for number, leaf in enumerate(_leaves(layout, name)):
        own = name if number == 0 else f"{name}-{number}"
        narrow[own] = {**copy.deepcopy(row), "id": own, "children": [leaf]}
        meta = narrow[leaf].setdefault("meta", {})
        meta["width"] = COLUMNS
        if "height" in meta:
            # A title and the cells of a table take two lines.
            meta["height"] += LINE
        if "parents" in row:
            narrow[leaf]["parents"] = [*row["parents"], own]
        yield own


def _leaves(layout: Layout, name: str) -> Iterator[str]:
    """What a row holds, from left to right and, in its columns, from above."""
    for child in layout[name].get("children", []):
        if layout[child].get("type") in ("ROW", "COLUMN"):
            yield from _leaves(layout, child)
        else:
            yield child


def install(app: Any) -> None:
    """The layout's way to the page and back, and our templates before Superset's own; for its
    FLASK_APP_MUTATOR.
    """
    from flask import Response, jsonify, request
    from jinja2 import ChoiceLoader, FileSystemLoader

    def is_narrow(method: str) -> bool:
        """Whether a narrow window asks for a dashboard (GET), or saves one (PUT)."""
        return (
            request.cookies.get(COOKIE) == "1"
            and request.endpoint == f"DashboardRestApi.{method.lower()}"
            and request.method == method
        )

    # Flask calls the hooks that come last first: this one before the answer is compressed.
    @app.after_request
    def show(answer: Response) -> Response:
        if is_narrow("GET") and answer.status_code == 200:
            said = answer.get_json()
            if layout := said["result"].get("position_json"):
                said["result"]["position_json"] = json.dumps(one_column(json.loads(layout)))
                answer.set_data(json.dumps(said))
        return answer

    @app.before_request
    def refuse() -> Any:
        if is_narrow("PUT"):
            given = (request.get_json(silent=True) or {}).get("json_metadata") or "{}"
            if "positions" in json.loads(given):
                return jsonify({"message": REFUSAL}), 409
        return None

    app.jinja_loader = ChoiceLoader([FileSystemLoader(str(TEMPLATES)), app.jinja_loader])
