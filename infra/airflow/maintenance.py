"""The tasks that keep a stack from growing for ever: raw events that were loaded long ago
(infra/warehouse/event_retention.py), Airflow's own rows and logs.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

from airflow.exceptions import AirflowException

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


def purge_forgotten() -> None:
    """Removes from Kafka what the source has sent, since they were forgotten, of persons."""
    # Here, for it imports Kafka's client, and DAG files are read again and again.
    from infra.subject import kafka_purge

    for place, count in kafka_purge.again(Settings.from_environment()).items():
        log.info("%s: %s offsets removed", place, f"{count:,}")


def remove_old_runs() -> None:
    """Removes Airflow's rows (`airflow db clean`) and logs that are older than it keeps them."""
    settings = Settings.from_environment()
    before = datetime.now(UTC) - timedelta(days=settings.airflow_days)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "infra.airflow", "db", "clean", "--yes", "--skip-archive"),
            *("--clean-before-timestamp", before.isoformat(), "--error-on-cleanup-failure"),
        ],
        cwd=settings.root,
        # A task is no service: it starts beside others, and ends none.
        env={name: value for name, value in os.environ.items() if name != "AIRLINE_SERVICE"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in done.stdout.splitlines():
        log.info("%s", line)
    if done.returncode:
        raise AirflowException(f"'airflow db clean' ended with {done.returncode}: see above")
    folders = list(old_logs(config.folder(settings) / "logs", before))
    for folder in folders:
        shutil.rmtree(folder)
    log.info("removed the logs of %s runs and days before %s", len(folders), before.date())


def old_logs(logs: Path, before: datetime) -> Iterator[Path]:
    """The folders below `logs`, one for each run and one for each day of the DAG processor, in
    which nothing was written since `before`.
    """
    for folder in (*logs.glob("dag_id=*/run_id=*"), *logs.glob("dags/*")):
        # The folder first: where that is new, what is in it is not looked at.
        entries = chain([folder], folder.rglob("*"))
        if (
            folder.is_dir()
            and not folder.is_symlink()
            and all(each.lstat().st_mtime < before.timestamp() for each in entries)
        ):
            yield folder


def _connect(name: str):
    connection = warehouse.connect(name)
    connection.autocommit = True
    return connection
