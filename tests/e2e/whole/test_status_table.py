"""What `status` must answer to faults of Airflow, Superset and the docs site; and that each heals.

The same for the core: tests/e2e/core/test_status_table.py.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from infra.airflow import config
from infra.airflow.api import Api
from infra.dbt import site
from infra.parts.registry import registry
from infra.postgres import roles
from tests.support.status import Row, is_well, service, the_fault_is_said_and_heals

pytestmark = pytest.mark.timeout(1800)


@contextmanager
def dag_paused(stack) -> Iterator[None]:
    Api(stack.settings).pause("vault_load", True)
    try:
        yield
    finally:
        Api(stack.settings).pause("vault_load", False)


@contextmanager
def dag_broken(stack) -> Iterator[None]:
    """A DAG file cannot be imported; Airflow is asked to read its folder at once."""
    file = config.dags(stack.settings) / "zz_broken_for_a_test.py"
    file.write_text("from airflow.sdk import DAG\nraise RuntimeError('broken on purpose')\n")
    try:
        os.kill(stack.pid("airflow-dag-processor"), signal.SIGTERM)
        yield
    finally:
        file.unlink()
        os.kill(stack.pid("airflow-dag-processor"), signal.SIGTERM)


def refused(role: str):
    """The warehouse lets a service's role in no more."""

    @contextmanager
    def fault(stack) -> Iterator[None]:
        end = f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'"
        stack.sql("dwh", f"alter role {role} nologin")
        try:
            stack.sql("dwh", end)
            yield
        finally:
            stack.sql("dwh", f"alter role {role} login")

    return fault


@contextmanager
def no_site(stack) -> Iterator[None]:
    index = site.folder(stack.settings) / "index.html"
    hidden = index.with_suffix(".hidden")
    index.rename(hidden)
    try:
        yield
    finally:
        hidden.rename(index)


ROWS = {
    "vault_load paused": Row(
        dag_paused,
        {"DAGs": "vault_load paused"},
        {("airline_problem", "DAGs"): 1, ("airline_dags_paused", ""): 1},
    ),
    "a DAG file that is broken": Row(
        dag_broken,
        {"DAGs": "zz_broken_for_a_test.*broken on purpose"},
        {("airline_problem", "DAGs"): 1, ("airline_dags_missing", ""): 1},
    ),
    "Superset's database refuses": Row(
        refused(roles.SUPERSET),
        {"superset": "answers 500"},
        {service("superset"): 0, service("superset", "up"): 1, service("superset", "answers"): 0},
    ),
    "Airflow's database refuses": Row(
        refused(roles.AIRFLOW),
        {"airflow-api-server": "does not reach its database|does not answer|ended"},
        {service("airflow-api-server"): 0},
    ),
    "no docs site": Row(
        no_site, {"docs": "./airline docs"}, {service("docs"): 0, service("docs", "up"): 1}
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_fault_is_said_and_heals(stack, name):
    """`status` and the metrics call what is ill healthy, or ill for ever."""
    the_fault_is_said_and_heals(stack, ROWS[name])


def test_a_component_of_airflow_that_hangs_is_said(stack):
    """Airflow is well as long as its processes are there, and runs nothing.

    Stopped processes are found at once by other means; here each is asked as if it ran.
    """
    stack.wait(lambda: is_well(stack), "all is well before")
    names = ("airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")
    services = {each.name: each for each in registry(stack.settings) if each.name in names}
    pids = [stack.pid(name) for name in names]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for name in names:
            stack.wait(
                lambda name=name: "last heartbeat" in services[name].problem(),
                f"{name}'s heartbeat is old",
            )
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    stack.wait(lambda: is_well(stack), "all is well again")
