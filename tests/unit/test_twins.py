"""Values that Python and dbt both need, and cannot share."""

from __future__ import annotations

import re

from infra.settings import ROOT
from infra.warehouse import event_retention
from tests.support import events


def macro(file: str, name: str) -> str:
    """What a macro without arguments renders: its text."""
    text = (ROOT / "macros" / file).read_text()
    return re.search(rf"macro {name}\(\) -%}}(.*?){{%-? *endmacro", text, re.DOTALL)[1].strip()


def test_a_value_that_did_not_come_along_is_called_the_same():
    """The tests' events hold a text that no macro knows, and what it does is not tested."""
    assert macro("cdc/unavailable_value.sql", "unavailable_value") == events.UNAVAILABLE


def test_retention_and_loads_cut_the_log_into_the_same_chunks():
    """Retention forgets where events are that are still there, and one that repeats them counts."""
    chunk = int(macro("load_batch/note_repeated_events.sql", "landed_lsn_chunk"))
    assert chunk == event_retention.LANDED_LSN_CHUNK
