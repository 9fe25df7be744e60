"""Airflow's DAGs: read, not paused, and their last runs."""

from __future__ import annotations

import contextlib

from infra.airflow import config
from infra.airflow.api import Api
from infra.alerts.trouble import PLATFORM, Trouble
from infra.errors import AirlineError
from infra.health.finding import Finding
from infra.settings import Settings

NAME = "DAGs"
# How long Airflow may take for one answer, in seconds.
PATIENCE = 7.0

# One login per process.
_apis: dict[str, Api] = {}


def dags(settings: Settings) -> Finding:
    """Whether each DAG file is parsed, no DAG is paused, and its last finished run succeeded."""
    known = _apis.pop(settings.airflow_url, None)
    if known is not None:
        # The login may have expired, or Airflow's database was made again.
        with contextlib.suppress(AirlineError):
            return _dags(settings, known)
    return _dags(settings, Api(settings, seconds=PATIENCE))


def _dags(settings: Settings, api: Api) -> Finding:
    wanted = config.dag_ids(settings)
    paused = api.dags()
    errors = api.import_errors()
    _apis[settings.airflow_url] = api
    failed = [dag_id for dag_id in wanted if dag_id in paused and _failed(api, dag_id)]
    missing = [dag_id for dag_id in wanted if dag_id not in paused]
    off = [dag_id for dag_id in wanted if paused.get(dag_id)]
    troubles = []
    if errors:
        troubles.append(Trouble("DAG files", "; ".join(errors), NAME))
    elif missing:
        text = f"Airflow has not read {', '.join(missing)}: './airline logs airflow-dag-processor'"
        troubles.append(Trouble("DAG files", text, NAME, because=("service airflow*",)))
    if off:
        text = (
            f"{', '.join(off)} paused, so it does not run: "
            f"'./airline airflow dags unpause {off[0]}' lets it"
        )
        troubles.append(Trouble("DAGs paused", text, NAME))
    troubles += [
        Trouble(
            f"DAG {dag_id}",
            f"the last run of {dag_id} failed: see it in Airflow's UI ({settings.airflow_url}); "
            "its next run tries again",
            NAME,
            because=_because(dag_id),
        )
        for dag_id in failed
    ]
    return Finding(
        "",
        f"{len(paused)} read, {len(off)} paused, {len(failed)} failed last",
        "; ".join(each.text for each in troubles),
        {"missing": missing, "paused": off, "failed": failed, "import_errors": len(errors)},
        troubles=troubles,
    )


def _because(dag_id: str) -> tuple[str, ...]:
    """The causes that explain a failed run: what it builds fails, or what it needs is ill."""
    own = {
        "vault_load": ("DAG vault_load_models", f"{PLATFORM}: *"),
        "vault_load_models": (f"{PLATFORM}: *",),
        "audit": ("audit", f"{PLATFORM}: *"),
        "maintenance": (),
    }
    return (*own.get(dag_id, ("*: *",)), "service *", "version", "locks", "disk space")


def _failed(api: Api, dag_id: str) -> bool:
    return [run["state"] for run in api.runs(dag_id, over=True, limit=1)] == ["failed"]
