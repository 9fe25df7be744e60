"""Retention as a task: what infra/warehouse/retention.py does, through Airflow's Connections."""

from __future__ import annotations

import logging
from contextlib import closing

from airflow.providers.postgres.hooks.postgres import PostgresHook

from infra.airflow import config
from infra.settings import Settings
from infra.warehouse import retention

log = logging.getLogger(__name__)


def remove_consumed() -> None:
    """Drops what was loaded long ago, once `staging` is larger than it may be."""
    settings = Settings.from_environment()
    with (
        closing(_connect(config.LANDING_CONNECTION)) as landing,
        closing(_connect(config.WAREHOUSE_CONNECTION)) as warehouse,
    ):
        retention.drop(
            landing,
            warehouse,
            keep_days=settings.retention_days,
            above_gb=settings.retention_gb,
            say=log.info,
        )


def _connect(name: str):
    connection = PostgresHook(postgres_conn_id=name).get_conn()
    connection.autocommit = True
    return connection
