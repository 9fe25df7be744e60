"""`status` answers whatever hangs, and what it says of a service's log is nobody's data."""

from __future__ import annotations

import dataclasses
import functools
import http.server
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from infra.connect import auto_restart
from infra.errors import AirlineError
from infra.health import checks, services
from infra.health.asking import Asker
from infra.health.last_error import last_error
from infra.metrics.service import EXAMINED
from infra.parts.registry import registry
from infra.postgres import sessions
from infra.postgres.server import Server
from infra.settings import PORTS, Settings
from infra.stack import supervision
from infra.stack.program import RUNNING, STEADY, ProgramState
from infra.stack.redaction import redacted
from infra.stack.service import Service
from infra.stack.supervision import Supervisor

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word: what a stopped process looks like."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        yield listener.getsockname()[1]


def stack_in(home: Path, **changed: object) -> Settings:
    """The settings of a stack in exactly this folder."""
    settings = Settings.from_environment({})
    return dataclasses.replace(settings, home=home, **changed)


@pytest.fixture
def hung(silent_port, tmp_path) -> Settings:
    """A stack of which every port is silent."""
    return stack_in(tmp_path, **{field: silent_port for field, _, _ in PORTS.values()})


def in_its_time(questions: Mapping[str, Callable[[], Any]], seconds: float) -> dict[str, Any]:
    """What is answered by questions that have `seconds` each; a busy machine may take longer."""

    def within(question: Callable[[], Any]) -> Any:
        with sessions.patience(seconds * 0.8):
            return question()

    limited = {name: functools.partial(within, each) for name, each in questions.items()}
    return Asker().ask(limited, 4 * seconds)


def test_services_that_take_connections_and_say_nothing_are_ill(hung):
    """A hung service is called healthy, or hangs whoever asks."""
    questions = {each.name: each.problem for each in registry(hung)}
    answers = in_its_time(questions, services.PATIENCE)
    assert {name for name, answer in answers.items() if answer is None} == set(), "no end by itself"
    assert {name for name, (problem,) in answers.items() if not problem} == set()


def test_checks_end_where_nobody_answers(hung):
    """One hung server leaves a thread behind at each round of the metrics."""
    questions = {check.name: functools.partial(checks._ask, hung, check) for check in checks.CHECKS}
    answers = in_its_time(questions, checks.PATIENCE)
    assert {name for name, answer in answers.items() if answer is None} == set()
    assert {
        check.name for check in checks.CHECKS if check.needs and not answers[check.name][0].problem
    } == set()


def test_a_check_that_is_wrong_hides_nothing_else(hung, monkeypatch):
    """A mistake in one check ends `status`, and blinds the metrics."""

    def wrong(settings: Settings) -> None:
        raise KeyError("ANNA PETROVA")

    check = dataclasses.replace(checks.CHECKS[-1], ask=wrong)
    assert checks._ask(hung, check).problem == "the check failed: KeyError('…')"
    [service] = [each for each in registry(hung) if each.name == "docs"]
    monkeypatch.setattr(service, "problem", lambda: wrong(hung))
    assert services._probe(service) == "its probe failed: KeyError('…')"


def test_all_is_asked_at_once_and_nothing_is_waited_for_longer(tmp_path):
    """`status` takes the sum of all that hang, or hangs itself."""
    release = threading.Event()
    begun: list[str] = []

    def hang() -> str:
        begun.append("hang")
        release.wait()
        return "late"

    asker = Asker()
    questions = {"hangs": hang, "hangs too": hang, "answers": lambda: "well"}
    assert asker.ask(questions, 2) == {"hangs": None, "hangs too": None, "answers": ("well",)}
    assert asker.ask(questions, 0.1)["hangs"] is None
    assert len(begun) == 2, "what hangs was asked again"
    release.set()
    deadline = time.monotonic() + 60
    while asker.ask(questions, 0.3)["hangs"] is None:
        assert time.monotonic() < deadline, "what answers again is not asked again"


def test_a_query_ends_with_its_patience(silent_port, hung):
    """A stopped PostgreSQL holds whoever asks it for ever."""
    dwh = Server(hung, "dwh", hung.home, silent_port)
    with (
        sessions.patience(0.3),
        pytest.raises(psycopg2.OperationalError, match="timeout expired"),
    ):
        dwh.query("select 1")


def test_a_supervisor_that_hangs_is_named(monkeypatch, request):
    """A stopped supervisord hangs every command, or looks like none."""
    # A short path: that of a socket has 107 characters at most.
    folder = tempfile.TemporaryDirectory()
    request.addfinalizer(folder.cleanup)
    settings = stack_in(Path(folder.name))
    monkeypatch.setattr(supervision, "PATIENCE", 0.3)
    supervisor = Supervisor(settings)
    path = settings.home / "run" / "supervisor.sock"
    path.parent.mkdir(parents=True)
    (path.parent / "supervisord.pid").write_text("4711\n")
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        listener.listen()
        with pytest.raises(AirlineError, match="kill -CONT 4711"):
            supervisor.states()
        found = services.services(settings)
    assert found and all("does not answer" in each.problem for each in found)


def state(uptime: float, *exits: float) -> ProgramState:
    return ProgramState("ingest", RUNNING, 1, uptime, 9, "", exits)


@pytest.mark.parametrize(
    ("uptime", "exits", "is_flapping"),
    [
        (4, (18, 12, 5), True),
        (4, (12, 5), False),  # a deploy, or one bad moment
        (STEADY + 1, (STEADY + 15, STEADY + 8, STEADY + 2), False),  # it got over it
        (60, (210, 135, 61), True),  # each minute and a bit
        (160, (310, 235, 161), False),
    ],
)
def test_flapping_is_to_end_often_and_not_to_have_got_over_it(uptime, exits, is_flapping):
    """A service that restarts every six seconds is well in each of them."""
    assert state(uptime, *exits).is_flapping is is_flapping


def test_ends_are_read_with_their_time(tmp_path):
    """Ends of last week count as those of the last minutes, or none do."""
    settings = stack_in(tmp_path)
    log = tmp_path / "logs" / "supervisord.log"
    log.parent.mkdir()
    log.write_text(
        "2026-11-26 10:00:00,001 INFO supervisord started with pid 7\n"
        "2026-11-26 10:00:01,001 INFO exited: kafka (exit status 1; not expected)\n"
        "2026-11-26 11:00:00,001 INFO supervisord started with pid 8\n"
        "2026-11-26 11:00:05,001 WARN exited: ingest-2 (terminated by SIGKILL; not expected)\n"
        "2026-11-26 11:00:07,001 WARN stopped: dwh (exit status 0)\n"
        "2026-11-26 11:00:11,001 WARN exited: ingest-2 (exit status 1; not expected)\n"
    )
    exits = Supervisor(settings)._exits()
    assert list(exits) == ["ingest-2"]
    assert exits["ingest-2"][1] - exits["ingest-2"][0] == 6


def test_a_connector_that_nobody_looks_at_is_said(tmp_path, monkeypatch):
    """A hung auto-restart looks well, and a failed connector stays so."""
    settings = stack_in(tmp_path)
    assert "not looked" in auto_restart.problem(settings)
    auto_restart.looked(settings).touch()
    assert auto_restart.problem(settings) == ""
    later = time.time() + auto_restart.TOO_OLD + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert "not looked" in auto_restart.problem(settings)


def test_every_service_says_how_it_is():
    """A new service is well as long as its process runs."""
    for each in registry(Settings.from_environment({})):
        assert type(each).problem is not Service.problem or type(each).answers is not (
            Service.answers
        ), each.name


@contextmanager
def answering(code: int, body: str) -> Iterator[int]:
    """A port on which every page is answered so."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def health(**states: str) -> str:
    names = ("metadatabase", "scheduler", "dag_processor", "triggerer")
    return json.dumps({name: {"status": states.get(name, "healthy")} for name in names})


@pytest.mark.parametrize(
    ("name", "code", "body", "wanted"),
    [
        ("airflow-api-server", 200, health(), ""),
        ("airflow-scheduler", 200, health(), ""),
        ("airflow-scheduler", 200, health(scheduler="unhealthy"), "last heartbeat is old"),
        ("airflow-triggerer", 200, health(triggerer="unhealthy"), "last heartbeat is old"),
        ("airflow-dag-processor", 200, health(dag_processor="unhealthy"), "last heartbeat is old"),
        (
            "airflow-api-server",
            200,
            health(metadatabase="unhealthy"),
            "does not reach its database",
        ),
        ("airflow-scheduler", 500, "", "airflow-api-server, which is asked, does not answer"),
        ("superset", 200, "<html>", ""),
        ("superset", 302, "", ""),
        ("superset", 500, "", "answers 500"),
        ("docs", 200, "<html>", ""),
        ("docs", 503, "", "./airline docs"),
        ("docs", 404, "", "answers 404"),
        ("connect", 200, "[]", ""),
        ("connect", 500, "", "does not answer"),
        ("ingest", 503, "{}", ""),
        # Names of their own, for each worker of pytest must give the same.
        pytest.param("metrics", 200, f"{EXAMINED} {time.time() + 3600}\n", "", id="examined now"),
        pytest.param("metrics", 200, f"{EXAMINED} {time.time() - 3600}\n", "s old", id="long ago"),
        ("metrics", 200, "", "without its own metrics"),
        ("metrics", 500, "", "answers 500"),
    ],
)
def test_what_a_service_answers_decides(tmp_path, name, code, body, wanted):
    """A service is well that answers with errors, or ill that does not.

    A real Airflow cannot be made to say each of these at will.
    """
    with answering(code, body) as port:
        settings = stack_in(tmp_path, **{field: port for field, _, _ in PORTS.values()})
        [service] = [each for each in registry(settings) if each.name == name]
        said = service.problem()
    assert (wanted in said) if wanted else said == "", said


LOGS = {
    "ingest": (
        '{"time": "x", "level": "info", "event": "started"}\n'
        '{"time": "x", "level": "error", "event": "failed", "error": "Topic airline.public.flights'
        ' was deleted and created again", "kind": "TopicRecreated"}\n'
        '{"time": "x", "level": "info", "event": "started"}\n',
        "failed: Topic airline.public.flights was deleted and created again",
    ),
    "auto-restart": (
        '{"time": "x", "event": "starting the failed connector again", "error": "PSQLException"}\n',
        "starting the failed connector again: PSQLException",
    ),
    "postgres": (
        "2026-11-26 16:40:07.123 UTC [12] admin@dwh FATAL:  could not write to file"
        ' "pg_wal/xlogtemp.12": No space left on device\n'
        "2026-11-26 16:40:08.123 UTC [13] admin@dwh ERROR:  duplicate key value violates\n"
        "2026-11-26 16:40:08.123 UTC [13] admin@dwh DETAIL:  Key (name)=(ANNA PETROVA) exists.\n"
        "2026-11-26 16:40:08.123 UTC [13] admin@dwh STATEMENT:  insert into t values"
        " ('FATAL: ANNA PETROVA')\n",
        'could not write to file "…": No space left on device',
    ),
    "connect": (
        "2026-11-26T16:40:07,123 ERROR WorkerSourceTask{id=airline-connector-0} Task threw an"
        " uncaught exception (WorkerTask)\n"
        "org.apache.kafka.connect.errors.ConnectException: row {name=ANNA PETROVA}\n"
        "\tat org.apache.kafka.X.y(X.java:1)\n"
        "2026-11-26T16:40:09,123 INFO stopping (Worker)\n",
        "WorkerSourceTask{…} Task threw an uncaught exception (WorkerTask)",
    ),
    "metrics": (
        "Traceback (most recent call last):\n"
        '  File "x.py", line 1, in <module>\n'
        "    connect('ANNA PETROVA')\n"
        'psycopg2.errors.UniqueViolation: duplicate key value "ANNA PETROVA"\n'
        "DETAIL:  Key (name)=(ANNA PETROVA) already exists.\n"
        "OSError: [Errno 98] Address already in use\n",
        'psycopg2.errors.UniqueViolation: duplicate key value "…"',
    ),
    "airflow": (
        "2026-11-26T16:40:07.123456Z [\x1b[31m\x1b[1merror    \x1b[0m] Not able to reach the"
        " database at //airflow:hidden@127.0.0.1:5434/airflow\n"
        "2026-11-26T16:40:08.123456Z [info     ] going on\n",
        "Not able to reach the database at //…@127.0.0.1:5434/airflow",
    ),
    "superset": (
        "2026-11-26 16:46:03,390:INFO:superset.app:Syncing\n"
        "2026-11-26 16:46:03,390:ERROR:superset.app:Failed for anna.petrova@example.com\n",
        "Failed for …",
    ),
    "gunicorn": (
        "[2026-11-26 16:45:46 +0000] [19377] [ERROR] Connection in use: ('127.0.0.1', 8088)\n",
        "Connection in use: ('127.0.0.1', 8088)",
    ),
    "nothing": ("all is well\n2026-11-26 16:46:03 INFO no ERROR here\n", ""),
}


@pytest.mark.parametrize("name", LOGS)
def test_the_last_error_is_named_without_data(tmp_path, name):
    """`status` does not say why a service ended, or prints a passenger."""
    text, wanted = LOGS[name]
    log = tmp_path / "service.log"
    log.write_text(text)
    said = last_error(log)
    assert said == wanted
    assert "PETROVA" not in said and "hidden" not in said
    assert last_error(tmp_path / "none.log") == ""


@pytest.mark.parametrize(
    "text",
    [
        'invalid input "ANNA PETROVA"',
        "value 'A1B2C3' is taken",
        'json {"passenger_name": "ANNA PETROVA"',
        "Key (ticket_no)=(0005432000987) exists",
        "password=hunter2 refused",
        "call +79161234567",
    ],
)
def test_values_are_left_out(text):
    """A log's data is on the screen of whoever asks for the status."""
    said = redacted(text)
    for value in ("ANNA", "A1B2C3", "0005432000987", "hunter2", "79161234567"):
        assert value not in said
    assert "…" in said
