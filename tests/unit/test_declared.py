"""The source's tables and columns as the project has them."""

from __future__ import annotations

import shutil

from infra.dbt import declared
from infra.settings import ROOT, TABLES
from infra.source.database import COLUMNS


def test_every_table_is_declared_with_its_columns_and_key():
    """A table that is landed is compared and checked by nobody."""
    tables = declared.tables()
    assert set(tables) == set(TABLES)
    for name, table in tables.items():
        assert set(table.columns) >= set(COLUMNS[name]), name
        assert set(table.key) <= set(table.columns), name


def test_a_column_that_is_known_to_be_gone_is_not_asked_for(tmp_path):
    """A column that somebody has dropped for good is a fault for ever; or a file
    that was changed is not read again.
    """
    for name in (declared.SOURCES, declared.PROJECT):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    assert "range" in declared.tables(tmp_path)["aircrafts"].columns
    project = tmp_path / declared.PROJECT
    text = project.read_text()
    assert "  dropped_columns: []" in text
    project.write_text(
        text.replace("  dropped_columns: []", "  dropped_columns: [aircrafts.range]")
    )
    assert "range" not in declared.tables(tmp_path)["aircrafts"].columns
    assert "range" in declared.tables()["aircrafts"].columns
