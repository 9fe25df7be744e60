"""Names in the docs site that lead to what they name."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from infra.dbt import links
from infra.settings import ROOT

KNOWN = {"hub_flights": "#!/hub", "dwh_detailed.hub_flights": "#!/hub", "thresholds": "#!/seed"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("see `hub_flights`.", "see [`hub_flights`](#!/hub)."),
        ("see `dwh_detailed.hub_flights`", "see [`dwh_detailed.hub_flights`](#!/hub)"),
        ("in hub_flights: all", "in [hub_flights](#!/hub): all"),
        ("| `thresholds` | a |", "| [`thresholds`](#!/seed) | a |"),
        # a word that is a name only as code
        ("the thresholds of", "the thresholds of"),
        ("`hub_flights as f`, hub_flights_x", "`hub_flights as f`, hub_flights_x"),
        ("[`hub_flights`](x) [hub_flights](x)", "[`hub_flights`](x) [hub_flights](x)"),
        (
            "[![hub_flights](hub_flights.svg)](hub_flights.svg)",
            "[![hub_flights](hub_flights.svg)](hub_flights.svg)",
        ),
        ("```sql\nselect `hub_flights`\n```\n", "```sql\nselect `hub_flights`\n```\n"),
    ],
)
def test_names_become_links(text, wanted):
    """A reader would have to search for what a sentence names, or code would be broken."""
    assert links.linked(text, KNOWN) == wanted


def test_a_model_does_not_link_to_itself():
    """Every page would be full of links that lead nowhere."""
    node = {"resource_type": "model", "package_name": "airline", "schema": "s"}
    manifest = {
        "metadata": {"project_name": "airline"},
        "docs": {},
        "nodes": {
            f"model.airline.{name}": node
            | {
                "name": name,
                "unique_id": f"model.airline.{name}",
                "description": "`one_model`, `other_model`",
            }
            for name in ("one_model", "other_model")
        },
    }
    links.in_texts(manifest)
    assert manifest["nodes"]["model.airline.one_model"]["description"] == (
        "`one_model`, [`other_model`](#!/model/model.airline.other_model)"
    )


@pytest.mark.parametrize("picture", sorted((ROOT / "docs").glob("*_schema.svg")), ids=str)
def test_every_table_of_a_diagram_is_a_link(picture):
    """A reader of the diagram could not go on to what a table means."""
    svg = f"{{{links.SVG}}}"
    titles = [
        title.text
        for table in ET.parse(picture).iter(f"{svg}g")
        if table.get("class") == "node"
        for title in table.iter(f"{svg}title")
    ]
    assert titles
    drawn = ET.fromstring(links.in_picture(picture, {name: f"#!/x/{name}" for name in titles}))
    found = {
        link.find(f"{svg}title").text: link.get(f"{{{links.XLINK}}}href")
        for link in drawn.iter(f"{svg}a")
    }
    assert found == {name: f"../#!/x/{name}" for name in titles}
