"""The page that says who reaches what, beside the table that is tested."""

from __future__ import annotations

from infra.postgres import roles
from infra.settings import ROOT
from tests.support import reach


def test_the_page_has_the_table_that_is_tested():
    """The page promises what no test shows."""
    assert reach.table() in (ROOT / "docs" / "security.md").read_text()


def test_every_reader_is_in_the_table():
    """A role for people is added, and nobody asks what it reaches."""
    assert set(roles.READERS) <= set(reach.WHO)
    assert set(roles.SEE_NAMES) == reach.NAMES
