"""Verbs that repair: each checks everything before it stops anything, and what failed goes on."""

from __future__ import annotations

import pytest

from infra.connect import connector
from infra.errors import AirlineError
from infra.repair import resync
from infra.source import resync_due
from tests.support.status import is_well, read_only, replay_paused

pytestmark = pytest.mark.timeout(2700)


def refused(stack, *arguments: str) -> str:
    """What the verb says that refuses to begin; nothing is left under way, and the stream goes."""
    before = stack.pid("primary")
    done = stack.airline(*arguments, "--yes", check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert stack.pid("primary") == before
    assert stack.status()["checks"]["under way"]["verbs"] == []
    return done.stderr


def test_a_failover_that_could_not_end_stops_nothing(stack):
    """The primary is stopped, and the replica never comes to the end of its log:
    neither takes a change.
    """
    with replay_paused(stack):
        said = refused(stack, "failover")
    assert "pg_wal_replay_resume" in said and "was not touched" in said
    stack.wait(lambda: is_well(stack), "all is well again")


def test_a_resync_that_could_not_load_stops_nothing(stack):
    """The connector is stopped for a warehouse that takes nothing."""
    for table in ([], ["seats"]):
        with read_only(stack):
            said = refused(stack, "resync", *table)
            assert connector.state(stack.settings).is_running
        assert "dwh: it is read-only" in said and "nothing was changed" in said
        stack.wait(lambda: is_well(stack), "all is well again")


def test_a_resync_without_a_connector_says_what_to_do_first(stack):
    """It ends in Connect's 404."""
    connector.forget(stack.settings)
    try:
        assert "'./airline up' registers it" in refused(stack, "resync", "seats")
    finally:
        stack.up()
    stack.wait(lambda: is_well(stack), "all is well again")


def test_a_resync_that_fails_half_way_lets_changes_come_and_goes_on(stack, monkeypatch):
    """Its failure leaves the connector stopped, or what was due is forgotten
    before it is done.
    """
    resync_due.note(stack.settings, "seats", "a test says so")

    def fail(*_: object) -> None:
        assert connector.state(stack.settings).is_stopped
        raise AirlineError("no luck")

    with monkeypatch.context() as patch:
        patch.setattr(resync, "_write_deletes", fail)
        with pytest.raises(AirlineError, match="no luck"):
            resync.resync(stack.settings, "seats", yes=True)
    stack.wait(lambda: connector.state(stack.settings).is_running, "changes come")
    shown = stack.status()
    assert shown["healthy"] is False
    assert "'./airline resync' goes on" in shown["checks"]["under way"]["problem"]
    stack.airline("resync", "--yes")
    assert stack.status()["checks"]["resync due"]["count"] == 0
    stack.assert_audit_clean()
    stack.wait(lambda: is_well(stack), "all is well again")
