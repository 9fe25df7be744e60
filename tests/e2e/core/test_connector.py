"""The connector comes back by itself, and nobody is told meanwhile that it is not there."""

from __future__ import annotations

import os
import signal

import pytest
import requests

from infra.connect import connector
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
        answer = requests.post(url, timeout=60)
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
