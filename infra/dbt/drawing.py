"""Draws a Schema as SVG: Graphviz (the package graphviz-pure, a `dot` in a wheel) lays it out.

A picture names the digest of the text it was drawn from, so that the lint can tell an old one.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html import escape
from pathlib import Path

from infra.dbt.schema import Entity, Relation, Schema
from infra.errors import AirlineError

# kind -> colour of the table's head, and what the legend says of it
KINDS = {
    "hub": ("#1f5fa8", "hub: business keys"),
    "link": ("#2e8b57", "link: relations of keys"),
    "satellite": ("#b87a10", "satellite: attributes, one row per version"),
    "dwh_marts": ("#1f5fa8", "dwh_marts: view"),
    "presentation": ("#2e8b57", "presentation: table"),
    "reference": ("#767676", "reference: seed"),
    "snapshots": ("#b87a10", "snapshots: history"),
}
OTHER = ("#555555", "")
_DRAWN_FROM = re.compile(r"<!-- drawn from (\w+) -->")


def digest(schema: Schema) -> str:
    return hashlib.sha256(schema.mermaid().encode()).hexdigest()


def drawn_from(file: Path) -> str:
    """The digest that the picture names; '' where there is none."""
    found = _DRAWN_FROM.search(file.read_text()) if file.exists() else None
    return found[1] if found else ""


def draw(schema: Schema, file: Path) -> None:
    """Writes the picture of `schema`. Raises AirlineError where Graphviz cannot draw it."""
    dot = Path(sys.executable).with_name("graphviz-pure")
    done = subprocess.run(
        [dot, "-Tsvg"], input="\n".join(_graph(schema)), capture_output=True, text=True
    )
    if done.returncode:
        raise AirlineError(
            f"{file.name} could not be drawn", "see what Graphviz says below", done.stderr
        )
    file.write_text(f"{done.stdout}<!-- drawn from {digest(schema)} -->\n")


def _graph(schema: Schema) -> Iterator[str]:
    """The schema in Graphviz's language DOT, a line each."""
    kinds = {entity.name: entity.kind for entity in schema.entities}
    parents = Counter(relation.child for relation in schema.relations)
    yield "digraph {"
    yield 'graph [rankdir=LR ranksep=1 nodesep=0.15 labelloc=t fontname="Helvetica"]'
    yield 'node [shape=plain fontname="Helvetica" fontsize=11]'
    yield "edge [arrowhead=none arrowtail=none dir=both]"
    yield f"label=<{_legend(schema)}>"
    for entity in schema.entities:
        yield f"{entity.name} [label=<{_table(entity)}>]"
    for relation in schema.relations:
        is_satellite = kinds[relation.child] == "satellite"
        # A satellite of a hub and nothing else stands left of it, all others right of what they
        # refer to.
        is_left = is_satellite and kinds[relation.parent] == "hub" and parents[relation.child] == 1
        yield _edge(relation, KINDS["satellite"][0] if is_satellite else "#7a7f87", is_left)
    yield "}"


def _edge(relation: Relation, colour: str, is_left: bool) -> str:
    """A line with a crow's foot at the table that has many rows."""
    if is_left:
        child = f"{relation.child}:{relation.column}_end:e"
        return f'{child} -> {relation.parent} [arrowtail=crow color="{colour}"]'
    child = f"{relation.child}:{relation.column}:w"
    return f'{relation.parent} -> {child} [arrowhead=crow color="{colour}"]'


def _table(entity: Entity) -> str:
    colour, _ = KINDS.get(entity.kind, OTHER)
    rows = "".join(
        f'<TR><TD ALIGN="LEFT" PORT="{column.name}">'
        f'<FONT COLOR="{colour}">{column.mark or " "}</FONT></TD>'
        f'<TD ALIGN="LEFT">{column.name}</TD><TD ALIGN="RIGHT" PORT="{column.name}_end">'
        f'<FONT COLOR="#767676" POINT-SIZE="9">{escape(column.kind) or " "}</FONT></TD></TR>'
        for column in entity.columns
    )
    return (
        f'<TABLE BORDER="1" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2" COLOR="{colour}">'
        f'<TR><TD COLSPAN="3" BGCOLOR="{colour}"><FONT COLOR="white"><B>{entity.name}</B></FONT>'
        f"</TD></TR>{rows}</TABLE>"
    )


def _legend(schema: Schema) -> str:
    kinds = dict.fromkeys(entity.kind for entity in schema.entities)
    cells = "".join(
        f'<TD BGCOLOR="{colour}" FIXEDSIZE="TRUE" WIDTH="12" HEIGHT="12"></TD>'
        f"<TD>{says or kind}</TD>"
        for kind, (colour, says) in ((kind, KINDS.get(kind, OTHER)) for kind in kinds)
    )
    return (
        '<TABLE BORDER="0" CELLSPACING="6">'
        f'<TR><TD COLSPAN="{2 * len(kinds)}">'
        f'<FONT POINT-SIZE="20">{escape(schema.title)}</FONT></TD></TR><TR>{cells}</TR></TABLE>'
    )
