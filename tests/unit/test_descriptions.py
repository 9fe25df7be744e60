"""What models and columns mean is said once, however many of them have it."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from infra.evolve import files
from infra.evolve.catalogue import Column
from infra.settings import ROOT
from tests.support import descriptions


def problems(root: Path) -> list[str]:
    """Texts that stand twice, blocks that nobody refers to, references to none."""
    blocks, found = descriptions.blocks(root), []
    referred = set()
    for text, places in descriptions.written(root).items():
        if reference := descriptions.REFERENCE.match(text):
            referred.add(reference[1])
        elif len(places) > 1:
            found.append(f"{text!r} is a docs block, not {', '.join(places)}")
        elif text in blocks.values():
            found.append(f"{text!r} ({places[0]}) is a docs block already")
    found += [f"there is no docs block {name}" for name in sorted(referred - blocks.keys())]
    unused = blocks.keys() - referred - {"__overview__"}
    return found + [f"nobody refers to the docs block {name}" for name in sorted(unused)]


def test_no_description_stands_twice():
    """Somebody mends what one of the models says of a column, and the others go on as before."""
    assert len(descriptions.written(ROOT)) > 300
    assert problems(ROOT) == []


def test_evolve_describes_a_new_column_once(tmp_path):
    """What evolve writes is said five times, or a comment of the source's ends the block it is in
    and dbt cannot read the project.
    """
    for folder in descriptions.FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder)
    comment = "Tier: {{ gold }} {% enddocs %} {# or #}"
    for table, column in (("bookings", "tier"), ("bookings", "agent"), ("seats", "is_window")):
        edit = files.Edit(tmp_path)
        files.add_columns(edit, table, [Column(column, "text", comment=comment)])
        written = edit.write()
        assert f"models/descriptions/{table}.md" in written
        # A second time finds the block.
        place = (f"models/descriptions/{table}.md", f"{table}_{column}", "another")
        again = files.Edit(tmp_path)
        assert again.add_block(*place) == f"{{{{ doc('{table}_{column}') }}}}" and not again.files
    assert problems(tmp_path) == []
    blocks = descriptions.blocks(tmp_path)
    assert blocks["bookings_tier"].startswith(
        "Tier: { { gold }} { % enddocs %} { # or #}. Null for"
    )
    [model] = yaml.safe_load((tmp_path / "models/business_vault/current_bookings.yml").read_text())[
        "models"
    ]
    described = {column["name"]: column["description"] for column in model["columns"]}
    assert described["tier"] == "{{ doc('bookings_tier') }}"
