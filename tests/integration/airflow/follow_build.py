"""One real `dbt build` of a project, followed by its tasks; prints how each task ended. Runs as
Airflow does, but for the scheduler: triggers are asked here.

Arguments: the project's folder (with profiles.yml and a parsed target), the folder of build logs.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.exceptions import AirflowException
from airflow.sdk import DAG
from airflow.triggers.base import TaskFailedEvent, TaskSuccessEvent
from cosmos.dbt import runner
from dbt.cli.main import dbtRunner

from infra.airflow import build_log, dbt_project, operators, triggers

PROJECT, LOGS = map(Path, sys.argv[1:])
SELECT = ["path:models", "path:seeds", "path:snapshots"]


class Trigger(triggers.NodeOutcome):
    async def _state_of_build(self) -> str:
        # dbt has run to its end.
        return "success"


def dbt(*arguments: str) -> Any:
    return dbtRunner().invoke([*arguments, "--log-level", "none"])


async def ends(task: Any) -> str:
    """How the task's trigger ends it: success, failed, or alone for a worker."""
    trigger = Trigger(**task.start_trigger_args.trigger_kwargs)
    trigger.task_instance = SimpleNamespace(
        dag_id="d", run_id="r", task_id=task.task_id, map_index=-1, try_number=1
    )
    async for event in trigger.run():
        if isinstance(event, TaskSuccessEvent):
            return "success"
        return "failed" if isinstance(event, TaskFailedEvent) else "alone"
    raise AssertionError("the trigger said nothing")


def alone(task: Any) -> str:
    """What a worker that runs the task's nodes says."""
    [verb] = task.base_cmd
    try:
        task.handle_exception_dbt_runner(dbt(verb, "--select", *task.select.split()))
    except (AirflowException, runner.CosmosDbtRunError) as error:
        return f"failed: {error}"
    return "success"


def freshness(task: Any, source: str, select: str) -> str:
    """What the task for `source` says of dbt's freshness of `select`."""
    try:
        task.nodes = operators.limited_tables(Path(task.manifest), source)
        task.handle_exception_dbt_runner(dbt("source", "freshness", "--select", select))
    except (AirflowException, runner.CosmosDbtRunError) as error:
        return f"failed: {error}"
    return "success"


def main() -> None:
    dbt_project.MANIFEST = PROJECT / "target" / "manifest.json"
    with DAG("d") as dag:
        group = dbt_project.dbt_tasks("g", SELECT)
        asks = dbt_project.source_freshness("landed")
    os.environ["AIRFLOW_HOME"] = str(LOGS)
    os.chdir(PROJECT)
    build = dag.task_dict["g.dbt_build"]
    build._writer = build_log.Writer(build_log.place(LOGS, "d", "r", "g.dbt_build"))
    build._dbt_runner_callbacks = [build._note]
    done = build.run_dbt_runner(
        [
            *("dbt", "build", "--indirect-selection", build.indirect_selection),
            *(*build.dbt_cmd_flags, "--select", *build.select.split()),
        ],
        env={},
        cwd=str(PROJECT),
    )
    build.handle_exception_dbt_runner(done)
    build._writer.close("done")
    report = {}
    for task, nodes in dbt_project.tasks_and_nodes(group):
        name = task.task_id.removeprefix("g.")
        end = asyncio.run(ends(task))
        report[name] = {"nodes": [node.unique_id for node in nodes], "end": end}
        if end == "alone":
            report[name]["alone"] = alone(task)
    # A task whose node the project has no more.
    [gone] = [task for task in dag.tasks if task.task_id == "g.passes.test"]
    gone.select = "fqn:scratch.was_removed"
    fresh = {
        "all": freshness(asks, "landed", "source:landed"),
        "late": freshness(asks, "late", "source:late"),
        "one left out": freshness(asks, "landed", "source:landed.new"),
        "no limits": freshness(asks, "catalog", "source:catalog"),
    }
    sys.stdout.write(json.dumps({"tasks": report, "gone": alone(gone), "fresh": fresh}) + "\n")


if __name__ == "__main__":
    main()
