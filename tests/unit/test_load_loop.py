"""`load-loop` while there is nothing that it may load."""

from __future__ import annotations

from infra.loading import load_loop


def test_what_is_held_back_is_not_tried_without_a_pause():
    """dbt would take a whole core for as long as half a transaction is on its way."""
    pending, nothing = iter([True, True, True, True, False]), iter([False, True, True, False])
    rests: list[float] = []
    load_loop.run(
        lambda: None,
        lambda: next(pending),
        lambda: next(nothing),
        rests.append,
        is_stopping=lambda: False,
        once=True,
    )
    assert rests == [load_loop.FIRST_RETRY, 2 * load_loop.FIRST_RETRY]
