"""The task that looks whether anything landed, and has it loaded. Needs no dbt and no Cosmos."""

from __future__ import annotations

from typing import Any

from airflow.exceptions import AirflowFailException
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.triggers.base import StartTriggerArgs
from airflow.utils.state import DagRunState


class LoadWhatLanded(TriggerDagRunOperator):
    """Skipped where nothing landed. Else it starts a run of the models' DAG and ends as that ends.

    The triggerer looks (infra/airflow/triggers.py), so that it takes no process to find nothing.
    """

    start_from_trigger = True
    start_trigger_args = StartTriggerArgs(
        trigger_cls="infra.airflow.triggers.SomethingLanded", next_method="start_load"
    )

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

    def start_load(self, context: Any, event: Any = None) -> None:
        self.execute(context)

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
