"""When everything committed before a moment counts as landed."""

from __future__ import annotations

from types import SimpleNamespace

from infra.cli import landing
from infra.connect.connector import State
from infra.settings import Settings

TOPIC = ("airline.public.airports", 0)


def test_an_event_that_comes_just_before_the_mark_is_waited_for(monkeypatch):
    """Wrong if it fails: an audit begins before the last change is in staging, and names it as a
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
