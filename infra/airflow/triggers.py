"""Watches nodes of a `dbt build` in the triggerer, so that a model's task needs no process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.triggers.base import (
    BaseTrigger,
    TaskFailedEvent,
    TaskSuccessEvent,
    TriggerEvent,
)
from asgiref.sync import sync_to_async

from infra.airflow import build_log

# How often the build's file, and the build's task if the file is not sufficient, are read.
EVERY = 0.2
ASK_EVERY = 3.0
# How long to wait for the retry of a killed build: the scheduler notices a stale heartbeat late.
GRACE = 180.0
OVER = ("success", "failed", "skipped", "upstream_failed", "removed")

ALONE = {"alone": True}


class NodeOutcome(BaseTrigger):
    """Ends its task with the outcome of `nodes` (unique ids) in the build of the same DAG run.

    If the build has no outcome - it ended without running a node, or the task is a retry - a worker
    runs dbt for these nodes only.
    """

    def __init__(self, nodes: list[str], build_task_id: str) -> None:
        super().__init__()
        self.nodes = nodes
        self.build_task_id = build_task_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"nodes": self.nodes, "build_task_id": self.build_task_id},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        what = ", ".join(self.nodes)
        self.log.info("Following %s in the dbt build of task %s", what, self.build_task_id)
        instance = self.task_instance
        file = build_log.place(
            build_log.home(), instance.dag_id, instance.run_id, self.build_task_id
        )
        is_first_try = instance.try_number <= 1
        asked, state, dead_since = 0.0, None, None
        while True:
            attempt = build_log.read(file)
            outcome = attempt and attempt.outcome(self.nodes)
            status = outcome["status"] if outcome else ""
            if status in build_log.GOOD and (is_first_try or not attempt.end):
                say = self.log.warning if status == "warn" else self.log.info
                say("%s: %s (%.2f s)", status, outcome["message"], outcome["seconds"])
                yield TaskSuccessEvent()
                return
            if status and status != build_log.SKIPPED and is_first_try:
                self.log.error("%s: %s", status, outcome["message"])
                yield TaskFailedEvent()
                return
            if status and not attempt.end:
                # This task, or one upstream, was retried while the build still runs.
                yield TriggerEvent(ALONE)
                return
            # The file belongs to a build that ended, died, or has not begun yet.
            if time.monotonic() - asked > ASK_EVERY:
                state = await self._state_of_build()
                asked = time.monotonic()
                # What the file said is older than that: it may have ended well meanwhile.
                continue
            if state in OVER:
                if state != "success" and is_first_try and (not attempt or attempt.end == "failed"):
                    self.log.error("dbt build itself failed: see task %s", self.build_task_id)
                    yield TaskFailedEvent()
                else:
                    self.log.info("The build is over (%s); dbt runs %s alone", state, what)
                    yield TriggerEvent(ALONE)
                return
            if attempt and attempt.is_dead:
                dead_since = dead_since or time.monotonic()
                if time.monotonic() - dead_since > GRACE:
                    self.log.warning("The build's process is gone; dbt runs %s alone", what)
                    yield TriggerEvent(ALONE)
                    return
            else:
                dead_since = None
            await asyncio.sleep(EVERY)

    async def _state_of_build(self) -> str | None:
        instance = self.task_instance
        states = await sync_to_async(RuntimeTaskInstance.get_task_states)(
            dag_id=instance.dag_id,
            task_ids=[self.build_task_id],
            run_ids=[instance.run_id],
        )
        state = states.get(instance.run_id, {}).get(self.build_task_id)
        return None if state is None else str(getattr(state, "value", state))
