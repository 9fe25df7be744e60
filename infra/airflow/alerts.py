"""Alerts for a missed deadline and for an audit that failed: log, file and webhook."""

from __future__ import annotations

import asyncio
import json
import logging
import urllib.request
from typing import Any

from infra.airflow import build_log

log = logging.getLogger(__name__)

# If an Airflow Connection of this name exists, alerts are posted to it: its host is the URL of a
# webhook that takes JSON (of a chat or a pager).
WEBHOOK = "deadline_webhook"


async def deadline_missed(allowed: str, context: dict[str, Any] | None = None) -> None:
    """The callback of every DAG's deadline; runs in the triggerer."""
    run = (context or {}).get("dag_run") or {}
    dag_id, run_id = run.get("dag_id"), run.get("dag_run_id") or run.get("run_id")
    text = f"DAG {dag_id} missed its deadline: run {run_id} is not over {allowed} after its start"
    await asyncio.to_thread(tell, text, dag_id, run_id)


def task_failed(context: dict[str, Any]) -> None:
    """A task's on_failure_callback; runs in its process, after the last try."""
    instance = context["ti"]
    text = f"DAG {instance.dag_id} failed in task {instance.task_id}: {context.get('exception')}"
    tell(text, instance.dag_id, instance.run_id)


def tell(text: str, dag_id: str | None, run_id: str | None) -> None:
    """Writes to the log and to `AIRLINE_HOME/airflow/alerts.log`, and posts to the webhook."""
    log.error(text)
    with (build_log.home() / "alerts.log").open("a") as file:
        file.write(text + "\n")
    url = _webhook()
    if url:
        _post(url, {"text": text, "dag_id": dag_id, "run_id": run_id})


def _webhook() -> str:
    from airflow.exceptions import AirflowNotFoundException
    from airflow.sdk import Connection

    try:
        return Connection.get(WEBHOOK).host or ""
    except AirflowNotFoundException:
        return ""


def _post(url: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=30).close()
