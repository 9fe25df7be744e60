"""The LocalExecutor, but for its end: nobody waits for a task that is under way.

Airflow's own (3.3.2) sends a message to end for each worker that is alive, and then waits for all
of them. A worker that has taken a message and ended before its own turn came is passed by, so one
message is missing, and the worker that would have taken it waits, and the scheduler for it: it has
given up because its database went away, and as it still runs, nothing starts it again. What a task
was at is taken up by the next scheduler, as after a kill.
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
        # Their last results are not read: one that was killed may have written half of its own.
        self.workers = {}
        self.activity_queue.close()
        self.result_queue.close()
