"""
### Load of the Data Vault

Every few minutes: has anything landed in `staging` since the last load batch?

- Nothing did: the run's one task, `load`, is skipped. Nothing else began.
- Something did: `load` starts a run of `vault_load_models`, which has a task for each model, and
  ends as that run ends: green once all of it is in the vault. Its link "Triggered DAG" leads there.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from infra.airflow import defaults
from infra.airflow.loading import LoadWhatLanded

with DAG(
    "vault_load",
    description="Landed change events into hubs, links and satellites, where there are any",
    doc_md=__doc__,
    schedule=defaults.LOAD_SCHEDULE,
    start_date=defaults.START,
    max_active_runs=1,
    # It waits for the models' run, whose tasks have timeouts of their own.
    default_args=defaults.task_defaults(
        retries=1, first_delay=timedelta(seconds=10), timeout=timedelta(hours=2)
    ),
    deadline=defaults.deadline(timedelta(minutes=30)),
    tags=["vault"],
):
    LoadWhatLanded(task_id="load", trigger_dag_id="vault_load_models")
