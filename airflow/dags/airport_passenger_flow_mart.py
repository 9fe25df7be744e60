"""
### Passenger flow between airports

Daily at 01:00 UTC: flights and passengers between each pair of airports on the day the data
interval begins on (the day that has just ended), into `presentation.airport_passenger_flow`; and
again each earlier day whose flights changed since.

1. `create_schema` · 2. `clean_stale_data` · 3. `compute_and_load` (dbt) · 4. `validate` (dbt
   tests)

A backfill of thirty days gives what thirty daily runs give, and running a day again changes
nothing.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from infra.airflow import defaults
from infra.airflow.dbt_project import mart_stages

MODELS = ["airport_passenger_flow"]
# A manual run without a data interval computes the last whole day.
DATES = {
    "flow_date": "{{ (dag_run.data_interval_start or dag_run.run_after - macros.timedelta(days=1))"
    " | ds }}"
}

with DAG(
    "airport_passenger_flow_mart",
    description="Flights and passengers by day and pair of airports",
    doc_md=__doc__,
    schedule="0 1 * * *",
    start_date=defaults.START,
    max_active_runs=1,
    default_args=defaults.task_defaults(),
    deadline=defaults.deadline(timedelta(hours=1)),
    tags=["mart"],
):
    mart_stages("presentation", "airport_passenger_flow", MODELS, DATES)
