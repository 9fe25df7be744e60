"""What becomes of an executor's workers when its scheduler ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from infra.airflow import config
from infra.settings import ROOT, Settings
from infra.stack import home

# Every worker has a task's process; one worker neither ends nor takes a message, as one was met.
SCRIPT = """
import os, signal, subprocess, time
import psutil
from airflow.executors import local_executor
from airflow.executors.executor_loader import ExecutorLoader

run = local_executor._run_worker
def at_work(*args, **kwargs):
    subprocess.Popen(["sleep", "600"])
    run(*args, **kwargs)
local_executor._run_worker = at_work

executor = ExecutorLoader.get_default_executor()
executor.start()
workers = [psutil.Process(pid) for pid in executor.workers]
while not all(worker.children() for worker in workers):
    time.sleep(0.1)
started = workers + [task for worker in workers for task in worker.children()]
workers[0].suspend()
executor.end()
alive = [each for each in started if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
print(len(started), len(alive))
"""

# What a task's process, which is forked from a worker, finds imported.
START = """
import sys, threading
from airflow.executors.executor_loader import ExecutorLoader
from infra.airflow import executor as ours

executor = ExecutorLoader.get_default_executor()
executor.start()
stale = [name for name in sys.modules if name == "infra.airflow.dbt_project"]
# In one piece: the workers write to the same stream.
print(" ".join(map(str, ({*ours.OF_TASKS} - {*sys.modules}, stale, threading.active_count()))))
executor.end()
"""


@pytest.mark.timeout(1800)
def test_workers_have_imported_what_tasks_need(tmp_path):
    """Each task imports Cosmos and dbt, which takes seconds; or what has threads is forked, or
    tasks go on with the code that the scheduler started with.
    """
    assert "set() [] 1" in run(START, tmp_path).splitlines()


@pytest.mark.timeout(1800)
def test_a_worker_that_does_not_end_holds_nobody_up(tmp_path):
    """After the database was away the scheduler waits for its worker for ever,
    and no DAG runs; or a task goes on that the next scheduler begins as well.
    """
    assert run(SCRIPT, tmp_path).split()[-2:] == ["4", "0"]


def run(script: str, folder: Path) -> str:
    """What a script says that runs as the scheduler does, with two workers."""
    settings = Settings.from_environment({**os.environ, "AIRLINE_HOME": str(folder / "home")})
    home.make(settings)
    environment = os.environ | config.environment(settings)
    environment["AIRFLOW__CORE__PARALLELISM"] = "2"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=900)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, said
    return said
