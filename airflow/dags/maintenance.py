"""
### Upkeep

Daily at 03:00 UTC, all at once:

- `source_freshness`: has every source table in daily use had an event lately? A stale one is a
  warning, then a failure.
- `remove_consumed_events`: raw events that every batch has long read are removed once `staging`
  is larger than `AIRLINE_RETENTION_GB`; below that nothing happens.
- `purge_forgotten`: Kafka's events of tables with personal columns are removed once they have
  landed, if anybody was ever forgotten: the booking system may have sent them since.
- `remove_old_runs`: Airflow's own rows and logs that are older than `AIRLINE_AIRFLOW_DAYS`.
- `generate_docs`: the dbt docs site, shown here under Browse → dbt docs.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG

from infra.airflow import defaults, maintenance
from infra.airflow.dbt_project import dbt, source_freshness
from infra.airflow.operators import GenerateDocs

with DAG(
    "maintenance",
    description="Source freshness, retention of raw events and of Airflow's runs, dbt docs",
    doc_md=__doc__,
    schedule="0 3 * * *",
    start_date=defaults.START,
    max_active_runs=1,
    default_args=defaults.task_defaults(),
    deadline=defaults.deadline(timedelta(hours=2)),
    tags=["upkeep"],
):
    source_freshness("staging")
    PythonOperator(task_id="remove_consumed_events", python_callable=maintenance.remove_consumed)
    PythonOperator(task_id="purge_forgotten", python_callable=maintenance.purge_forgotten)
    PythonOperator(task_id="remove_old_runs", python_callable=maintenance.remove_old_runs)
    GenerateDocs(task_id="generate_docs", **dbt())
