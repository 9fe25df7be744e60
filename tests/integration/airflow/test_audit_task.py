"""The task of the DAG `audit` on real servers: what it says, and whom it tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import catalogue
from infra.airflow import config
from infra.settings import ROOT, Settings
from infra.stack import home
from tests.integration.conftest import free_ports
from tests.integration.test_audit import Pair
from tests.support.webhook import webhook

pytestmark = pytest.mark.timeout(2700)


class Task:
    """The task, its two databases, and what was posted to the webhook."""

    def __init__(self, server, folder: Path, webhook: str, posted: list[dict[str, Any]]) -> None:
        self.server = server
        self.webhook = webhook
        self.posted = posted
        self.pair = Pair(server)
        self.pair.load()
        [connect] = free_ports(1)
        self.settings = Settings.from_environment(
            {**os.environ, "AIRLINE_HOME": str(folder), "AIRLINE_CONNECT_PORT": str(connect)}
        )
        home.make(self.settings)
        config.folder(self.settings).mkdir(parents=True, exist_ok=True)

    def run(self, *arguments: str, source_port: int | None = None) -> tuple[str, str]:
        """(what it failed with, all that it said)"""
        server = self.server

        def connection(database: str, port: int) -> str:
            return json.dumps(
                {
                    "conn_type": "postgres",
                    "host": server.host,
                    "port": port,
                    "schema": database,
                    "login": server.admin_user,
                    "password": server.admin_password,
                }
            )

        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("run_audit.py")), *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                **config.environment(self.settings),
                "AIRFLOW_CONN_SOURCE": connection("audited_source", source_port or server.port),
                "AIRFLOW_CONN_WAREHOUSE": connection("audited_vault", server.port),
                "AIRFLOW_CONN_DEADLINE_WEBHOOK": json.dumps(
                    {"conn_type": "http", "host": self.webhook}
                ),
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])["error"], done.stdout + done.stderr

    @property
    def alerts(self) -> str:
        file = config.folder(self.settings) / "alerts.log"
        return file.read_text() if file.exists() else ""


@pytest.fixture
def task(postgres_server, tmp_path):
    with webhook() as (url, posted):
        yield Task(postgres_server, tmp_path / "home", url, posted)


def test_what_was_compared_and_is_equal_is_green(task):
    """Nobody sees what was compared, or somebody is called for nothing."""
    error, said = task.run("landed")
    assert error == ""
    assert "seats: 20 rows, in the vault 20; 0 missing" in said
    assert f"source and vault are equal: {len(catalogue.names())} tables" in said
    assert (task.alerts, task.posted) == ("", [])


def test_a_table_that_is_not_captured_is_red(task):
    """The task is green while every change of a table is lost."""
    task.pair.run(
        task.pair.source,
        "alter publication airline_publication drop table seats; create table lounges (id int)",
    )
    error, said = task.run("landed")
    assert "not every change of the source is captured" in error
    assert "seats is not published" in error
    assert "nobody loads these: lounges" in said


def test_a_difference_is_red_and_told_without_a_row(task):
    """A lost row is green, told to nobody, or its key stands in a log."""
    task.pair.run(task.pair.vault, "delete from dwh_business.current_seats where seat_no = '17'")
    error, said = task.run("landed")
    assert "source and vault differ in 1 rows: seats (1 missing)" in error
    assert "seat_no" not in said
    assert error.split(": ", 1)[1] in task.alerts
    [message] = task.posted
    assert (message["dag_id"], message["run_id"]) == ("audit", "by hand")
    assert "seats (1 missing)" in message["text"]


def test_where_nobody_can_tell_it_is_red_with_the_reason(task):
    """Connect or the primary is away, nothing was compared, and it is green."""
    error, _ = task.run()
    assert "Kafka Connect does not answer" in error
    assert "Kafka Connect does not answer" in task.alerts
    [unused] = free_ports(1)
    error, _ = task.run("landed", source_port=unused)
    assert "a database does not answer, so nothing was compared" in error
    assert len(task.posted) == 2
