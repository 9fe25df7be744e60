"""
### The models of a load

Started by `vault_load` where something landed. By hand start that one: it looks, and waits.

1. `load` opens a load batch (or goes on with one left open) and builds it: staging views, hashed
   stage, hubs, links and satellites, each followed by its tests. One `dbt build` does the work,
   `load.dbt_build`; every model's task follows it, and a task that is tried again runs its model
   alone.
2. `close_load_batch` ensures that the batch is closed, and updates the asset `vault`.

A model that fails leaves the batch open: the next run loads the same batch again, which adds only
what is missing.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from infra.airflow import defaults
from infra.airflow.dbt_project import dbt, dbt_tasks
from infra.airflow.operators import CloseLoadBatch

with DAG(
    "vault_load_models",
    description="One load batch, model by model",
    doc_md=__doc__,
    schedule=None,
    start_date=defaults.START,
    max_active_runs=1,
    default_args=defaults.task_defaults(retries=1, first_delay=timedelta(seconds=10)),
    deadline=defaults.deadline(timedelta(minutes=30)),
    tags=["vault"],
):
    load = dbt_tasks("load", ["tag:vault"])
    close = CloseLoadBatch(
        task_id="close_load_batch", selector="vault", outlets=[defaults.VAULT], **dbt()
    )
    load >> close
