"""Airflow's triggerer, which goes from task to task faster: `python -m infra.airflow triggerer`.

Airflow's own (3.3.2) takes new triggers from its supervisor, and gives it what happened, once a
second, with no setting for that. A task that begins in the triggerer so takes three seconds though
its outcome is known; a load has ten of them one after the other. And it makes its way to the API
when the first trigger asks, which takes seconds in which all wait.
"""

from __future__ import annotations

import asyncio
import sys
import time

from airflow.__main__ import main
from airflow.jobs import triggerer_job_runner

# In seconds: how often it looks while tasks wait in it, and for how long once none does, for the
# next one comes as soon as the scheduler has seen how the last one ended.
EVERY = 0.2
AFTERWARDS = 5.0
# After so long Airflow's loop goes round once: it looks whether all is well, and logs.
ROUND = 30.0


class PromptRunner(triggerer_job_runner.TriggerRunner):
    """Runs triggers as Airflow's does, and looks more often for new ones while there are any."""

    async def cancel_triggers(self) -> None:
        """The last step of a round, after which Airflow's loop waits for a second."""
        await super().cancel_triggers()
        begun = busy = time.monotonic()
        if not self.triggers:
            busy -= AFTERWARDS
        while not self.stop and time.monotonic() < min(begun + ROUND, busy + AFTERWARDS):
            if self.comms_decoder._reader_task.done():
                # Its supervisor is gone, and answers no more: the round's begin says so.
                return
            await asyncio.sleep(EVERY)
            await self.sync_state_to_supervisor(await self.cleanup_finished_triggers())
            await self.create_triggers()
            await super().cancel_triggers()
            if self.triggers:
                busy = time.monotonic()


class PromptSupervisor(triggerer_job_runner.TriggerRunnerSupervisor):
    """Has its way to the API when the first trigger asks."""

    def run(self) -> None:
        _ = self.client
        super().run()


if __name__ == "__main__":
    triggerer_job_runner.TriggerRunner = PromptRunner
    triggerer_job_runner.TriggerRunnerSupervisor = PromptSupervisor
    sys.exit(main())
