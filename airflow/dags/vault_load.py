"""
### Load of the Data Vault

Every few minutes: what landed in `staging` since the last load batch goes into hubs, links and
satellites.

1. `check_for_landed_events` skips the run where there is nothing to load.
2. `load` opens a load batch (or goes on with one left open) and builds it: staging views, hashed
   stage, hubs, links and satellites, each followed by its tests. One `dbt build` does the work,
   `load.dbt_build`; every model's task follows it, and a task that is tried again runs its model
   alone.
3. `close_load_batch` ensures that the batch is closed, and updates the asset `vault`.

A model that fails leaves the batch open: the next run loads the same batch again, which adds only
what is missing.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.python import ShortCircuitOperator
from airflow.sdk import DAG

from infra.airflow import defaults, warehouse
from infra.airflow.dbt_project import dbt, dbt_tasks
from infra.airflow.operators import CloseLoadBatch

with DAG(
    "vault_load",
    description="Landed change events into hubs, links and satellites",
    doc_md=__doc__,
    schedule=defaults.LOAD_SCHEDULE,
    start_date=defaults.START,
    max_active_runs=1,
    default_args=defaults.task_defaults(retries=1, first_delay=timedelta(seconds=10)),
    deadline=defaults.deadline(timedelta(minutes=30)),
    tags=["vault"],
):
    check = ShortCircuitOperator(
        task_id="check_for_landed_events", python_callable=warehouse.something_landed
    )
    load = dbt_tasks("load", ["tag:vault"])
    close = CloseLoadBatch(
        task_id="close_load_batch", selector="vault", outlets=[defaults.VAULT], **dbt()
    )
    check >> load >> close
