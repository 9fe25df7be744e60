"""When a failed connector is started again, and when one is helped to its place."""

from __future__ import annotations

import dataclasses
import time
from itertools import pairwise

import psycopg2

from infra.connect import auto_restart, connector, last_failure, resume_position
from infra.connect.auto_restart import LAST_RETRY, Patience
from infra.connect.connector import State
from infra.connect.resume_position import STANDS_STILL, Search
from infra.connect.slot_gap import Slot
from infra.settings import Settings


def tries(patience: Patience, begin: int, end: int, **state: bool) -> list[int]:
    """The seconds at which it is started again, asked every second."""
    return [now for now in range(begin, end) if patience.is_due(now, **state)]


def test_what_stays_failed_is_tried_ever_more_seldom():
    """A lost slot costs a start of Debezium every two seconds, for days."""
    assert tries(Patience(), 0, 300, failed=True, running=False) == [
        *(0, 2, 6, 14, 30, 62),
        *(122, 182, 242),
    ]


def test_what_fails_just_after_each_start_counts_as_failing_still():
    """The same, where the task fails a moment after it has started."""
    patience = Patience()
    found = []
    for now in range(0, 400):
        # Started again, it runs for a second.
        just_started = bool(found) and now - found[-1] == 1
        if patience.is_due(now, failed=not just_started, running=just_started):
            found.append(now)
    assert [later - sooner for sooner, later in pairwise(found)][-3:] == [LAST_RETRY] * 3


def test_what_fails_again_and_again_is_known_while_it_runs(tmp_path, monkeypatch):
    """Status calls it running each time that it looks between two failures, and a load waits for
    what cannot come.
    """
    settings = dataclasses.replace(Settings.from_environment({}), home=tmp_path)
    failed = State("RUNNING", "FAILED", "RecordTooLargeException: x")
    running = State("RUNNING", "RUNNING", "")
    monkeypatch.setattr(connector, "state", lambda *_: running)
    patience, seen = Patience(), []
    for now in range(0, 200):
        # It fails each ten seconds, until it is mended.
        state = failed if now % 10 == 9 and now < 100 else running
        patience.is_due(now, failed=state.is_failed, running=state.is_running)
        auto_restart._note_failure(settings, state, patience)
        seen.append(connector.state_in_the_long_run(settings))
    # One failure is none in the long run.
    assert seen[9] == running
    assert seen[60] == failed
    assert seen[-1] == running
    # A resync starts it anew: of the cause before nothing is said.
    last_failure.write(settings, dataclasses.asdict(failed))
    last_failure.forget(settings)
    assert connector.state_in_the_long_run(settings) == running


def test_after_a_long_run_it_is_tried_at_once():
    """A killed primary costs a minute without CDC, long after a bad day."""
    patience = Patience()
    assert tries(patience, 0, 100, failed=True, running=False)
    assert not tries(patience, 100, 200, failed=False, running=True)
    assert tries(patience, 200, 203, failed=True, running=False) == [200, 202]


def test_what_was_stopped_is_let_alone():
    """A resync's connector starts beneath it."""
    assert not tries(Patience(), 0, 300, failed=False, running=False)


def test_a_slot_that_is_read_and_stands_still_is_helped_once():
    """A connector that looks for its place stands still for good; or a source
    whose log is read gets transactions of ours again and again.
    """
    search = Search()
    long = int(STANDS_STILL)

    def helped(begin: int, end: int, slot: Slot | None) -> list[int]:
        found = []
        for now in range(begin, end):
            if search.is_stuck(now, slot):
                search.is_helped = True
                found.append(now)
        return found

    assert helped(0, 100, Slot(None, 7)) == []  # nobody reads
    assert helped(100, 300, Slot(11, 7)) == [100 + long]
    assert helped(300, 300 + long, Slot(11, 8)) == []
    assert helped(400, 400 + long, Slot(12, 8)) == []  # another reader
    assert helped(500, 700, Slot(12, 8)) == [500]
    assert helped(700, 800, None) == []


def test_help_that_fails_is_tried_again(monkeypatch):
    """A primary that refuses one statement leaves the connector where it is."""
    settings = Settings.from_environment({})
    search = Search(seen=Slot(11, 7), since=time.monotonic() - 2 * STANDS_STILL)
    tried = []

    def refused(_: object) -> None:
        tried.append("refused")
        raise psycopg2.OperationalError("canceling statement due to statement timeout")

    monkeypatch.setattr(resume_position, "help_on", refused)
    auto_restart._help_on(settings, search, Slot(11, 7))
    monkeypatch.setattr(resume_position, "help_on", lambda _: tried.append("done"))
    for _ in range(3):
        auto_restart._help_on(settings, search, Slot(11, 7))
    assert tried == ["refused", "done"]
