"""The LocalExecutor with another shutdown: it does not wait for running tasks.

Airflow's own (3.3.2) sends one stop message per live worker, and then waits for all workers. A
worker that exits early uses up a stop message meant for another, which then waits for ever, and the
scheduler with it. That happens when the scheduler stops because its database went away; as its
process still runs, nothing restarts it. The next scheduler takes over interrupted tasks, as after a
kill.
"""

from __future__ import annotations

from contextlib import suppress

import psutil
from airflow.executors.local_executor import LocalExecutor


class PromptExecutor(LocalExecutor):
    """Ends its workers at once, and the tasks that they run with them."""

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
