"""What models and columns mean is said once, however many of them have it."""

from __future__ import annotations

import shutil

import yaml

from infra.evolve import files
from infra.evolve.catalogue import Column
from infra.settings import ROOT
from infra.testing import descriptions


def test_no_description_stands_twice():
    """Somebody mends what one of the models says of a column, and the others go on as before."""
    assert len(descriptions.written(ROOT)) > 300
    assert descriptions.problems(ROOT) == []


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
    assert descriptions.problems(tmp_path) == []
    blocks = descriptions.blocks(tmp_path)
    assert blocks["bookings_tier"].startswith(
        "Tier: { { gold }} { % enddocs %} { # or #}. Null for"
    )
    [model] = yaml.safe_load((tmp_path / "models/business_vault/current_bookings.yml").read_text())[
        "models"
    ]
    described = {column["name"]: column["description"] for column in model["columns"]}
    assert described["tier"] == "{{ doc('bookings_tier') }}"
