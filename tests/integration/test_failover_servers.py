"""`failover` between two real servers, where nothing else of the stack runs: as after a reboot."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

import pytest

from infra.connect import connector
from infra.errors import AirlineError
from infra.health import checks
from infra.parts.registry import choose, registry
from infra.repair import failover
from infra.source.servers import Primary, Replica
from infra.stack import home
from infra.stack.journal import Journal
from infra.stack.progress import Progress
from infra.stack.service import bring_up
from infra.stack.supervision import Supervisor
from tests.integration.conftest import PATIENCE, settings_in

pytestmark = pytest.mark.timeout(1800)

_numbers = itertools.count(1)


class Pair:
    """A primary and its replica, under a supervisor of their own."""

    def __init__(self, folder) -> None:
        self.settings = settings_in(folder)
        home.make(self.settings)
        choose(self.settings, "core")
        self.supervisor = Supervisor(self.settings)
        self.primary = Primary(self.settings).server
        self.replica = Replica(self.settings).server
        self.start()
        self.primary.query("create table who_wrote (server text)")
        self.wait(
            lambda: self.replica.query("select to_regclass('who_wrote')") != [(None,)],
            "the replica has the table",
        )

    def start(self) -> None:
        self.supervisor.start([service.program() for service in registry(self.settings)])
        for service in (Primary(self.settings), Replica(self.settings)):
            bring_up(service, self.supervisor, Progress())

    def wait(self, until: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not until():
            assert time.monotonic() < deadline, f"waited in vain until {what}"
            time.sleep(0.2)

    def make_slot(self) -> None:
        """CDC's slot, on both."""
        self.primary.query(
            f"select pg_create_logical_replication_slot('{connector.SLOT}', 'pgoutput',"
            " false, false, true)"
        )

        def is_synchronised() -> bool:
            self.primary.query("select pg_log_standby_snapshot()")
            self.primary.query(
                f"select pg_replication_slot_advance('{connector.SLOT}', pg_current_wal_lsn())"
            )
            return bool(self.replica.query(failover.SYNCED))

        self.wait(is_synchronised, "the replica has the slot")

    def write(self, server) -> None:
        """A row that says where it was written."""
        server.query(f"insert into who_wrote values ('{server.name}')")

    def writers(self) -> list[tuple]:
        """Who wrote what the primary has now."""
        return self.primary.query("select server from who_wrote order by 1")

    def begun(self) -> None:
        """What a failover leaves that was killed at its first step, and then the machine went."""
        Journal(self.settings, "failover").write(phase="begun", at="20260301T000000Z")
        self.supervisor.stop()

    def lose_primary(self) -> None:
        self.primary.data.rename(self.primary.data.with_name("primary.gone"))


@pytest.fixture
def pair(reachable_folder) -> Iterator[Pair]:
    made = Pair(reachable_folder / f"pair{next(_numbers)}")
    yield made
    made.supervisor.stop()


def test_a_failover_goes_on_after_a_reboot_without_a_primary(pair, capsys):
    """The replica is not started, and `up` refuses because of the journal."""
    pair.make_slot()
    pair.write(pair.primary)
    pair.wait(lambda: pair.replica.query("select 1 from who_wrote"), "the replica has the row")
    pair.begun()
    pair.lose_primary()
    assert failover.failover(pair.settings, yes=False, discard=False) == 0
    assert "'./airline up' starts it" in capsys.readouterr().out
    assert Journal(pair.settings, "failover").read() is None
    assert pair.writers() == [("primary",)]
    pair.wait(lambda: pair.primary.query(failover.STREAMS), "the new replica streams")


def test_a_promoted_replica_is_never_left_beside_the_former_primary(pair):
    """Killed right after the promotion, a failover starts the former primary,
    and what was written to the promoted one is lost.
    """
    pair.make_slot()
    pair.supervisor.halt("primary")
    pair.replica.query("select pg_promote()")
    pair.write(pair.replica)
    pair.begun()
    assert failover.failover(pair.settings, yes=False, discard=True) == 0
    assert pair.writers() == [("replica",)]
    assert Journal(pair.settings, "failover").read() is None


def test_a_failover_without_the_slot_asks_for_a_resync(pair):
    """CDC goes on from a new slot, and nobody learns what it missed."""
    pair.lose_primary()
    pair.supervisor.halt("primary")
    with pytest.raises(AirlineError, match="airline resync' finds them"):
        failover.failover(pair.settings, yes=True, discard=False)
    assert Journal(pair.settings, "failover").read() is None
    pair.write(pair.primary)
    findings = {finding.name: finding for finding in checks.examine(pair.settings)[1]}
    assert findings["under way"].values == {"verbs": ["resync"]}


def test_a_failover_whose_replica_is_broken_leaves_the_primary_free(pair, monkeypatch):
    """Neither `failover` nor `up` does anything, and the primary is well."""
    pair.begun()
    control = pair.replica.data / "global" / "pg_control"
    control.rename(control.with_name("broken"))
    monkeypatch.setattr(failover, "PATIENCE", 5)
    with pytest.raises(AirlineError, match="the replica does not answer"):
        failover.failover(pair.settings, yes=False, discard=False)
    assert Journal(pair.settings, "failover").read() is None
