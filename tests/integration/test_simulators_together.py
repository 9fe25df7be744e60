"""Two simulators at once, and what the server says of it."""

from __future__ import annotations

from collections import Counter

from infra.source.database import setup
from infra.source.history import load_history
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
