"""The task that drops raw events loaded long ago (infra/warehouse/event_retention.py)."""

from __future__ import annotations

import logging
from contextlib import closing

from infra.airflow import config, warehouse
from infra.settings import Settings
from infra.warehouse import event_retention

log = logging.getLogger(__name__)


def remove_consumed() -> None:
    """Drops what was loaded long ago, once `staging` is larger than it may be."""
    settings = Settings.from_environment()
    with (
        closing(_connect(config.LANDING_CONNECTION)) as landing,
        closing(_connect(config.WAREHOUSE_CONNECTION)) as batches,
    ):
        event_retention.drop(
            landing,
            batches,
            keep_days=settings.retention_days,
            above_gb=settings.retention_gb,
            say=log.info,
        )


def _connect(name: str):
    connection = warehouse.connect(name)
    connection.autocommit = True
    return connection
