"""A server that stops answering in the middle of a question keeps nobody waiting for ever."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import psycopg2
import pytest

from infra.health import checks
from infra.health.finding import Finding
from infra.postgres import roles, sessions
from tests.integration.conftest import PATIENCE
from tests.support.proxy import Proxy


@pytest.fixture
def proxy(postgres_server):
    proxy = Proxy(postgres_server.port)
    yield proxy
    proxy.stop()


def silent_once_asked(postgres_server, proxy, question: str) -> None:
    """Has the proxy pass nothing on as soon as the server is at this question."""
    asked = f"select 1 from pg_stat_activity where state = 'active' and query = '{question}'"

    def watch() -> None:
        deadline = time.monotonic() + PATIENCE
        while not postgres_server.server.query(asked) and time.monotonic() < deadline:
            time.sleep(0.05)
        proxy.half_open()

    threading.Thread(target=watch, daemon=True).start()


def test_a_question_has_an_end(postgres_server, proxy, monkeypatch):
    """Metrics, or a command, hang on a connection that is none any more."""
    monkeypatch.setattr(sessions, "ANSWERS_WITHIN", 3)
    server = replace(postgres_server.server, port=proxy.port)
    assert server.query("select 1") == [(1,)]
    question = "select pg_sleep(30) as a_question"
    silent_once_asked(postgres_server, proxy, question)
    with pytest.raises(psycopg2.OperationalError, match="no answer"):
        server.query(question)


def test_a_load_that_went_silent_lets_go(postgres_server, proxy, monkeypatch):
    """After a load whose connection went dead every later one waits for ever."""
    monkeypatch.setattr(roles, "LOAD_SILENT_FOR", "1s")
    settings = postgres_server.server.settings
    roles.make(settings, "dwh", postgres_server.dsn())
    lock = "select pg_advisory_xact_lock(42)"
    through = replace(postgres_server.server, port=proxy.port)
    load = psycopg2.connect(through.dsn("postgres", roles.DBT, settings.secret(roles.DBT)))
    load.cursor().execute(lock)
    proxy.half_open()
    # The error of the timeout where it is not free in time.
    postgres_server.server.query(f"set statement_timeout = '60s'; {lock}")


def test_a_role_that_was_shut_out_is_let_in_again(postgres_server):
    """`up` gives it its password, and goes on to say that the password is refused."""
    settings = postgres_server.server.settings
    roles.make(settings, "dwh", postgres_server.dsn())
    login = postgres_server.server.dsn("postgres", roles.DBT, settings.secret(roles.DBT))
    for shut in ("valid until '2020-01-01'", "connection limit 0", "nologin"):
        postgres_server.server.query(f"alter role {roles.DBT} {shut}")
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(login)
        roles.make(settings, "dwh", postgres_server.dsn())
        psycopg2.connect(login).close()


def test_status_does_not_wait_for_what_says_nothing(postgres_server, proxy, monkeypatch):
    """`status` hangs where it is needed most, or leaves out who is silent."""
    server = replace(postgres_server.server, port=proxy.port)
    answered = threading.Event()

    def silent(_settings) -> Finding:
        question = "select pg_sleep(30) as of_status"
        silent_once_asked(postgres_server, proxy, question)
        server.query(question)
        answered.set()
        return Finding("")

    monkeypatch.setattr(checks, "PATIENCE", 2)
    monkeypatch.setattr(
        checks,
        "CHECKS",
        (
            checks.Check("silent", frozenset(), silent),
            checks.Check("well", frozenset(), lambda _: Finding("", "all is well")),
        ),
    )
    begun = time.monotonic()
    [first, second] = checks.findings(postgres_server.server.settings, set())
    assert first.problem.startswith("no answer") and not answered.is_set()
    assert (second.text, second.problem) == ("all is well", "")
    assert time.monotonic() - begun < sessions.ANSWERS_WITHIN
