"""A slot that cannot fill the disk, and `resync` where it was lost or changes were missed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
import requests

from infra.connect import connector, worker
from infra.kafka.broker import Broker
from infra.loading import landing
from infra.repair import cut_transactions
from infra.settings import ROOT
from infra.stack.journal import Journal
from tests.support.traffic import Traffic

pytestmark = pytest.mark.timeout(1800)

SLOT = f"from pg_replication_slots where slot_name = '{connector.SLOT}'"


@pytest.fixture
def small_slot(stack) -> Iterator[None]:
    """A slot that may keep 48 MB of the log instead of gigabytes."""
    stack.sql("primary", "alter system set max_slot_wal_keep_size = '48MB'")
    stack.sql("primary", "select pg_reload_conf()")
    yield
    stack.sql("primary", "alter system reset max_slot_wal_keep_size")
    stack.sql("primary", "select pg_reload_conf()")


def write_log(stack, megabytes: int) -> None:
    """Fills the primary's log, and waits until the replica has it: its slot must not be lost."""
    stack.sql(
        "primary",
        "select count(pg_logical_emit_message(false, 'airline-heartbeat', repeat('x', 1000000)))"
        " from generate_series(1, %s)",
        megabytes,
    )
    stack.wait(
        lambda: (
            stack.sql(
                "primary",
                "select pg_current_wal_lsn() <= restart_lsn from pg_replication_slots"
                " where slot_name = 'airline_replica'",
            )
            == [(True,)]
        ),
        "the replica has the log",
    )


def lose_slot(stack) -> None:
    """Has the log written on until nobody can read the slot any more; its reader is stopped."""
    write_log(stack, 40)
    write_log(stack, 40)
    stack.sql("primary", "select pg_switch_wal()")
    stack.sql("primary", "checkpoint")
    assert stack.sql("primary", f"select wal_status {SLOT}") == [("lost",)]


def delete_boarding_passes(stack) -> list[tuple]:
    """Deletes seven of them; their keys."""
    return stack.sql(
        "primary",
        "delete from boarding_passes where (ticket_no, flight_id) in"
        " (select ticket_no, flight_id from boarding_passes order by 1, 2 limit 7)"
        " returning ticket_no, flight_id",
    )


def run_until(stack, phase: str, *arguments: str) -> None:
    """Runs ./airline and kills it as soon as its journal says `phase`."""
    journal = Journal(stack.settings, arguments[0])
    process = subprocess.Popen(
        ["./airline", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    while (journal.read() or {}).get("phase") != phase:
        assert process.poll() is None, f"ended before {phase}:\n{process.stdout.read()}"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def made_deletes(stack, table: str) -> list[dict]:
    """The keys of the deletes that resync has written into raw."""
    return [
        key
        for (key,) in stack.sql(
            "dwh",
            f"select key from staging.{table} where value -> 'source' ->> 'connector' ="
            " 'airline-resync' order by kafka_offset",
        )
    ]


def test_an_idle_source_moves_the_slot(stack):
    """A source without changes in our tables keeps its log for ever."""
    stack.sql("primary", "create table if not exists not_published (filler text)")
    stack.sql("primary", "insert into not_published select repeat('x', 1000000)")
    stack.sql("primary", "drop table not_published")
    [(mark,)] = stack.sql("primary", "select pg_current_wal_lsn()")
    stack.wait(
        lambda: stack.sql("primary", f"select confirmed_flush_lsn >= %s {SLOT}", mark) == [(True,)],
        "a heartbeat has moved the slot",
    )


def test_a_lost_slot_is_said_before_and_after_and_resync_finds_every_change(stack, small_slot):
    """The slot is lost without a word, or a change made meanwhile stays
    missed; or a resync that was killed cannot go on.
    """
    stack.commit("delete from airports where airport_code like 'QR%'")
    stack.assert_audit_clean()
    known = made_deletes(stack, "boarding_passes")
    connector.stop(stack.settings)
    stack.commit(
        "insert into airports values ('QRS', 'Resync Airport', 'Resync', 1, 2, 'UTC')",
        "update airports set city = city || ' (unseen)' where airport_code <> 'QRS'",
    )
    deleted = delete_boarding_passes(stack)
    write_log(stack, 30)
    slot = stack.status()["checks"]["slot"]
    assert slot["wal_status"] != "lost"
    assert "before it is lost" in slot["problem"]

    lose_slot(stack)
    shown = stack.airline("status", check=False)
    assert shown.returncode == 1
    assert "./airline resync" in shown.stdout
    asked = stack.airline("resync", check=False)
    assert asked.returncode == 1
    assert "--yes" in asked.stderr
    asked = stack.airline("resync", "airports", "--yes", check=False)
    assert "without a table reads all of them" in asked.stderr
    assert Journal(stack.settings, "resync").read() is None

    for phase in ("snapshot", "deletes"):
        run_until(stack, phase, "resync", "--yes")
        shown = stack.status()
        assert shown["healthy"] is False
        assert shown["checks"]["under way"]["verbs"] == ["resync"]
    # Nobody goes on until the new slot is lost as well.
    connector.stop(stack.settings)
    deleted += delete_boarding_passes(stack)
    lose_slot(stack)
    done = stack.airline("resync")
    assert "source and vault are equal" in done.stdout
    keys = [(key["ticket_no"], key["flight_id"]) for key in made_deletes(stack, "boarding_passes")]
    assert sorted(keys[len(known) :]) == sorted(deleted)
    assert stack.sql("dwh", "select city from dwh_business.current_airports"
                     " where airport_code = 'QRS'") == [("Resync",)]  # fmt: skip
    stack.wait(lambda: stack.status()["healthy"], "everything is well again")


def test_a_resync_beside_traffic_ends_well(stack):
    """What the source changes while rows are read counts as a difference."""
    with Traffic(rate=300, seed=15) as traffic:
        stack.wait(lambda: traffic.changes, "there is traffic")
        before = traffic.changes
        done = stack.airline("resync", "--yes", "bookings")
        assert traffic.changes > before
        traffic.stop()
    assert "source and vault are equal" in done.stdout
    stack.assert_audit_clean()


def test_resync_of_a_table_finds_what_audit_says_is_missing(stack):
    """Changes that the connector skipped in a table can only be had by reading
    all tables, or its deletes are not found.
    """
    stack.commit(
        "delete from airports where airport_code like 'QR%'",
        "insert into airports values ('QRA', 'To Be Deleted', 'Resync', 1, 2, 'UTC')",
        "insert into airports values ('QRB', 'To Be Changed', 'Resync', 1, 2, 'UTC')",
    )
    stack.assert_audit_clean()
    known = len(made_deletes(stack, "airports"))
    connector.stop(stack.settings)
    stack.commit(
        "delete from airports where airport_code = 'QRA'",
        "update airports set city = 'Changed Unseen' where airport_code = 'QRB'",
    )
    # As if Debezium had lost them: the slot is past these changes.
    stack.sql(
        "primary", f"select pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) {SLOT}"
    )
    connector.resume(stack.settings)
    connector.wait_until_running(stack.settings)
    assert stack.audit()["differences"] == 2
    done = stack.airline("resync", "airports", "--yes")
    assert "source and vault are equal" in done.stdout
    assert made_deletes(stack, "airports")[known:] == [{"airport_code": "QRA"}]
    assert stack.airline("resync", "airplanes", "--yes", check=False).returncode == 1
    stack.commit("delete from airports where airport_code like 'QR%'")
    stack.assert_audit_clean()


def test_a_resync_of_a_table_becomes_one_of_all_where_the_slot_is_lost(stack, small_slot):
    """It waits for a connector that cannot run, each time; or the table that is
    named is not the one that is read.
    """
    run_until(stack, "deletes", "resync", "airports", "--yes")
    refused = stack.airline("resync", "seats", "--yes", check=False)
    assert refused.returncode == 1
    assert "a resync of airports was begun" in refused.stderr
    connector.stop(stack.settings)
    delete_boarding_passes(stack)
    lose_slot(stack)
    done = stack.airline("resync")
    assert "all tables are read" in done.stdout
    assert "source and vault are equal" in done.stdout
    stack.wait(lambda: stack.status()["healthy"], "everything is well again")


def test_a_resync_in_the_middle_of_a_transaction_ends_equal(stack):
    """The transaction's END never comes, its tables wait for it for ten minutes,
    and the resync says that they differ.
    """
    there_and_back = [f"update ticket_flights set amount = amount {sign} 1" for sign in "+-+-"]
    for _ in range(10):
        [(before,)] = stack.sql("dwh", "select max(kafka_offset) from staging.ticket_flights")
        stack.commit(*there_and_back)
        stack.wait(
            lambda before=before: stack.sql(
                "dwh",
                "select 1 from staging.ticket_flights where kafka_offset > %s limit 1",
                before,
            ),
            "the transaction is on its way",
        )
        connector.stop(stack.settings)
        landing.wait_until_staged(
            stack.settings, Broker(stack.settings).end_offsets(stack.settings.topics), print
        )
        if cut_transactions.find(stack.settings):
            break
        connector.resume(stack.settings)
        connector.wait_until_running(stack.settings)
    else:
        pytest.fail("the connector was never stopped in the middle of a transaction")
    done = stack.airline("resync", "--yes")
    assert "1 transactions were cut off" in done.stdout
    assert "source and vault are equal" in done.stdout


def test_a_connector_that_has_just_started_reads_a_table_anew(stack):
    """What it says of its start is taken for the end of the snapshot."""
    stack.kill("connect")
    stack.wait(
        lambda: stack.status()["checks"]["connector"].get("task") == "RUNNING",
        "the connector runs again",
    )
    stack.airline("resync", "--yes", "seats")
    stack.assert_audit_clean()


def test_nobody_waits_for_a_connector_that_was_stopped(stack):
    """An audit is silent for minutes, and then blames what has not landed."""
    url = f"{stack.settings.connect_url}/connectors/{connector.NAME}"
    requests.put(f"{url}/stop", timeout=60, auth=worker.login(stack.settings)).raise_for_status()
    try:
        stack.commit("update airports set city = city where airport_code = 'LED'")
        said = stack.airline("audit", check=False)
        assert said.returncode == 1
        assert "is stopped, so no change comes" in said.stderr
    finally:
        requests.put(
            f"{url}/resume", timeout=60, auth=worker.login(stack.settings)
        ).raise_for_status()
    stack.assert_audit_clean()
