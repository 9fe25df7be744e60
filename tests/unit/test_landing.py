"""When everything committed before a moment counts as landed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from infra.connect.connector import State
from infra.errors import AirlineError
from infra.loading import landing
from infra.loading.landing import Look
from infra.settings import Settings

TOPIC = ("airline.public.airports", 0)


def running() -> State:
    return State("RUNNING", "RUNNING", "")


def failed() -> State:
    return State("RUNNING", "FAILED", "no such role")


def follow(looks: Iterable[Look] | Callable[[Look | None], Look]) -> int:
    """`landing.follow` over these looks, a second apart."""
    seconds, settings = iter(range(1_000_000)), Settings.from_environment({})
    if not callable(looks):
        rest = iter(looks)
        looks = lambda _: next(rest)  # noqa: E731
    return landing.follow(
        looks,
        lambda _: None,
        lambda state, passed: landing._give_up(settings, state, passed),
        lambda: float(next(seconds)),
        lambda _: None,
    )


def test_an_event_that_comes_just_before_the_mark_is_waited_for():
    """An audit begins before the last change is in staging, and names it as a difference. The
    moment is too short to be met on purpose with real servers.
    """
    # (LSN, end of the topic) as Debezium's position is asked for: at first it is before the mark.
    moments = iter([(99, 5), (100, 6)])
    landed = iter([5, 5, 6])
    log: dict[str, int] = {}

    def position() -> tuple[int, bool]:
        log["lsn"], log["end"] = next(moments)
        return log["lsn"], False

    def ends() -> landing.Offsets:
        # Later traffic, for which nobody waits.
        log["end"] += 1
        return {TOPIC: log["end"] - 1}

    def look(before: Look | None) -> Look:
        return landing.look(
            before,
            100,
            position=position,
            ends=ends,
            landed=lambda: {TOPIC: next(landed)},
            state=running,
        )

    assert follow(look) == 6
    assert log["end"] == 7, "what came after the mark was waited for"


def test_what_was_processed_in_a_snapshot_is_not_past_the_mark():
    """Rows of a snapshot that is under way would be missing."""
    seen = landing.look(
        None,
        100,
        position=lambda: (100, True),
        ends=lambda: {TOPIC: 1},
        landed=lambda: {TOPIC: 1},
        state=running,
    )
    assert not seen.passed


def test_a_connector_that_is_started_again_is_waited_for():
    """An audit right after the primary was restarted ends with an error, though the connector is
    started again a second later. That second cannot be met on purpose.
    """
    looks = [
        Look(False, {TOPIC: 1}, {TOPIC: 0}, failed),
        Look(False, {TOPIC: 1}, {TOPIC: 0}, failed),
        Look(True, {TOPIC: 1}, {TOPIC: 1}, running),
    ]
    assert follow(looks) == 1


def test_a_connector_that_stays_failed_is_said():
    """Whoever waits is not told why nothing comes."""
    with pytest.raises(AirlineError, match="failed while events were on their way"):
        follow(lambda _: Look(False, {TOPIC: 1}, {TOPIC: 0}, failed))
