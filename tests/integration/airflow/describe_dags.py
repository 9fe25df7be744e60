"""Prints the DAGs as JSON: tasks, what each is, what follows it. Runs as Airflow does."""

from __future__ import annotations

import json
import sys
import time

from airflow.dag_processing.dagbag import DagBag


def main(folder: str) -> None:
    # The first file also pays for importing Cosmos, which Airflow's processes have done before.
    DagBag(folder)
    begin = time.process_time()
    bag = DagBag(folder)
    seconds = (time.process_time() - begin) / max(1, len(bag.dags))
    dags = {
        dag.dag_id: {
            "schedule": str(dag.schedule),
            "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs,
            "documented": bool(dag.doc_md),
            "deadline": bool(dag.deadline),
            "tasks": {
                task.task_id: {
                    "operator": task.task_type,
                    "retries": task.retries,
                    "then": sorted(task.downstream_task_ids),
                }
                for task in sorted(dag.tasks, key=lambda task: task.task_id)
            },
        }
        for dag in sorted(bag.dags.values(), key=lambda dag: dag.dag_id)
    }
    sys.stdout.write(
        json.dumps({"errors": bag.import_errors, "seconds": seconds, "dags": dags}) + "\n"
    )


if __name__ == "__main__":
    main(sys.argv[1])
