"""Two simulators at once, and what the server says of it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from infra.postgres import sessions
from infra.source.database import setup
from infra.source.history import load_history
from infra.source.live import SteppingClock, simulate
from infra.source.live.run import _Run


def test_what_another_took_is_no_error_of_the_server(postgres_server, monkeypatch):
    """The primary's log is full of what it refused: nobody sees the error that is one."""
    dsn = postgres_server.create_database("simulators")
    setup(dsn)
    load_history(dsn, scale=0.02, progress=lambda _: None)
    log = postgres_server.server.settings.home / "test.log"
    before = log.stat().st_size
    gave_way = []
    usual = _Run._give_way
    monkeypatch.setattr(
        _Run, "_give_way", lambda run, error: (gave_way.append(error), usual(run, error))
    )
    # Both have looked up the next ticket's number before either has given it out.
    runs = [_Run(dsn, 0, None, 1000, seed, None, lambda _: None, None) for seed in (1, 2)]
    done = Counter()
    for run in runs:
        done += run.go().operations
    assert done["ticket cancelled"]
    assert gave_way, "the two never met"
    said = log.read_bytes()[before:].decode(errors="replace")
    assert [line for line in said.splitlines() if "ERROR" in line] == []


def test_days_go_on_sale_as_time_goes_by(postgres_server):
    """A simulator that runs for weeks sells out, and the airline ends."""
    dsn = postgres_server.create_database("simulator_days")
    setup(dsn)
    now = datetime(2026, 3, 14, 9, tzinfo=UTC)
    load_history(dsn, scale=0.02, progress=lambda _: None, now=now)
    last = "select max(scheduled_departure) from flights where flight_no not like 'PX%'"
    [(before,)] = sessions.query(dsn, last)
    clock = SteppingClock(now + timedelta(days=5), 60)
    done = simulate(dsn, rate=0, changes=200, clock=clock, progress=lambda _: None)
    [(after,)] = sessions.query(dsn, last)
    assert done.operations["day put on sale"]
    assert after - before >= timedelta(days=1)
