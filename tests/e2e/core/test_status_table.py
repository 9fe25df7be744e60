"""What `status`, `up` and the metrics must answer to each fault; and that each heals again.

One row is one fault: which services and checks it makes ill, in which words, and what the metrics
say. What hangs, and must not hang whoever asks, is in tests/unit/test_health.py as well.
"""

from __future__ import annotations

import functools
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import psycopg2
import psycopg2.extras
import pytest
import requests

from infra.connect import connector, worker
from infra.health import checks
from infra.postgres import roles
from tests.support.status import (
    Row,
    by_statements,
    is_well,
    read_only,
    replay_paused,
    service,
    the_fault_is_said_and_heals,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2700)]


@contextmanager
def no_connection_left(stack) -> Iterator[None]:
    """Sessions that do nothing take every connection of the warehouse."""
    dsn = stack.settings.dsn("dwh", user=roles.BI, password=stack.settings.secret(roles.BI))
    with ExitStack() as taken:
        while True:
            try:
                taken.enter_context(closing(psycopg2.connect(dsn)))
            except psycopg2.OperationalError:
                break
        yield


@contextmanager
def locked(stack) -> Iterator[None]:
    """A session holds a lock for which everybody waits."""
    with closing(psycopg2.connect(stack.settings.dsn("dwh"))) as connection:
        with connection.cursor() as cursor:
            cursor.execute("lock table staging.ingest_offset in access exclusive mode")
        yield


@contextmanager
def held_up(stack) -> Iterator[None]:
    """Somebody's open transaction, and somebody who waits for it."""
    with (
        closing(psycopg2.connect(stack.settings.dsn("dwh"), application_name="notebook")) as one,
        closing(psycopg2.connect(stack.settings.dsn("dwh"), async_=True)) as other,
    ):
        with one.cursor() as cursor:
            cursor.execute("select count(*) from presentation.frequent_flyers")
        psycopg2.extras.wait_select(other)
        # Kept: what waits ends with its cursor.
        waiting = other.cursor()
        waiting.execute("begin; lock table presentation.frequent_flyers in access exclusive mode")
        yield
        one.rollback()
        psycopg2.extras.wait_select(other)


@contextmanager
def connector_paused(stack) -> Iterator[None]:
    url = f"{stack.settings.connect_url}/connectors/{connector.NAME}"
    requests.put(f"{url}/pause", auth=worker.login(stack.settings)).raise_for_status()
    try:
        yield
    finally:
        requests.put(f"{url}/resume", auth=worker.login(stack.settings)).raise_for_status()


@contextmanager
def connector_failed(stack) -> Iterator[None]:
    """A right is taken from Debezium, which it needs when it starts."""
    url = f"{stack.settings.connect_url}/connectors/{connector.NAME}"
    stack.sql("primary", "revoke select on pg_type from public")
    try:
        requests.post(
            f"{url}/restart?includeTasks=true", auth=worker.login(stack.settings)
        ).raise_for_status()
        yield
    finally:
        stack.sql("primary", "grant select on pg_type to public")


@contextmanager
def connector_gone(stack) -> Iterator[None]:
    connector.forget(stack.settings)
    try:
        yield
    finally:
        connector.register(stack.settings)


@contextmanager
def port_taken(stack) -> Iterator[None]:
    """Another program listens where the metrics should, which end at once each time."""
    stack.supervisor.halt("metrics")
    with closing(socket.socket()) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((stack.settings.host, stack.settings.port("metrics")))
        other.listen()
        stack.supervisor.run("metrics")
        yield
    stack.supervisor.run("metrics")


@contextmanager
def broken_configuration(stack) -> Iterator[None]:
    """The replica's configuration has a line that PostgreSQL does not know, and it is killed."""
    file = stack.home / "data" / "replica" / "airline.conf"
    whole = file.read_text()
    file.write_text(f"{whole}no_such_setting = on\n")
    try:
        os.kill(stack.pid("replica"), signal.SIGKILL)
        yield
    finally:
        file.write_text(whole)
        stack.supervisor.run("replica")


@contextmanager
def ingesters_refused(stack) -> Iterator[None]:
    """The warehouse lets the ingesters in no more: each ends, and is started again every few
    seconds.
    """
    stack.sql("dwh", f"alter role {roles.INGEST} nologin")
    try:
        for name in ("ingest", "ingest-2"):
            os.kill(stack.pid(name), signal.SIGKILL)
        yield
    finally:
        stack.sql("dwh", f"alter role {roles.INGEST} login")


@contextmanager
def broken_stream(stack, statement: str, table: str | None, back: str = "") -> Iterator[None]:
    """The source's administrator changes what is captured, and rows are deleted meanwhile.

    `back`: what a person does before `up` mends the rest; of `table`, or all, a resync is due.
    """
    stack.sql("primary", statement)
    try:
        deleted = stack.sql("primary", DELETE) if table in (None, "boarding_passes") else []
        yield
        # Nobody who is told to resync at once may stop anything by that.
        refused = stack.airline("resync", *[table] * (table is not None), "--yes", check=False)
        assert refused.returncode == 1 and "nothing was changed" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert connector.state(stack.settings).is_running
        shown = stack.audit()
        assert shown["differences"] == len(deleted)
        ill = shown["findings"] + [line for each in shown["tables"] for line in each["findings"]]
        assert ill, "the audit names what is wrong"
    finally:
        if back:
            stack.sql("primary", back)
        said = stack.up().stdout
    assert "changes may have been missed" in said
    due = stack.status()["checks"]["resync due"]
    assert due["tables"] == [table or "all tables"]
    stack.airline("resync", *[table] * (table is not None), "--yes")
    stack.assert_audit_clean()


@contextmanager
def full_identity(stack) -> Iterator[None]:
    """Every change logs the whole row: nothing is lost, and `up` sets it back."""
    stack.sql("primary", "alter table flights replica identity full")
    try:
        yield
        stack.assert_audit_clean()
    finally:
        stack.up()


@contextmanager
def another_configuration(stack) -> Iterator[None]:
    """Somebody takes a table out of the connector's list, and rows of it are deleted."""
    url = f"{stack.settings.connect_url}/connectors/{connector.NAME}/config"
    config = requests.get(url, auth=worker.login(stack.settings)).json()
    tables = config["table.include.list"].replace(",public.boarding_passes", "")
    # With the connector stopped: the task that reads with the former list is gone.
    connector.stop(stack.settings)
    requests.put(
        url, json=config | {"table.include.list": tables}, auth=worker.login(stack.settings)
    ).raise_for_status()
    connector.resume(stack.settings)
    stack.wait(lambda: connector.state(stack.settings).is_running, "the connector runs")
    deleted = stack.sql("primary", DELETE)
    yield
    refused = stack.airline("resync", "--yes", check=False)
    assert refused.returncode == 1 and "nothing was changed" in refused.stderr
    assert stack.audit()["differences"] == len(deleted)
    assert "changes may have been missed" in stack.up().stdout
    stack.airline("resync", "--yes")
    stack.assert_audit_clean()


def broken(statement: str, table: str | None, back: str = ""):
    return functools.partial(broken_stream, statement=statement, table=table, back=back)


DELETE = """
    delete from boarding_passes where (ticket_no, flight_id) in
    (select ticket_no, flight_id from boarding_passes order by 1, 2 limit 7)
    returning ticket_no, flight_id
"""
NOT_CAPTURED = {
    ("airline_problem", "source tables"): 1,
    ("airline_problem", "resync due"): 1,
    ("airline_resyncs_due", ""): 1,
}
ROWS = {
    "table not published": Row(
        broken(
            "alter publication airline_publication drop table boarding_passes", "boarding_passes"
        ),
        {
            "source tables": "boarding_passes is not published.*airline up",
            "resync due": "'./airline resync boarding_passes'",
        },
        NOT_CAPTURED | {("airline_captured_tables", ""): 7},
    ),
    "publication dropped": Row(
        broken("drop publication airline_publication", None),
        {"source tables": "publication.*is missing.*airline up", "resync due": "airline resync'"},
        NOT_CAPTURED | {("airline_captured_tables", ""): 0},
    ),
    "publication without deletes": Row(
        broken("alter publication airline_publication set (publish = 'insert, update')", None),
        {"source tables": "leaves out every delete and truncate", "resync due": "airline resync'"},
        NOT_CAPTURED,
    ),
    "published with a row filter": Row(
        broken(
            "alter publication airline_publication drop table boarding_passes;"
            " alter publication airline_publication add table boarding_passes"
            " where (flight_id < 0)",
            "boarding_passes",
        ),
        {"source tables": "boarding_passes is published with a row filter"},
        NOT_CAPTURED,
    ),
    "another replica identity": Row(
        broken(
            "alter table boarding_passes replica identity using index"
            " boarding_passes_flight_id_seat_no_key",
            "boarding_passes",
        ),
        {"source tables": "alter table boarding_passes replica identity default"},
        NOT_CAPTURED,
    ),
    "another table in its place": Row(
        broken(
            "alter table boarding_passes rename to passes_before;"
            " create table boarding_passes (like passes_before including all);"
            " insert into boarding_passes table passes_before",
            "boarding_passes",
            "drop table passes_before",
        ),
        {"source tables": "boarding_passes is not published"},
        NOT_CAPTURED,
    ),
    "replica identity full": Row(
        full_identity,
        {"source tables": "flights has replica identity full"},
        {("airline_problem", "source tables"): 1, ("airline_resyncs_due", ""): 0},
    ),
    "warehouse read-only": Row(
        read_only, {"dwh": "read-only"}, {service("dwh"): 0, service("dwh", "answers"): 0}
    ),
    "no connection left": Row(
        no_connection_left, {"dwh": "connections are taken|connection slots"}, {service("dwh"): 0}
    ),
    "a lock that stays": Row(
        locked,
        {"landed": "did not end in time", "locks": "holds up"},
        {("airline_problem", "landed"): 1},
    ),
    "of a newer version": Row(
        by_statements(
            "dwh",
            "insert into dwh_control.migration values (9999, 'newer', default, '9.9')",
            "delete from dwh_control.migration where version = 9999",
        ),
        {"version": "this code knows version .* only: use the ./airline that made it"},
        {("airline_problem", "version"): 1},
    ),
    "a session holds others up": Row(
        held_up,
        {"locks": r"session \d+ of dwh \(\w+, notebook, .* open for .* holds up \w+ \(\d+\)"},
        {("airline_problem", "locks"): 1},
    ),
    "replay paused": Row(
        replay_paused,
        {"replication": "pg_wal_replay_resume"},
        {("airline_problem", "replication"): 1, ("airline_replication_paused", ""): 1},
    ),
    "connector paused": Row(
        connector_paused,
        {"connector": "paused.*resume"},
        {("airline_problem", "connector"): 1, ("airline_connector_running", ""): 0},
    ),
    "connector failed": Row(
        connector_failed,
        {"connector": "Exception.*auto-restart"},
        {("airline_problem", "connector"): 1, ("airline_connector_running", ""): 0},
    ),
    "connector configured otherwise": Row(
        another_configuration,
        {"connector": "table.include.list.*airline up", "resync due": "airline resync'"},
        {("airline_problem", "connector"): 1, ("airline_resyncs_due", ""): 1},
    ),
    "connector gone": Row(
        connector_gone,
        {"connector": "registers it"},
        {("airline_problem", "connector"): 1, ("airline_connector_running", ""): 0},
    ),
    "port taken": Row(
        port_taken,
        {"metrics": "not running|starting|ended"},
        {service("metrics"): 0},
        {"metrics": "Address already in use"},
    ),
    "configuration broken": Row(
        broken_configuration,
        {"replica": "not running|starting|ended", "replication": "replica"},
        {service("replica"): 0, ("airline_problem", "replication"): 1},
        {"replica": "configuration file .* contains errors"},
    ),
    "ingesters start again and again": Row(
        ingesters_refused,
        {
            "ingest": r"ended \d+ times in the last 5 minutes",
            "ingest-2": r"ended \d+ times in the last 5 minutes",
            "ingesters": "are read by nobody",
        },
        {service("ingest"): 0, service("ingest-2"): 0, ("airline_problem", "ingesters"): 1},
        dict.fromkeys(("ingest", "ingest-2"), "airline_ingest.* is not permitted to log in"),
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_fault_is_said_and_heals(stack, name):
    """`status` and the metrics call what is ill healthy, or ill for ever."""
    the_fault_is_said_and_heals(stack, ROWS[name])


def test_what_is_stopped_is_said_whatever_hangs(stack):
    """A frozen service is RUNNING, so healthy; or `status` hangs with it."""
    pids = stack.pids()
    try:
        for pid in pids.values():
            os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        shown = stack.status()
        took = time.monotonic() - begun
        text = stack.airline("status", check=False).stdout
    finally:
        for pid in pids.values():
            os.kill(pid, signal.SIGCONT)
    assert took < 10 * checks.PATIENCE, "it waited for what hangs"
    assert shown["healthy"] is False
    for name, pid in pids.items():
        assert f"kill -CONT {pid}" in shown["services"][name]["problem"]
        assert f"{name}: its process is stopped" in text
    assert "not healthy" in text
    stack.wait(lambda: is_well(stack), "all is well again")


def test_a_password_that_is_refused_is_said(stack):
    """A server that lets nobody in is well, for its process runs."""
    done = stack.airline("status", check=False, AIRLINE_ADMIN_PASSWORD="mistyped")
    assert done.returncode == 1
    for name in ("primary", "replica", "dwh"):
        assert f"{name}: does not answer: password authentication failed" in done.stdout
    assert "mistyped" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
