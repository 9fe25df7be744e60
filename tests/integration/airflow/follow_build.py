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


async def ends(trigger: triggers.NodeOutcome, run_id: str = "r") -> str:
    """How a trigger ends its task: success, failed, or alone for a worker."""
    trigger.task_instance = SimpleNamespace(
        dag_id="d", run_id=run_id, task_id="t", map_index=-1, try_number=1
    )
    async for event in trigger.run():
        if isinstance(event, TaskSuccessEvent):
            return "success"
        return "failed" if isinstance(event, TaskFailedEvent) else "alone"
    raise AssertionError("the trigger said nothing")


def ends_while_asked() -> str:
    """How a trigger ends its task whose build ends while it asks how that is."""
    writer = build_log.Writer(build_log.place(LOGS, "d", "late", "g.dbt_build"))

    class Late(triggers.NodeOutcome):
        async def _state_of_build(self) -> str:
            writer.add(node="model.a", status="success", seconds=0, message="")
            writer.close("done")
            return "success"

    return asyncio.run(ends(Late(["model.a"], "g.dbt_build"), "late"))


def alone(task: Any) -> str:
    """What a worker that runs the task's nodes says."""
    [verb] = task.base_cmd
    try:
        task.handle_exception_dbt_runner(dbt(verb, "--select", *task.select.split()))
    except (AirflowException, runner.CosmosDbtRunError) as error:
        return f"failed: {error}"
    return "success"


def validated(nodes: list[Any], names: str, try_number: int = 1) -> str:
    """What a task behind the build says of the tests with these words in their names."""
    wanted = [node for node in nodes if any(word in node.name for word in names.split())]
    task = operators.Validate(
        task_id="validate", nodes=wanted, build_task_id="g.dbt_build", **dbt_project.dbt()
    )
    instance = SimpleNamespace(dag_id="d", run_id="r", try_number=try_number)
    ran: list[str] = []
    operators.DbtTestLocalOperator.execute = lambda *_: ran.append("alone")
    try:
        task.execute({"ti": instance})
        return ran[0] if ran else "success"
    except AirflowException as error:
        return f"failed: {error}"


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
        end = asyncio.run(ends(Trigger(**task.start_trigger_args.trigger_kwargs)))
        report[name] = {"nodes": [node.unique_id for node in nodes], "end": end}
        if end == "alone":
            report[name]["alone"] = alone(task)
    tests = dbt_project.data_tests(group.dbt_graph.filtered_nodes)
    validation = {
        "well": validated(tests, "unique_passes accepted_values_renamed"),
        "one fails": validated(tests, "unique_passes unique_repeats"),
        "one was skipped": validated(tests, "unique_passes not_null_after_broken"),
        "again": validated(tests, "unique_passes", try_number=2),
    }
    late = ends_while_asked()
    # A task whose node the project has no more.
    [gone] = [task for task in dag.tasks if task.task_id == "g.passes.test"]
    gone.select = "fqn:scratch.was_removed"
    fresh = {
        "all": freshness(asks, "landed", "source:landed"),
        "late": freshness(asks, "late", "source:late"),
        "one left out": freshness(asks, "landed", "source:landed.new"),
        "no limits": freshness(asks, "catalog", "source:catalog"),
    }
    sys.stdout.write(
        json.dumps(
            {
                "tasks": report,
                "gone": alone(gone),
                "fresh": fresh,
                "validation": validation,
                "late": late,
            }
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
