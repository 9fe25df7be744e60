"""Unpauses the DAGs of a new stack once; their first runs begin, and are waited for if asked.

DAGs that a person pauses later stay paused.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

from infra.airflow import config
from infra.airflow.api import Api
from infra.errors import AirlineError
from infra.settings import Settings
from infra.stack.progress import Progress
from infra.stack.waiting import wait_until

# Timeouts in seconds: for Airflow to parse the DAG files, and for a run to end.
PATIENCE = 300
PATIENCE_FOR_RUNS = 1200


def begin(settings: Settings, progress: Progress) -> list[str]:
    """Returns the DAGs whose first runs begin. Idempotent: does not change a DAG that was unpaused
    here before.
    """
    wanted = [dag for dag in config.dag_ids(settings) if dag not in _unpaused(settings)]
    if not wanted:
        return []
    api = Api(settings)
    _wait_until_parsed(api, wanted)
    scheduled = api.scheduled()
    # What others start comes first: its run would wait for ever.
    for dag_id in sorted(wanted, key=lambda dag_id: dag_id in scheduled):
        api.pause(dag_id, False)
    _stamp(settings).write_text(json.dumps(config.dag_ids(settings)))
    progress.say(f"{len(wanted)} DAGs unpaused; their first runs begin")
    return sorted(scheduled & {*wanted})


def wait(settings: Settings, begun: Iterable[str], progress: Progress) -> None:
    """Returns when these DAGs, and others that never ended a run, have ended one.

    Raises AirlineError where a first one failed.
    """
    api = Api(settings)
    paused = api.dags()
    others = {
        dag_id
        for dag_id in api.scheduled() & {*config.dag_ids(settings)}
        # A paused one waits for a person.
        if not paused[dag_id] and not api.runs(dag_id, over=True, limit=1)
    }
    failed = _wait_for_first_runs(api, sorted(others | {*begun}), progress)
    if failed:
        raise AirlineError(
            f"the first run of {', '.join(failed)} failed",
            f"see {settings.airflow_url}, or './airline airflow tasks logs {failed[0]}'; Airflow "
            "runs it again when it is next due",
        )


def _wait_until_parsed(api: Api, wanted: list[str]) -> None:
    missing: list[str] = []

    def unread(errors: list[str]) -> AirlineError:
        return AirlineError(
            f"Airflow has not read the DAGs {', '.join(missing)}",
            "mend what it names, or see './airline logs airflow-dag-processor'",
            "\n".join(errors),
        )

    def are_parsed() -> bool:
        missing[:] = [dag for dag in wanted if dag not in api.dags()]
        if missing and (errors := api.import_errors()):
            raise unread(errors)
        return not missing

    wait_until(are_parsed, PATIENCE, lambda: unread([]), every=0.5)


def _wait_for_first_runs(api: Api, wanted: list[str], progress: Progress) -> list[str]:
    """Returns the DAGs whose first run failed."""
    begin = time.monotonic()
    waiting, failed = list(wanted), []
    reported_at = begin
    while waiting:
        for dag_id in list(waiting):
            runs = api.runs(dag_id)
            state = runs[-1]["state"] if runs else "none"
            if state not in ("success", "failed"):
                continue
            waiting.remove(dag_id)
            if state == "failed":
                failed.append(dag_id)
            progress.say(f"{dag_id}: first run {state} ({time.monotonic() - begin:.0f} s)")
        if time.monotonic() - begin > PATIENCE_FOR_RUNS:
            raise AirlineError(
                f"the first run of {', '.join(waiting)} did not end in {PATIENCE_FOR_RUNS} s",
                "see './airline logs airflow-scheduler'",
            )
        if waiting and time.monotonic() - reported_at > 15:
            reported_at = time.monotonic()
            progress.say(f"waiting for {', '.join(waiting)}")
        time.sleep(1)
    return failed


def _unpaused(settings: Settings) -> list[str]:
    try:
        return json.loads(_stamp(settings).read_text())
    except (OSError, ValueError):
        return []


def _stamp(settings: Settings) -> Path:
    # Beside the warehouse's data, which contains Airflow's database: both are removed together.
    return settings.home / "data" / "airflow-unpaused"
