"""The LocalExecutor with another start and another shutdown.

It imports what tasks need before it makes its workers: each task is forked from one of them, and
would import Cosmos and dbt anew, which takes seconds.

It does not wait for running tasks when it ends. Airflow's own (3.3.2) sends one stop message per
live worker, and then waits for all workers. A worker that exits early uses up a stop message meant
for another, which then waits for ever, and the scheduler with it. That happens when the scheduler
stops because its database went away; as its process still runs, nothing restarts it. The next
scheduler takes over interrupted tasks, as after a kill.
"""

from __future__ import annotations

import importlib
from contextlib import suppress

import psutil
from airflow.executors.local_executor import LocalExecutor

# What a task that runs dbt imports of others' packages; our own modules are read anew by each task.
# None of it starts a thread, which would not survive a fork.
OF_TASKS = (
    "airflow.sdk.execution_time.task_runner",
    "airflow.providers.standard.operators.trigger_dagrun",
    "cosmos.airflow.task_group",
    "cosmos.operators.local",
    "cosmos.profiles.postgres",
    "dbt.cli.main",
    "dbt.adapters.postgres",
    "dbt.task.build",
)


class PromptExecutor(LocalExecutor):
    """Its workers have imported what tasks need; they end at once, and the tasks that they run with
    them.
    """

    def start(self) -> None:
        for name in OF_TASKS if self.is_mp_using_fork else ():
            importlib.import_module(name)
        super().start()

    def end(self) -> None:
        for worker in self.workers.values():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(worker.pid)
                for each in (process, *process.children(recursive=True)):
                    with suppress(psutil.NoSuchProcess):
                        each.kill()
        for worker in self.workers.values():
            worker.join()
            worker.close()
        # Their last results are not read: a killed worker may have written half of one.
        self.workers = {}
        self.activity_queue.close()
        self.result_queue.close()
