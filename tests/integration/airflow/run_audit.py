"""Runs the task of the DAG `audit` as a worker does, and its alert where it fails; prints both.

With `landed` as argument what the source committed counts as landed, else Connect is asked.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

from airflow.sdk import DAG

from infra.airflow import dbt_project
from infra.airflow.audit import Audit
from infra.loading import landing


def main() -> None:
    with DAG("audit"):
        task = Audit(task_id="compare", selector="loading", **dbt_project.dbt())
    if sys.argv[1:] == ["landed"]:
        landing.wait_until_landed = lambda *_: 0
    error = ""
    try:
        task.execute({})
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
        instance = SimpleNamespace(dag_id="audit", task_id="compare", run_id="by hand")
        [tell] = task.on_failure_callback
        tell({"ti": instance, "exception": raised})
    sys.stdout.write(json.dumps({"error": error}) + "\n")


if __name__ == "__main__":
    main()
