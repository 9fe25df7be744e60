"""The ER diagrams: as Mermaid, and drawn as SVG."""

from __future__ import annotations

import re

from infra.dbt import drawing
from infra.dbt.schema import Column, Entity, Relation, Schema
from infra.settings import ROOT

SCHEMA = Schema(
    "Shops & sales",
    [
        Entity("shops", "reference", [Column("shop", "text", "PK"), Column("x", "numeric(9, 2)")]),
        Entity("sales", "presentation", [Column("shop", "double precision", "FK")]),
    ],
    [Relation("sales", "shop", "shops")],
)
# What Mermaid takes for a column: type, name, and whether it is a key.
COLUMN = re.compile(r"        \w+ \w+( (PK|FK))?")


def test_a_picture_shows_every_table_and_says_what_it_was_drawn_from(tmp_path):
    """The docs site shows a diagram without a table, or lint cannot tell that it is old."""
    picture = tmp_path / "schema.svg"
    assert drawing.drawn_from(picture) == ""
    drawing.draw(SCHEMA, picture)
    text = picture.read_text()
    for word in ("Shops &amp; sales", "shops", "sales", "numeric(9, 2)", "double precision"):
        assert f">{word}</text>" in text.replace("&#45;", "-"), word
    assert drawing.drawn_from(picture) == drawing.digest(SCHEMA)


def test_types_of_several_words_are_one_word_to_mermaid():
    """GitHub shows a syntax error in place of the diagram."""
    texts = [SCHEMA.mermaid(), *(file.read_text() for file in (ROOT / "docs").glob("*.mmd"))]
    assert len(texts) == 3
    for text in texts:
        columns = [line for line in text.splitlines() if line.startswith(" " * 8)]
        assert columns
        assert [line for line in columns if not COLUMN.fullmatch(line)] == []
