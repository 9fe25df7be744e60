"""What dbt's docs site lacks: names that are links, and a graph that can be taken in."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

PAGES = ("model", "seed", "snapshot")
SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
# What is a link already, code, or a name that can be no word.
_NAME = re.compile(
    r"\[!\[[^\]]*\]\([^)]*\)\]\([^)]*\)|!?\[[^\]]*\]\([^)]*\)|`(?P<code>[^`]+)`|\b(?P<name>\w+_\w+)\b"
)
# A mart has more unit tests than models that it is made of. They stay a click away, in the graph's
# menu of resource types. And the site's style has code black where it is a link, too.
_HEAD = """<style>a code { color: inherit !important; }</style>
<script>
angular.module("dbt").run(["selectorService", "graph", (selector, graph) => {
    const all = selector.options.resource_types;
    const some = all.filter((each) => each !== "unit_test");
    selector.init({resource_types: some});
    selector.options.resource_types = all;
    for (const name of ["showVerticalGraph", "showFullGraph"]) {
        const show = graph[name];
        graph[name] = (...what) => {
            selector.options.resource_types = some;
            try {
                return show(...what);
            } finally {
                selector.options.resource_types = all;
            }
        };
    }
}]);
</script>
"""


def pages(manifest: dict[str, Any]) -> dict[str, str]:
    """Name, and `schema.name`, of each model, seed and snapshot of the project -> its page."""
    found = {}
    for node in manifest["nodes"].values():
        project = manifest["metadata"]["project_name"]
        if node["resource_type"] in PAGES and node["package_name"] == project:
            page = f"#!/{node['resource_type']}/{node['unique_id']}"
            found[node["name"]] = found[f"{node['schema']}.{node['name']}"] = page
    return found


def in_texts(manifest: dict[str, Any]) -> None:
    """Makes links of the names in the first page and in what models say of themselves.

    Not in columns' descriptions: the site shows those as they are written.
    """
    known = pages(manifest)
    for block in manifest["docs"].values():
        if block["name"] == "__overview__":
            block["block_contents"] = linked(block["block_contents"], known)
    for node in manifest["nodes"].values():
        if node["resource_type"] in PAGES:
            others = {
                name: page for name, page in known.items() if not page.endswith(node["unique_id"])
            }
            node["description"] = linked(node["description"], others)


def linked(text: str, known: dict[str, str]) -> str:
    """Markdown with links where it names a page, outside of blocks of code."""

    def link(found: re.Match[str]) -> str:
        page = known.get(found["code"] or found["name"] or "")
        return f"[{found[0]}]({page})" if page else found[0]

    return "".join(
        part if part.startswith("```") else _NAME.sub(link, part) for part in _FENCE.split(text)
    )


def in_picture(file: Path, known: dict[str, str]) -> str:
    """A diagram for the folder below the site's, each table a link to its page."""
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    picture = ET.parse(file).getroot()
    for table in picture.iter(f"{{{SVG}}}g"):
        title = table.find(f"{{{SVG}}}title")
        page = known.get(title.text or "") if title is not None else None
        if table.get("class") == "node" and page:
            link = ET.Element(f"{{{SVG}}}a", {f"{{{XLINK}}}href": f"../{page}", "target": "_top"})
            link.extend(table)
            # Its frame is not filled: a click between the words would go through.
            link.find(f"{{{SVG}}}polygon").set("pointer-events", "all")
            for each in list(table):
                table.remove(each)
            table.append(link)
    return ET.tostring(picture, encoding="unicode")


def in_page(page: str) -> str:
    """The site's one page, with links that can be seen, and a graph that opens without unit
    tests."""
    return page.replace("</head>", f"{_HEAD}</head>", 1)
