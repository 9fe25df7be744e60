"""The connector comes back by itself, and nobody is told meanwhile that it is not there."""

from __future__ import annotations

import itertools
import os
import signal

import pytest
import requests

from infra.connect import connector, worker
from infra.errors import AirlineError

pytestmark = pytest.mark.timeout(1800)


def test_a_connector_that_fails_while_it_starts_is_started_again(stack):
    """A primary that is killed while the connector starts ends CDC for good.

    Debezium reads the types when it starts, and gives up where it cannot. Being killed hits that
    moment seldom; a right that is taken from it always does.
    """
    stack.sql("primary", "revoke select on pg_type from public")
    url = f"{stack.settings.connect_url}/connectors/{connector.NAME}/restart?includeTasks=true"

    def is_asked() -> bool:
        answer = requests.post(url, timeout=60, auth=worker.login(stack.settings))
        if answer.status_code == requests.codes.conflict:
            # The worker is at something else.
            return False
        answer.raise_for_status()
        return True

    stack.wait(is_asked, "it is started again")
    stack.wait(lambda: connector.state(stack.settings).is_failed, "it cannot start")
    stack.sql("primary", "grant select on pg_type to public")
    stack.wait(lambda: connector.state(stack.settings).is_running, "it runs by itself")
    stack.commit("update flights set status = status where flight_id = 1")
    stack.assert_audit_clean()


def test_a_connect_that_starts_does_not_call_the_connector_gone(stack):
    """For a minute after Connect was killed commands end with "the connector is
    gone", for its web server knows no page before the worker has found its plugins.
    """
    said: list[str] = []
    # Asked from the moment it is dead: by the time that it runs again it may have started whole.
    os.kill(stack.pid("connect"), signal.SIGKILL)

    def runs() -> bool:
        try:
            state = connector.state(stack.settings, 1)
        except AirlineError as error:
            said.append(str(error))
            return False
        assert state is not None, f"not registered, after {said}"
        return state.is_running

    stack.wait(runs, "the connector runs by itself")
    assert said, "it was never asked while it started"


def test_a_connector_finds_its_place_where_nobody_writes(stack):
    """Started again on an idle source, the connector runs and passes nothing on.
    The slot keeps the log, and audit, resync and failover end with "no change event came further".

    That is where the last that it processed is a commit: it looks for the next one.
    """
    offsets = f"{stack.settings.connect_url}/connectors/{connector.NAME}/offsets"

    def stored() -> str:
        [told] = requests.get(offsets, timeout=60, auth=worker.login(stack.settings)).json()[
            "offsets"
        ]
        return told["offset"]["messageType"]

    # A heartbeat, every ten seconds, may come between.
    for trial in itertools.count():
        stack.commit("update flights set status = status where flight_id = 1")
        stack.wait(lambda: stored() == "COMMIT", "the commit is processed")
        connector.stop(stack.settings)
        if stored() == "COMMIT":
            break
        assert trial < 10
        connector.resume(stack.settings)
        connector.wait_until_running(stack.settings)
    # What it receives first is not what it processed last.
    stack.sql("primary", "select pg_logical_emit_message(false, %s, '')", connector.HEARTBEAT)
    connector.resume(stack.settings)
    connector.wait_until_running(stack.settings)
    stack.assert_audit_clean()
