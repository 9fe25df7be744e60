"""`failover`: the replica becomes the primary, and a new replica is made. Addresses stay.

The promoted data is served on the primary's port, so no client needs to be told, and the
connector only connects again: its slot is there, because it was synchronised. CDC is never ahead
of the replica (`synchronized_standby_slots`), so what it has read is in the promoted data.

Every step can be repeated; the journal says where to go on after a kill. While it is there, `up`
refuses to start anything: two primaries would be two truths.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2

from infra.connect import connector
from infra.errors import AirlineError
from infra.loading import catch_up
from infra.parts.registry import registry
from infra.settings import Settings
from infra.source.servers import Primary, Replica
from infra.stack import consent, home
from infra.stack.journal import Journal
from infra.stack.program import BACKOFF, RUNNING, STARTING
from infra.stack.progress import Progress
from infra.stack.service import bring_up
from infra.stack.supervision import Supervisor
from infra.stack.waiting import wait_until

WHAT = "This stops the primary for some seconds and makes the replica the primary."
# How long a server may take to come up or catch up, in seconds.
PATIENCE = 90
# How often a primary that ended is started again before it counts as lost.
MOST_STARTS = 2
STREAMS = """
select 1 from pg_stat_replication
where application_name = 'airline_replica' and state = 'streaming'
"""
SYNCED = f"""
select 1 from pg_replication_slots
where slot_name = '{connector.SLOT}' and failover and not temporary and invalidation_reason is null
"""


def failover(settings: Settings, *, yes: bool, discard: bool) -> int:
    """Returns an exit code. Raises AirlineError where the replica cannot take over."""
    progress = Progress()
    if not Replica(settings).server.is_made and Journal(settings, "failover").read() is None:
        raise AirlineError(
            f"there is no replica in {settings.home}", "'./airline up' makes and starts one"
        )
    with home.alone(settings, progress.say):
        supervisor = Supervisor(settings)
        supervisor.start([service.program() for service in registry(settings)])
        journal = Journal(settings, "failover")
        told = journal.read()
        if told is None and not yes and not consent.is_given("failover", WHAT):
            return 1
        if told is None or told["phase"] == "begun":
            # To go on as well: a replica that is down cannot say whether it was promoted.
            _start_replica(settings, supervisor, journal)
            _refuse_paused(settings)
        if told is None:
            told = journal.write(phase="begun", at=datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
        else:
            progress.say("going on with the failover that was begun before")
        told = _steps(settings, supervisor, journal, told, progress)
        aside = _aside(settings, told)
        if discard:
            shutil.rmtree(aside, ignore_errors=True)
        if told["needs_resync"]:
            Journal(settings, "resync").write(table=None, phase="begun")
        journal.end()
        progress.say(f"the former replica is the primary, on port {settings.primary_port}")
        if aside.exists():
            progress.say(f"the former primary's data is kept in {aside}")
        if told["needs_resync"]:
            raise AirlineError(
                f"the slot {connector.SLOT} had not reached the replica, or a resync had not "
                "ended: changes may have been missed",
                "'./airline resync' finds them, deletes included",
            )
        if supervisor.states()["connect"].state != RUNNING:
            # As after a reboot.
            progress.say("the rest of the stack does not run: './airline up' starts it")
            return 0
        with progress.step("connector"):
            connector.wait_until_running(settings)
        catch_up.land(settings, progress)
    return 0


def _steps(
    settings: Settings,
    supervisor: Supervisor,
    journal: Journal,
    told: dict[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    replica = Replica(settings).server
    if told["phase"] == "begun":
        if not _is_promoted(replica):
            with progress.step("stop primary"):
                _stop_primary(settings, supervisor, journal, progress)
            with progress.step("promote"):
                replica.query(f"select pg_promote(true, {PATIENCE})")
                _wait(lambda: _is_promoted(replica), "the replica cannot be promoted")
            progress.say("replica promoted")
        # Debezium makes a new slot where it finds none, and says nothing of what was before it.
        # And a resync that is half done may have read what the replica did not have.
        needs_resync = not replica.query(SYNCED) or Journal(settings, "resync").read() is not None
        told = journal.write(**{**told, "phase": "promoted", "needs_resync": needs_resync})
    if told["phase"] == "promoted":
        supervisor.halt("primary")
        supervisor.halt("replica")
        _swap(settings, told)
        told = journal.write(**{**told, "phase": "swapped"})
    with progress.step("primary"):
        bring_up(Primary(settings), supervisor, progress)
    with progress.step("replica"):
        bring_up(Replica(settings), supervisor, progress)
    return told


def _stop_primary(
    settings: Settings, supervisor: Supervisor, journal: Journal, progress: Progress
) -> None:
    """Stops the primary after it has sent everything to the replica, if it is able to."""
    primary, replica = Primary(settings).server, Replica(settings).server
    if _comes_up(settings, supervisor):
        try:
            _wait(
                lambda: primary.query(STREAMS) and replica.query(SYNCED),
                f"the replica does not stream or lacks the slot {connector.SLOT}",
            )
        except AirlineError:
            # Nothing was done yet, and the primary serves.
            journal.end()
            raise
        # A clean stop sends what is left, and a last record of the log.
        [(wanted,)] = primary.query("select pg_current_wal_flush_lsn()")
        supervisor.halt("primary")
        _wait(
            lambda: replica.query(f"select pg_last_wal_replay_lsn() >= '{wanted}'") == [(True,)],
            f"the replica did not get the log up to {wanted}",
        )
        progress.say("primary stopped, the replica has all of its log")
    else:
        supervisor.halt("primary")
        [(reached,)] = replica.query(
            "select coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())"
        )
        progress.say(
            f"the primary does not start; the replica has its log up to {reached}, and what was "
            "committed after that is lost to the replica and to CDC alike"
        )


def _comes_up(settings: Settings, supervisor: Supervisor) -> bool:
    """Whether the primary runs, or starts again: a killed one still has what it had not sent."""
    primary = Primary(settings).server
    if not primary.is_made:
        return False
    tries = 0

    def is_decided() -> bool:
        nonlocal tries
        if primary.answers():
            return True
        if supervisor.states()["primary"].state not in (RUNNING, STARTING, BACKOFF):
            tries += 1
            if tries > MOST_STARTS:
                return True
            supervisor.run("primary")
        return False

    return wait_until(is_decided, PATIENCE) and tries <= MOST_STARTS


def _swap(settings: Settings, told: dict[str, Any]) -> None:
    """The promoted data becomes the primary's; renames, so each is done or not."""
    primary, replica = Primary(settings).server.data, Replica(settings).server.data
    aside = _aside(settings, told)
    if not replica.exists():
        return
    if primary.exists() and not aside.exists():
        primary.rename(aside)
    replica.rename(primary)


def _aside(settings: Settings, told: dict[str, Any]) -> Path:
    primary = Primary(settings).server.data
    return primary.with_name(f"{primary.name}.before-failover-{told['at']}")


def _is_promoted(server) -> bool:
    try:
        return server.query("select pg_is_in_recovery()") == [(False,)]
    except psycopg2.OperationalError:
        return False


def _start_replica(settings: Settings, supervisor: Supervisor, journal: Journal) -> None:
    replica = Replica(settings).server

    def answers() -> bool:
        if supervisor.states()["replica"].state not in (RUNNING, STARTING, BACKOFF):
            supervisor.run("replica")
        return replica.answers()

    try:
        _wait(answers, "the replica does not answer")
    except AirlineError:
        if (replica.data / "standby.signal").exists():
            # Not promoted, so nothing was done yet, and `up` may start the primary.
            journal.end()
        raise


def _refuse_paused(settings: Settings) -> None:
    """Before the primary is stopped: nobody would wait for what the replica does not replay."""
    replica = Replica(settings).server
    if replica.query(
        "select case when pg_is_in_recovery() then pg_is_wal_replay_paused() else false end"
    ) == [(True,)]:
        raise AirlineError(
            "the replica's replay is paused, so it cannot take over; the primary was not touched",
            "'select pg_wal_replay_resume()' on the replica lets it go on, then failover again",
        )


def _wait(until, what: str) -> None:
    def is_so() -> bool:
        try:
            return bool(until())
        except psycopg2.OperationalError:
            return False

    wait_until(
        is_so,
        PATIENCE,
        lambda: AirlineError(what, "see './airline status' and './airline logs replica'"),
    )
