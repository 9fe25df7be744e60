"""The triggerer looks more often while tasks wait in it, and only then."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from infra.airflow import config
from infra.settings import ROOT, Settings
from infra.stack import home

# How often a runner gives and takes at the end of one round of the loop of Airflow.
SCRIPT = """
import asyncio, json, sys
from types import SimpleNamespace
from infra.airflow import triggerer

triggerer.EVERY, triggerer.AFTERWARDS = 0.01, 0.05

async def looks(waiting, is_cut_off=False):
    runner = triggerer.PromptRunner()
    reader = asyncio.get_running_loop().create_future()
    if is_cut_off:
        reader.set_result(None)
    runner.comms_decoder = SimpleNamespace(_reader_task=reader)
    tasks = [asyncio.create_task(asyncio.sleep(600)) for _ in range(waiting)]
    for number, task in enumerate(tasks):
        runner.triggers[number] = {"task": task, "events": 1, "name": "t", "is_watcher": False}
    given = []
    async def sync(finished):
        given.append(finished)
        if len(given) == 3:
            tasks[0].cancel()
    runner.sync_state_to_supervisor = sync
    await runner.cancel_triggers()
    return len(given)

async def main():
    return [await looks(0), await looks(1), await looks(1, is_cut_off=True)]

print(json.dumps(asyncio.run(main())))
"""


@pytest.mark.timeout(900)
def test_it_looks_again_while_tasks_wait_in_it(tmp_path):
    """Each task of a load begins a second after the one before; or an idle triggerer, or one whose
    supervisor is gone, goes round for ever.
    """
    settings = Settings.from_environment({**os.environ, "AIRLINE_HOME": str(tmp_path / "home")})
    home.make(settings)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=os.environ | config.environment(settings),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    idle, waiting, cut_off = json.loads(done.stdout.splitlines()[-1])
    assert (idle, cut_off) == (0, 0) and waiting > 3
