"""`./airline airflow …`: Airflow's command line on this stack, with two additions.

Airflow 3 has no option `-d` of `dags list-runs`, and no release has `tasks logs`; the requirements
of this project name both, so they are accepted here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.airflow import config
from infra.airflow.task_log import as_text
from infra.errors import AirlineError
from infra.settings import Settings
from infra.stack.arguments import meant

LOGS_HELP = """usage: airline airflow tasks logs DAG [TASK [RUN]] [--json]

Prints the log of the newest try of a task, in its newest run unless one is named; with --json as
Airflow wrote it, one JSON object a line. Without a task: the names of the tasks that have one."""


def call(settings: Settings, arguments: Sequence[str]) -> int:
    """Passes an Airflow command through; returns its exit code. Raises AirlineError."""
    arguments = list(arguments)
    if arguments[:2] == ["tasks", "logs"]:
        return _logs(settings, arguments[2:])
    if not Path(sys.executable).with_name("airflow").exists():
        raise AirlineError(
            "Airflow is not installed: this stack was started with --only core",
            "'./airline up' installs and starts it",
        )
    if arguments[:2] == ["dags", "list-runs"]:
        arguments = [each for each in arguments if each not in ("-d", "--dag-id")]
    return subprocess.run(
        [sys.executable, "-m", "infra.airflow", *arguments],
        cwd=settings.root,
        env=_environment(settings),
    ).returncode


def _environment(settings: Settings) -> dict[str, str]:
    # Airflow's command line prints warnings on stdout about things that users here cannot change.
    return {"PYTHONWARNINGS": "ignore", **os.environ, **settings.environment()}


def _logs(settings: Settings, arguments: list[str]) -> int:
    names = [each for each in arguments if each != "--json"]
    if not 1 <= len(names) <= 3 or names[0] in ("-h", "--help"):
        print(LOGS_HELP)
        return 0 if names[:1] in (["-h"], ["--help"]) else 2
    dag_id, task_id, run_id = [*names, "*", "*"][:3]
    folder = config.folder(settings) / "logs"
    found = sorted(
        folder.glob(f"dag_id={dag_id}/run_id={run_id}/task_id={task_id}/**/attempt=*.log"),
        key=lambda file: file.stat().st_mtime,
    )
    if not found:
        hint = meant(task_id, map(_task, folder.glob(f"dag_id={dag_id}/run_id=*/task_id=*")))
        raise AirlineError(
            f"there is no log of {' '.join(names)} in {folder}",
            f"see './airline airflow tasks list {dag_id}' and './airline airflow dags list'{hint}",
        )
    if len(names) == 1:
        print("\n".join(sorted({_task(file) for file in found})))
    else:
        log = found[-1].read_text(errors="replace")
        print(log if "--json" in arguments else as_text(log), end="")
    return 0


def _task(log: Path) -> str:
    [part] = [part for part in log.parts if part.startswith("task_id=")]
    return part.removeprefix("task_id=")
