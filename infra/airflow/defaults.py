"""Defaults of all DAGs: retries, timeouts and deadlines."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pendulum
from airflow.sdk import Asset, DeadlineAlert, DeadlineReference
from airflow.sdk.definitions.callback import AsyncCallback

from infra.settings import Settings

SETTINGS = Settings.from_environment()

START: datetime = pendulum.datetime(2025, 1, 1, tz="UTC")
# How often the vault is loaded.
LOAD_SCHEDULE = timedelta(minutes=SETTINGS.load_minutes)
# How often source and vault are compared, counted from 04:00 UTC, when the daily DAGs are over.
AUDIT_SCHEDULE = timedelta(hours=SETTINGS.audit_hours)
AUDIT_START = START + timedelta(hours=4)
# The asset that is updated when a load batch is in the vault.
VAULT = Asset("vault", uri="airline://warehouse/dwh_detailed")


def mart(schema: str, name: str) -> Asset:
    """The asset that is updated when a mart is computed and valid."""
    return Asset(name, uri=f"airline://warehouse/{schema}/{name}")


def task_defaults(
    *,
    retries: int = 3,
    first_delay: timedelta = timedelta(seconds=30),
    timeout: timedelta = timedelta(minutes=30),
) -> dict[str, Any]:
    """Retries wait twice as long each time, ten minutes at most."""
    return {
        "owner": "data platform",
        "retries": retries,
        "retry_delay": first_delay,
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=10),
        "execution_timeout": timeout,
    }


def deadline(interval: timedelta) -> DeadlineAlert:
    """Raises an alert for a run that has not ended this long after it was queued."""
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=interval,
        callback=AsyncCallback(
            "infra.airflow.alerts.deadline_missed", kwargs={"allowed": str(interval)}
        ),
    )
