"""The DAG that audits: green when source and vault were compared and are equal, red with the reason
otherwise, and told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import catalogue
from infra.airflow import config
from infra.airflow.alerts import WEBHOOK
from infra.connect import connector
from tests.support.dags import states
from tests.support.webhook import webhook

pytestmark = pytest.mark.timeout(3600)


@contextmanager
def posts(stack) -> Iterator[list[dict[str, Any]]]:
    """What Airflow posts to the webhook meanwhile."""
    with webhook() as (url, posted):
        add = ("connections", "add", WEBHOOK, "--conn-type", "http", "--conn-host", url)
        stack.airline("airflow", *add)
        try:
            yield posted
        finally:
            stack.airline("airflow", "connections", "delete", WEBHOOK)


def log(stack) -> str:
    return stack.airline("airflow", "tasks", "logs", "audit", "compare").stdout


def alerts(stack) -> list[str]:
    file = config.folder(stack.settings) / "alerts.log"
    return file.read_text().splitlines() if file.exists() else []


def test_an_audit_of_what_is_equal_is_green(stack, dags):
    """The DAG compares nothing, or not what the source has just committed."""
    stack.commit("INSERT INTO airports VALUES ('AU1', 'Airport AU1', 'x', 0, 0, 'UTC')")
    before = alerts(stack)
    state, tasks = dags.run("audit")
    stack.commit("DELETE FROM airports WHERE airport_code = 'AU1'")
    assert state == "success", states(tasks)
    shown = log(stack)
    [(airports,)] = stack.sql("primary", "select count(*) from airports")
    assert f"airports: {airports + 1:,} rows, in the vault {airports + 1:,}" in shown
    for table in catalogue.names():
        assert f"{table}: " in shown, table
    assert f"source and vault are equal: {len(catalogue.names())} tables" in shown
    assert alerts(stack) == before


def test_a_difference_is_red_and_told_without_anybodys_data(stack, dags):
    """A lost row is green, told to nobody, or a passenger stands in the log."""
    [(ticket,)] = stack.sql("dwh", "select ticket_no from dwh_business.kept_tickets limit 1")
    gone = f"from dwh_business.kept_tickets where ticket_no = '{ticket}'"
    stack.sql("dwh", f"create table public.taken_away as select * {gone}")
    stack.sql("dwh", f"delete {gone}")
    try:
        with posts(stack) as posted:
            state, _ = dags.run("audit")
    finally:
        stack.sql("dwh", "insert into dwh_business.kept_tickets select * from public.taken_away")
        stack.sql("dwh", "drop table public.taken_away")
    assert state == "failed"
    said = "source and vault differ in 1 rows: tickets (1 missing)"
    assert said in log(stack)
    assert said in alerts(stack)[-1]
    assert [said in each["text"] and each["dag_id"] for each in posted] == ["audit"]
    assert ticket not in log(stack) + alerts(stack)[-1] + json.dumps(posted)
    assert dags.run("audit")[0] == "success"


def test_an_audit_that_cannot_tell_is_red_with_the_reason(stack, dags):
    """Nothing comes from the source, nobody compared, and all is green."""
    connector.stop(stack.settings)
    try:
        state, _ = dags.run("audit")
    finally:
        connector.resume(stack.settings)
        connector.wait_until_running(stack.settings)
    assert state == "failed"
    assert f"the connector {connector.NAME} is stopped" in alerts(stack)[-1]
    stack.supervisor.halt("primary")
    try:
        state, _ = dags.run("audit")
    finally:
        stack.up()
    assert state == "failed"
    assert "a database does not answer, so nothing was compared" in alerts(stack)[-1]
    stack.wait(lambda: dags.run("audit")[0] == "success", "the next audit is green")
