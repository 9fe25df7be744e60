"""The version of what a stack keeps: the files of the migrations, and who knows their number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.errors import AirlineError
from infra.settings import ROOT
from infra.warehouse import layout
from ingest import schema


def test_all_who_write_work_with_one_version():
    """A migration would be added, and dbt or the ingester refuse the warehouse that it made."""
    macro = (ROOT / "macros/load_batch/check_version.sql").read_text()
    in_dbt = re.search(r"macro warehouse_version\(\) %}\s+{{ return\((\d+)\) }}", macro)
    assert (int(in_dbt[1]), schema.VERSION) == (layout.version(), layout.version())


def test_migrations_are_in_order_and_say_what_they_do(tmp_path: Path):
    """A migration would be left out, or run before the one that it builds on."""
    (tmp_path / "0002_second.sql").write_text("-- Second,\n-- because.\nselect 2;\n")
    (tmp_path / "0001_first.sql").write_text("-- First.\nselect 1;\n")
    first, second = layout.migrations(tmp_path)
    assert (first.number, first.name, first.why) == (1, "first", "First.")
    assert (second.number, second.name, second.why) == (2, "second", "Second, because.")


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("0003_third.sql", "-- Third.\n", "0002_"),
        ("0001_again.sql", "-- Once more.\n", "0002_"),
        ("2_second.sql", "-- Second.\n", "0002_"),
        ("0002_second.sql", "select 2;\n", "comment"),
    ],
)
def test_a_file_out_of_order_or_without_a_sentence_is_refused(tmp_path, name, text, problem):
    """Two branches would each add the same number, and stacks get one of the two."""
    (tmp_path / "0001_a_first.sql").write_text("-- First.\nselect 1;\n")
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=problem):
        layout.migrations(tmp_path)


@pytest.mark.parametrize(
    ("found", "known", "is_refused"),
    [
        (layout.Recorded(None, False), 0, False),
        (layout.Recorded(None, True), 3, False),
        (layout.Recorded(2, True), 3, False),
        (layout.Recorded(3, True), 3, False),
        (layout.Recorded(4, True), 3, True),
    ],
)
def test_only_a_newer_version_is_refused(found, known, is_refused):
    """Old code would write into tables that it does not know, or no stack could be brought up."""
    if not is_refused:
        layout.refuse_newer(found, known)
        return
    with pytest.raises(AirlineError, match="of version 4, and this code knows version 3") as raised:
        layout.refuse_newer(found, known)
    assert "\n" not in str(raised.value) and raised.value.todo
