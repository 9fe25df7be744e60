"""The task that looks whether anything landed, and has it loaded. Needs no dbt and no Cosmos."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.utils.state import DagRunState

from infra.airflow import warehouse


class LoadWhatLanded(TriggerDagRunOperator):
    """Skipped where nothing landed; else the models' DAG runs, and this ends as that does."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            logical_date=None,
            wait_for_completion=True,
            deferrable=True,
            poke_interval=1,
            # Its run would wait for ever.
            fail_when_dag_is_paused=True,
            **kwargs,
        )

    def execute(self, context: Any) -> None:
        found = warehouse.unread()
        self.log.info(
            "%s offsets landed and not loaded; load batch open: %s", found.offsets, found.is_open
        )
        if not found:
            raise AirflowSkipException("there is nothing to load")
        super().execute(context)

    def execute_complete(self, context: Any, event: tuple[str, dict[str, Any]]) -> None:
        _, ended = event
        [run_id] = ended["run_ids"]
        if ended[run_id] != DagRunState.SUCCESS:
            # Its models were tried again there.
            raise AirflowFailException(
                f"{self.trigger_dag_id} {run_id} {ended[run_id]}: see its tasks; the next run of "
                f"{self.dag_id} loads the batch again"
            )
        self.log.info("%s %s: all that had landed is loaded", self.trigger_dag_id, run_id)
