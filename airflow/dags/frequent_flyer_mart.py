"""
### Frequent flyers

Daily at 00:00 UTC: every passenger who flew in the year before the run's date, with flights,
purchases, home airport and customer group, into `presentation_pii.frequent_flyers_personal`, which
`presentation.frequent_flyers` shows (without names to whoever may not read them); the groups'
history into a snapshot.

1. `create_schema` · 2. `clean_stale_data` · 3. `compute_and_load` (dbt) · 4. `validate` (dbt
   tests)

Running a day again gives the same rows.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from infra.airflow import defaults
from infra.airflow.dbt_project import mart_stages

TABLE = "frequent_flyers_personal"
MODELS = ["customer_group_thresholds", TABLE, "frequent_flyers", "customer_group_history"]
# The day on which the run's data interval ends; the mart covers the year before it.
DATES = {"run_date": "{{ (dag_run.data_interval_end or dag_run.run_after) | ds }}"}

with DAG(
    "frequent_flyer_mart",
    description="Passengers by flights and purchases of the last year",
    doc_md=__doc__,
    schedule="0 0 * * *",
    start_date=defaults.START,
    max_active_runs=1,
    default_args=defaults.task_defaults(),
    deadline=defaults.deadline(timedelta(hours=1)),
    tags=["mart"],
):
    mart_stages(
        "presentation",
        "frequent_flyers",
        MODELS,
        DATES,
        stored_in=("presentation_pii", TABLE),
    )
