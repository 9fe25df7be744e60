"""
### Source against vault

Daily at 04:00 UTC (`AIRLINE_AUDIT_HOURS`): loads what the source has committed so far, then
compares each of its tables with the vault, row for row and column for column, in both directions,
as `./airline audit` does.

Fails where they differ, with tables and counts in the log; and where a comparison is not possible,
with the reason (the primary does not answer, the connector does not run). Both raise an alert, in
`AIRLINE_HOME/airflow/alerts.log` and to the webhook `deadline_webhook`, if there is one.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from infra.airflow import defaults
from infra.airflow.audit import Audit
from infra.airflow.dbt_project import dbt

with DAG(
    "audit",
    description="Source against vault, row for row",
    doc_md=__doc__,
    schedule=defaults.AUDIT_SCHEDULE,
    start_date=defaults.AUDIT_START,
    max_active_runs=1,
    default_args=defaults.task_defaults(
        retries=1, first_delay=timedelta(minutes=1), timeout=timedelta(hours=2)
    ),
    deadline=defaults.deadline(timedelta(hours=5)),
    tags=["upkeep"],
):
    Audit(task_id="compare", selector="loading", **dbt())
