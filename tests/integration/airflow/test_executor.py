"""What becomes of an executor's workers when its scheduler ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

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


@pytest.mark.timeout(1800)
def test_a_worker_that_does_not_end_holds_nobody_up(tmp_path):
    """After the database was away the scheduler waits for its worker for ever,
    and no DAG runs; or a task goes on that the next scheduler begins as well.
    """
    settings = Settings.from_environment({**os.environ, "AIRLINE_HOME": str(tmp_path / "home")})
    home.make(settings)
    environment = os.environ | config.environment(settings)
    environment["AIRFLOW__CORE__PARALLELISM"] = "2"
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
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
    assert said.split()[-2:] == ["4", "0"], said
