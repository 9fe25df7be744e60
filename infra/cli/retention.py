"""`retention`: the upkeep that Airflow's DAG `maintenance` does, by hand."""

from __future__ import annotations

import argparse
from contextlib import closing

import psycopg2

from infra.postgres import roles
from infra.settings import Settings
from infra.stack.progress import Progress
from infra.warehouse import event_retention


def main(settings: Settings, arguments: list[str]) -> int:
    """Drops what may go, and says what; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="airline retention", description=(event_retention.__doc__ or "").split("\n\n")[1]
    )
    parser.add_argument(
        "--keep-days",
        type=float,
        default=settings.retention_days,
        metavar="N",
        help="keep what was loaded in the last N days (AIRLINE_RETENTION_DAYS, now %(default)s)",
    )
    parser.add_argument(
        "--above-gb",
        type=float,
        default=settings.retention_gb,
        metavar="N",
        help="drop nothing while raw events take no more than N GB (AIRLINE_RETENTION_GB, "
        "now %(default)s)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be dropped")
    options = parser.parse_args(arguments)
    with (
        closing(_connect(settings, roles.INGEST)) as landing,
        closing(_connect(settings, roles.DBT)) as warehouse,
    ):
        event_retention.drop(
            landing,
            warehouse,
            keep_days=options.keep_days,
            above_gb=options.above_gb,
            say=Progress().say,
            dry_run=options.dry_run,
        )
    return 0


def _connect(settings: Settings, role: str) -> psycopg2.extensions.connection:
    connection = psycopg2.connect(settings.dsn("dwh", user=role, password=settings.secret(role)))
    connection.autocommit = True
    return connection
