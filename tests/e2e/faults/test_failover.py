"""`failover`: the replica becomes the primary, CDC goes on from it, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from infra.stack.journal import Journal
from tests.e2e.faults.proof import Proof, compare_topics
from tests.e2e.faults.test_resync import run_until
from tests.support.traffic import Traffic

pytestmark = pytest.mark.timeout(1800)


def assert_whole(stack) -> None:
    stack.assert_audit_clean()
    proof = Proof()
    compare_topics(stack, proof)
    assert proof.holds, proof


def test_the_replica_takes_over_from_a_primary_that_is_gone_for_good(stack):
    """With the primary's disk gone, CDC cannot go on, or has read something
    that the promoted replica does not have.
    """
    data = stack.settings.home / "data" / "primary"
    gone = data.with_name("primary.gone")
    try:
        with Traffic(rate=300, seed=21) as traffic:
            stack.wait(lambda: traffic.changes, "there is traffic")
            # The disk goes with the process: nothing can start there again.
            data.rename(gone)
            os.kill(stack.pid("primary"), signal.SIGKILL)
            done = stack.airline("failover", "--yes", "--discard")
            assert "is the primary" in done.stdout
            before = traffic.changes
            stack.wait(lambda: traffic.changes > before, "traffic goes on at the same address")
    finally:
        shutil.rmtree(gone, ignore_errors=True)
    assert_whole(stack)
    stack.wait(lambda: stack.status()["healthy"], "there is a new replica, and all is well")
    assert stack.status()["checks"]["replication"]["state"] == "streaming"


def test_a_planned_failover_that_is_killed_goes_on_and_nobody_starts_two_primaries(stack):
    """A failover killed half way cannot be finished, or `up` starts the former
    primary beside the promoted replica.
    """
    stack.airline("simulate", "--rate", "0", "--changes", "500", "--seed", "23")
    stack.wait(
        lambda: stack.status()["checks"]["replication"].get("slot_synchronised"),
        "the replica has the slot",
    )
    for phase in ("begun", "promoted", "swapped"):
        run_until(stack, phase, "failover", "--yes", "--discard")
        refused = stack.up(check=False)
        assert refused.returncode == 1
        assert "./airline failover" in refused.stderr
        assert stack.status()["healthy"] is False
    stack.airline("failover", "--discard")
    assert Journal(stack.settings, "failover").read() is None
    stack.airline("simulate", "--rate", "0", "--changes", "500", "--seed", "24")
    assert_whole(stack)
    stack.wait(lambda: stack.status()["healthy"], "there is a new replica, and all is well")
