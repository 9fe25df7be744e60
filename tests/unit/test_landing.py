"""When everything committed before a moment counts as landed."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from infra.cli import landing
from infra.connect.connector import State
from infra.errors import AirlineError
from infra.settings import Settings

TOPIC = ("airline.public.airports", 0)


def test_an_event_that_comes_just_before_the_mark_is_waited_for(monkeypatch):
    """An audit begins before the last change is in staging, and names it as a
    difference. The moment is too short to be met on purpose with real servers.
    """
    monkeypatch.setattr(landing.time, "sleep", lambda _: None)
    monkeypatch.setattr(landing, "_ask", lambda *_: [(100,)])
    running = State("RUNNING", "RUNNING", "")
    monkeypatch.setattr(landing.connector, "state", lambda _: running)
    # At the first look Debezium is before the mark; at the second an event and the mark are there.
    positions = iter([(99, False), (100, False)])
    monkeypatch.setattr(landing.connector, "position", lambda _: next(positions))
    ends = iter([{TOPIC: 5}, {TOPIC: 6}])
    broker = SimpleNamespace(end_offsets=lambda _: next(ends))
    monkeypatch.setattr(landing, "Broker", lambda _: broker)
    landed = iter([{TOPIC: 5}, {TOPIC: 5}, {TOPIC: 6}])
    monkeypatch.setattr(landing, "landed_offsets", lambda *_: next(landed))
    assert landing.wait_until_landed(Settings.from_environment(), lambda _: None) == 6


@pytest.fixture
def one_event(monkeypatch) -> dict[str, Iterator[State]]:
    """An event that lands as soon as the connector runs; `states` are those that it is seen in."""
    seen: dict[str, Iterator[State]] = {}
    clock = iter(range(1_000_000))
    now = {"state": State("RUNNING", "FAILED", "killed")}

    def state(_) -> State:
        now["state"] = next(seen["states"])
        return now["state"]

    monkeypatch.setattr(landing.time, "sleep", lambda _: None)
    monkeypatch.setattr(landing.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(landing, "_ask", lambda *_: [(100,)])
    monkeypatch.setattr(landing.connector, "state", state)
    monkeypatch.setattr(
        landing.connector, "position", lambda _: (100 * now["state"].is_running, False)
    )
    broker = SimpleNamespace(end_offsets=lambda _: {TOPIC: 1})
    monkeypatch.setattr(landing, "Broker", lambda _: broker)
    monkeypatch.setattr(landing, "landed_offsets", lambda *_: {TOPIC: int(now["state"].is_running)})
    return seen


def test_a_connector_that_is_started_again_is_waited_for(one_event):
    """An audit right after the primary was restarted ends with an error, though
    the connector is started again a second later. That second cannot be met on purpose.
    """
    failed, running = State("RUNNING", "FAILED", "killed"), State("RUNNING", "RUNNING", "")
    one_event["states"] = iter([failed, failed, running])
    assert landing.wait_until_landed(Settings.from_environment(), lambda _: None) == 1


def test_a_connector_that_stays_failed_is_said(one_event):
    """Whoever waits is not told why nothing comes."""
    failed = State("RUNNING", "FAILED", "no such role")
    one_event["states"] = iter([failed] * 1_000)
    with pytest.raises(AirlineError, match="failed while events were on their way"):
        landing.wait_until_landed(Settings.from_environment(), lambda _: None)
