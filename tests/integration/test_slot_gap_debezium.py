"""Debezium between a real primary and a real broker, and a slot that is ahead of it; no more of the
stack runs.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import psycopg2
import pytest
from kafka.errors import KafkaError

from infra.connect import connector, slot_gap
from infra.connect.service import AutoRestart, Connect
from infra.errors import AirlineError
from infra.health.slot_continuity import slot_continuity
from infra.kafka.service import Kafka
from infra.parts.registry import choose, registry
from infra.source import database
from infra.source.servers import Primary
from infra.stack import home
from infra.stack.progress import Progress
from infra.stack.service import bring_up
from infra.stack.supervision import Supervisor
from tests.integration.conftest import scratch_folder, settings_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2700)]

# How long anything may take, in seconds.
PATIENCE = 240
SLOT = f"from pg_replication_slots where slot_name = '{connector.SLOT}'"


class Cdc:
    """Primary, Kafka, Connect and auto-restart under a supervisor of their own."""

    def __init__(self, folder) -> None:
        self.settings = settings_in(folder)
        home.make(self.settings)
        choose(self.settings, "core")
        self.supervisor = Supervisor(self.settings)
        self.supervisor.start([service.program() for service in registry(self.settings)])
        for kind in (Primary, Kafka):
            bring_up(kind(self.settings), self.supervisor, Progress())
        # There is no replica to wait for.
        self.sql("alter system set synchronized_standby_slots = ''")
        self.sql("select pg_reload_conf()")
        database.setup(self.settings.dsn("primary"))
        bring_up(Connect(self.settings), self.supervisor, Progress())
        connector.register(self.settings)
        connector.wait_until_running(self.settings)
        bring_up(AutoRestart(self.settings), self.supervisor, Progress())
        self.change()
        self.wait_until_sent()

    def sql(self, statement: str) -> list[tuple]:
        with closing(psycopg2.connect(self.settings.dsn("primary"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def change(self) -> None:
        """A transaction that begins before another one, and ends after it."""
        with (
            closing(psycopg2.connect(self.settings.dsn("primary"))) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            insert = "insert into airports values ('{}', 'Gap', 'Gap', 1, 2, 'UTC')"
            cursor.execute("delete from airports where airport_code = 'QGA'")
            cursor.execute(insert.format("QGA"))
            self.sql("delete from airports where airport_code = 'QGB'")
            self.sql(insert.format("QGB"))

    def wait(self, until: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(psycopg2.Error, AirlineError, KafkaError):
                if until():
                    return
            assert time.monotonic() < deadline, f"waited in vain until {what}"
            time.sleep(0.2)

    def wait_until_sent(self) -> None:
        """Waits until the connector has stored a position after all that is committed now."""
        mark: list[int] = []

        def passed() -> bool:
            if not mark:
                [(now,)] = self.sql(
                    "select pg_logical_emit_message(false, 'airline-heartbeat', '', true)"
                    " - '0/0'::pg_lsn"
                )
                mark.append(int(now))
            lsn, in_snapshot = connector.position(self.settings)
            return lsn >= mark[0] and not in_snapshot

        self.wait(passed, "the connector has passed the mark")

    def wait_until_unread(self) -> None:
        self.wait(lambda: self.sql(f"select active {SLOT}") == [(False,)], "nobody reads the slot")

    def move_slot(self) -> None:
        self.sql(f"select pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) {SLOT}")

    def pid(self, service: str) -> int:
        return self.supervisor.states()[service].pid

    def kill(self, service: str) -> None:
        """As a power cut would; the supervisor starts it again."""
        pid = self.pid(service)
        os.kill(pid, signal.SIGKILL)
        self.wait(lambda: self.pid(service) not in (0, pid), f"{service} is started again")

    def said(self) -> str:
        return slot_continuity(self.settings).problem


@pytest.fixture(scope="module")
def cdc() -> Iterator[Cdc]:
    with scratch_folder("airline-slot-gap-") as folder:
        made = None
        try:
            made = Cdc(folder)
            yield made
        finally:
            Supervisor(settings_in(folder)).stop() if made is None else made.supervisor.stop()


@pytest.fixture
def whole(cdc) -> Iterator[Cdc]:
    """No gap is known, and the connector is at the end of the log."""
    slot_gap.forget(cdc.settings)
    cdc.wait_until_sent()
    assert slot_gap.look(cdc.settings) is None
    yield cdc
    slot_gap.forget(cdc.settings)


def test_whatever_restarts_the_slot_is_never_ahead(whole):
    """Status calls for a resync of all tables, and nothing is missing."""
    done = threading.Event()
    looks = 0

    def look() -> None:
        nonlocal looks
        while not done.wait(0.2):
            with suppress(psycopg2.Error, KafkaError):
                slot_gap.look(whole.settings)
                looks += 1

    def change() -> None:
        while not done.wait(0.05):
            with suppress(psycopg2.Error):
                whole.change()

    threads = [threading.Thread(target=each) for each in (look, change)]
    for each in threads:
        each.start()
    try:
        for service in ("connect", "kafka", "primary"):
            whole.kill(service)
            whole.wait_until_sent()
        connector.stop(whole.settings)
        time.sleep(3)
        connector.resume(whole.settings)
        whole.wait_until_sent()
        whole.supervisor.halt("connect")
        time.sleep(3)
        whole.supervisor.run("connect")
        whole.wait_until_sent()
    finally:
        done.set()
        for each in threads:
            each.join()
    assert looks > 20
    # Heartbeats alone.
    for _ in range(30):
        assert slot_gap.look(whole.settings) is None
        time.sleep(0.5)


def test_a_slot_that_was_moved_is_said_at_once_and_when_the_connector_is_past_it(whole):
    """Changes are in no topic, and every part of the stack calls itself well."""
    assert whole.said() == ""
    whole.supervisor.halt("connect")
    whole.wait_until_unread()
    whole.change()
    whole.move_slot()
    assert "may be in no topic" in whole.said()
    whole.supervisor.run("connect")
    whole.wait_until_sent()
    assert "./airline resync" in whole.said()
    assert slot_continuity(whole.settings).values["missed_bytes"] > 0


def test_a_slot_that_moved_under_a_killed_connector_is_kept_by_auto_restart(whole):
    """The supervisor starts Connect again before anybody compares."""
    os.kill(whole.pid("connect"), signal.SIGKILL)
    whole.wait_until_unread()
    whole.change()
    whole.move_slot()
    # Nobody else asks meanwhile.
    whole.wait_until_sent()
    assert slot_gap.noted(whole.settings)
