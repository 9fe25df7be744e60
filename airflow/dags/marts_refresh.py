"""
### Everything else that people read

Daily at 02:00 UTC: the views on the vault's current state, the marts that have no DAG of their own,
and the seeds, each followed by its tests. Views show what is loaded at any time; this run brings
changed definitions out, fills the tables among the marts, and says every day whether the marts'
identities hold.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from infra.airflow import defaults
from infra.airflow.dbt_project import dbt_tasks

OF_OTHER_DAGS = [
    "tag:vault",
    "frequent_flyers_personal",
    "frequent_flyers",
    "airport_passenger_flow",
    "customer_group_history",
]

with DAG(
    "marts_refresh",
    description="Views on the current state, marts without a DAG of their own, seeds",
    doc_md=__doc__,
    schedule="0 2 * * *",
    start_date=defaults.START,
    max_active_runs=1,
    default_args=defaults.task_defaults(),
    deadline=defaults.deadline(timedelta(hours=1)),
    tags=["mart"],
):
    dbt_tasks(
        "build",
        ["path:models/business_vault", "path:models/marts", "path:seeds"],
        exclude=OF_OTHER_DAGS,
    )
