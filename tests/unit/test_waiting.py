"""The one loop that waits."""

from __future__ import annotations

import pytest

from infra.stack.waiting import wait_until


def test_it_ends_with_the_first_answer_that_is_true():
    """Whoever waits goes on too early, or asks again what was answered."""
    answers = iter([0, "", None, "there", "too much"])
    assert wait_until(lambda: next(answers), 60, every=0) == "there"
    assert next(answers) == "too much"


def test_it_does_not_wait_for_ever():
    """A command hangs where a server never comes, or says nothing of it."""
    with pytest.raises(LookupError, match="never came"):
        wait_until(lambda: False, 0.01, lambda: LookupError("never came"), every=0)
    assert wait_until(lambda: [], 0.01, every=0) == []


def test_it_asks_once_where_there_is_no_time():
    """What is there already counts as late."""
    assert wait_until(lambda: True, -1, lambda: LookupError("late"))


def test_an_error_ends_it_at_once():
    """What waiting cannot mend is waited for."""
    asked: list[int] = []

    def broken() -> bool:
        asked.append(1)
        raise OSError("no such server")

    with pytest.raises(OSError, match="no such server"):
        wait_until(broken, 60, lambda: LookupError("late"), every=0)
    assert len(asked) == 1
