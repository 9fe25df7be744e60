"""Airflow's DAGs as a person runs them, and what they work on."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from infra.airflow.api import Api
from infra.warehouse.pending import pending

# The DAG that `vault_load` starts where something landed.
MODELS = "vault_load_models"


class Dags:
    """Runs DAGs as a person would who presses the button and watches."""

    def __init__(self, stack) -> None:
        self.stack = stack
        self.api = Api(stack.settings)

    def start(self, dag_id: str) -> str:
        return self.api.trigger(dag_id)

    def wait(self, dag_id: str, run_id: str, minutes: int = 15) -> str:
        """Waits until the run is over; its state."""
        deadline = time.monotonic() + minutes * 60
        while True:
            [run] = [run for run in self.api.runs(dag_id) if run["dag_run_id"] == run_id]
            if run["state"] in ("success", "failed"):
                return run["state"]
            assert time.monotonic() < deadline, f"{dag_id} {run_id} is {run['state']}"
            time.sleep(1)

    def run(self, dag_id: str) -> tuple[str, dict[str, dict[str, Any]]]:
        """Runs a DAG; its state and its tasks by id."""
        run_id = self.start(dag_id)
        return self.wait(dag_id, run_id), self.tasks(dag_id, run_id)

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        return {task["task_id"]: task for task in self.api.tasks(dag_id, run_id)}

    def load(self) -> tuple[str, dict[str, dict[str, Any]]]:
        """Runs `vault_load`; its state, and the tasks of the models' run that it started."""
        began = self.models_runs()
        run_id = self.start("vault_load")
        state = self.wait("vault_load", run_id)
        [started] = self.models_runs() - began
        return state, self.tasks(MODELS, started)

    def is_building(self) -> bool:
        """Whether the newest load builds its models."""
        runs = self.api.runs(MODELS, limit=1)
        tasks = self.tasks(MODELS, runs[0]["dag_run_id"]) if runs else {}
        return tasks.get("load.dbt_build", {}).get("state") == "running"

    def models_runs(self) -> set[str]:
        return {run["dag_run_id"] for run in self.api.runs(MODELS, limit=100)}


def states(tasks: dict[str, dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(task["state"] for task in tasks.values()))


def land(stack, *statements: str) -> None:
    """Commits at the source, and waits until all of it is in staging."""
    stack.commit(*statements)
    stack.wait_until_landed()


def unread(stack) -> int:
    return pending(stack.settings.dsn("dwh")).offsets
