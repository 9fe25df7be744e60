"""What is made of Connect's answers while its worker starts."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from infra.connect import connector, signals
from infra.errors import AirlineError
from infra.settings import Settings

NO_PAGE = (404, "text/html;charset=ISO-8859-1", "<html>HTTP ERROR 404 Not Found</html>")
NO_STATUS = (404, "application/json", '{"error_code":404,"message":"No status found"}')
NOT_FOUND = (404, "application/json", '{"error_code":404,"message":"Connector not found"}')
REGISTERED = (200, "application/json", '{"name":"airline-connector"}')

STATUS, CONNECTOR = "/connectors/airline-connector/status", "/connectors/airline-connector"


@pytest.fixture
def answers() -> Iterator[dict[str, Any]]:
    """Path -> what is answered to it. The moments are too short to be met with a real worker."""
    answers: dict[str, Any] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, kind, text = answers[self.path]
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        answers["port"] = server.server_port
        yield answers
        server.shutdown()


def settings(answers) -> Settings:
    return Settings.from_environment({"AIRLINE_CONNECT_PORT": str(answers["port"])})


def test_a_worker_that_starts_is_not_one_without_the_connector(answers):
    """ "the connector is gone; up registers it again", which is not so."""
    answers |= {STATUS: NO_PAGE, CONNECTOR: NO_PAGE}
    with pytest.raises(AirlineError, match="is still starting"):
        connector.state(settings(answers), 1)


def test_a_worker_that_settles_is_asked_again(answers):
    """`up` ends with "refuses GET airline-connector (500)", a second after Connect has started."""
    said = (
        '{"error_code":500,"message":"Request cannot be completed because a rebalance is expected"}'
    )
    answers |= {STATUS: NO_STATUS, CONNECTOR: (500, "application/json", said)}
    settled = threading.Timer(1, lambda: answers.update({CONNECTOR: REGISTERED}))
    settled.start()
    assert connector.state(settings(answers), 30) == connector.State("UNASSIGNED", None, "")
    settled.join()


def test_a_connector_without_a_state_is_registered(answers):
    """The same, in the moment before the worker has taken the connector on."""
    answers |= {STATUS: NO_STATUS, CONNECTOR: REGISTERED}
    state = connector.state(settings(answers), 1)
    assert state is not None
    assert not (state.is_running or state.is_failed or state.is_stopped)


def test_a_connector_that_is_not_there_is_said_to_be_missing(answers):
    """Whoever deleted the connector waits for it for minutes."""
    answers |= {STATUS: NO_STATUS, CONNECTOR: NOT_FOUND}
    assert connector.state(settings(answers), 1) is None


def test_an_older_versions_settings_ask_for_no_resync(answers):
    """Each upgrade of a stack says that changes were missed, and wants all rows read again."""
    asked = settings(answers)
    ours = connector.configuration(asked) | {"name": connector.NAME}
    older = {"logical.decoding.message.prefix.exclude.list": "airline-heartbeat"}
    for more, others in ((older, []), ({"column.exclude.list": "a.b"}, ["column.exclude.list"])):
        answers[f"{CONNECTOR}/config"] = (200, "application/json", json.dumps(ours | more))
        assert connector.captures_otherwise(asked) == others


RUNNING = connector.State("RUNNING", "RUNNING", "")
STARTING = connector.State("RUNNING", "UNASSIGNED", "")
FAILED = connector.State("RUNNING", "FAILED", "the broker is gone")
STOPPED = connector.State("STOPPED", None, "")


@pytest.mark.parametrize(
    ("state", "begun", "was_away", "is_late", "step"),
    [
        (RUNNING, False, False, False, "wait"),
        # The broker was killed just before: the connector starts anew, and starts without it.
        (STARTING, False, False, False, "wait"),
        (FAILED, False, True, False, "wait"),
        (RUNNING, False, True, False, "send"),
        (RUNNING, True, True, False, "wait"),
        # What was begun is not begun again by a connector that starts.
        (STARTING, True, False, False, "give up"),
        (STOPPED, False, False, False, "give up"),
        (None, False, False, False, "give up"),
        (STARTING, False, True, True, "give up"),
        (RUNNING, False, False, True, "give up"),
    ],
)
def test_a_signal_outlasts_a_connector_that_starts(state, begun, was_away, is_late, step):
    """A fault just before a resync ends it with an error."""
    assert signals.next_step(state, begun=begun, was_away=was_away, is_late=is_late) == step
