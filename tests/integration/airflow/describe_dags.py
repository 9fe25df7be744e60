"""Prints the DAGs as JSON: tasks, what each is, what follows it. Runs as Airflow does."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from airflow.dag_processing.dagbag import DagBag

from infra.airflow import dbt_project


def _nodes(task: Any) -> list[str]:
    """The dbt nodes that a task is green about: those its trigger follows, or dbt must have run."""
    if start := getattr(task, "start_trigger_args", None):
        return (start.trigger_kwargs or {}).get("nodes", [])
    return list(getattr(task, "nodes", ()))


def _processor_seconds() -> float:
    """Of this process and of those that it ran."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def main(folder: str, manifest: str) -> None:
    # The first file also pays for importing Cosmos, which Airflow's processes have done before.
    DagBag(folder)
    begin = _processor_seconds()
    bag = DagBag(folder)
    parsing = (_processor_seconds() - begin) / max(1, len(bag.dags))
    begin = _processor_seconds()
    for _ in range(10):
        json.loads(Path(manifest).read_text())
    reading = (_processor_seconds() - begin) / 10
    dags = {
        dag.dag_id: {
            "schedule": str(dag.schedule),
            "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs,
            "documented": bool(dag.doc_md),
            "deadline": bool(dag.deadline),
            "tasks": {
                task.task_id: {
                    "operator": task.task_type,
                    "retries": task.retries,
                    "then": sorted(task.downstream_task_ids),
                    "nodes": _nodes(task),
                }
                for task in sorted(dag.tasks, key=lambda task: task.task_id)
            },
        }
        for dag in sorted(bag.dags.values(), key=lambda dag: dag.dag_id)
    }
    # What each build asks dbt for.
    builds = {
        dag.dag_id: task.select
        for dag in bag.dags.values()
        for task in dag.tasks
        if task.task_type == "DbtBuild"
    }
    description = {
        "errors": bag.import_errors,
        "manifests read per file": parsing / reading,
        "dags": dags,
        "builds": builds,
        "profile": dbt_project.PROFILE.profile_mapping.profile_args,
    }
    sys.stdout.write(json.dumps(description) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
