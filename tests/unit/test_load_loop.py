"""`load-loop` while there is nothing that it may load."""

from __future__ import annotations

from types import SimpleNamespace

from infra.cli import load_loop
from infra.settings import Settings


def test_what_is_held_back_is_not_tried_without_a_pause(monkeypatch):
    """dbt would take a whole core for as long as half a transaction is on its way."""
    pending, nothing = iter([True, True, True, True, False]), iter([False, True, True, False])
    rests: list[float] = []
    monkeypatch.setattr(load_loop, "Loader", lambda settings: SimpleNamespace(load=lambda: None))
    monkeypatch.setattr(load_loop.packages, "put_in_place", lambda say: None)
    monkeypatch.setattr(load_loop.signal, "signal", lambda *arguments: None)
    monkeypatch.setattr(load_loop, "is_pending", lambda settings: next(pending))
    monkeypatch.setattr(load_loop, "read_nothing", lambda settings: next(nothing))
    monkeypatch.setattr(load_loop, "_rest", lambda seconds, stopping: rests.append(seconds))
    assert load_loop.main(Settings.from_environment({}), ["--once"]) == 0
    assert rests == [load_loop.FIRST_RETRY, 2 * load_loop.FIRST_RETRY]
