"""A slot that is ahead of the connector's stored position: changes that are in no topic."""

from __future__ import annotations

import pytest
import requests

from infra.connect import connector, slot_gap
from tests.support.power_cut import cut_power

pytestmark = pytest.mark.timeout(1800)

SLOT = f"from pg_replication_slots where slot_name = '{connector.SLOT}'"


def said(stack, check: str = "slot continuity") -> str:
    """What status says of it."""
    return stack.status()["checks"][check]["problem"] or ""


def gap_served(stack) -> float | None:
    """The metric, as the endpoint tells it now."""
    url = f"http://{stack.settings.host}:{stack.settings.port('metrics')}/metrics"
    for line in requests.get(url, timeout=30).text.splitlines():
        if line.startswith("airline_slot_gap_bytes "):
            return float(line.split()[1])
    return None


def wait_until_unread(stack) -> None:
    stack.wait(
        lambda: stack.sql("primary", f"select active {SLOT}") == [(False,)], "nobody reads the slot"
    )


def move_slot(stack) -> None:
    stack.sql(
        "primary", f"select pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) {SLOT}"
    )


def test_a_slot_that_moved_past_changes_is_said_until_a_resync(stack):
    """Changes are in no topic, and every part of the stack calls itself well."""
    stack.commit(
        "delete from airports where airport_code like 'QG%'",
        "insert into airports values ('QGA', 'To Be Deleted', 'Gap', 1, 2, 'UTC')",
        "insert into airports values ('QGB', 'To Be Changed', 'Gap', 1, 2, 'UTC')",
    )
    stack.assert_audit_clean()
    assert said(stack) == ""
    stack.supervisor.halt("connect")
    wait_until_unread(stack)
    stack.commit(
        "delete from airports where airport_code = 'QGA'",
        "update airports set city = 'Changed Unseen' where airport_code = 'QGB'",
    )
    move_slot(stack)
    # At once, and `up` says it before the connector goes on.
    assert "may be in no topic" in said(stack)
    done = stack.up()
    assert "may be in no topic" in done.stdout
    # The connector is past it: only what was kept tells.
    stack.commit("update airports set city = city where airport_code = 'LED'")
    stack.wait_until_landed()
    assert "./airline resync" in said(stack)
    stack.wait(lambda: gap_served(stack), "the metrics tell it")
    assert stack.audit()["differences"] == 2
    # A resync of one table does not know about the others.
    stack.airline("resync", "airports", "--yes")
    assert said(stack)
    done = stack.airline("resync", "--yes")
    assert "source and vault are equal" in done.stdout
    assert said(stack) == ""
    stack.wait(lambda: stack.status()["healthy"], "all is well")
    stack.wait(lambda: gap_served(stack) == 0, "the metrics tell that it is over")
    stack.commit("delete from airports where airport_code like 'QG%'")
    stack.assert_audit_clean()


def test_stored_positions_that_kafka_lost_are_said_and_nothing_is_lost(stack):
    """After a power cut the connector goes on behind its slot, and nobody asks
    whether what lies between is in the topics.
    """
    stack.commit("update airports set city = city where airport_code = 'LED'")
    stack.assert_audit_clean()
    assert said(stack) == ""
    stack.supervisor.halt("connect")
    wait_until_unread(stack)
    assert said(stack) == "", "a worker that was ended has stored where it was"
    cut_power(stack, slot_gap.OFFSETS_TOPIC, 2000, newest_partition(stack))
    # Before the worker runs again, and after it has stored a newer position.
    stack.wait(lambda: "may be in no topic" in said(stack), "the older position is noticed")
    stack.supervisor.run("connect")
    stack.wait_for_services("connect")
    stack.commit("update airports set city = 'After The Cut' where airport_code = 'LED'")
    # Debezium refuses a slot that begins behind its position, however often it is started.
    stack.wait(
        lambda: "'./airline resync'" in said(stack, "connector"), "the connector's line says it"
    )
    done = stack.airline("up", "--only", "core", check=False)
    assert done.returncode == 1 and "'./airline resync'" in done.stderr
    assert "./airline resync" in said(stack)
    stack.airline("resync", "--yes")
    stack.wait(lambda: stack.status()["healthy"], "all is well")
    stack.assert_audit_clean()


def newest_partition(stack) -> int:
    """The partition of Connect's offsets topic that the connector's positions are in."""
    folder = stack.home / "data" / "kafka"
    logs = {
        int(segment.parent.name.rpartition("-")[2]): segment.stat().st_size
        for segment in sorted(folder.glob(f"{slot_gap.OFFSETS_TOPIC}-*/*.log"))
    }
    return max(logs, key=lambda number: logs[number])
