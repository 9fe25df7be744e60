"""What `maintenance` removes is old, and only that."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.airflow import maintenance

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def written(file: Path, days_ago: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("a line")
    moment = (NOW - timedelta(days=days_ago)).timestamp()
    folder = file.parent
    while folder.name.partition("=")[0] not in ("dag_id", "logs"):
        os.utime(folder, (moment, moment))
        folder = folder.parent
    os.utime(file, (moment, moment))


def test_logs_go_when_nothing_was_written_to_them_for_long(tmp_path: Path):
    """Logs grow for ever; or a run that was tried again yesterday loses its log."""
    logs = tmp_path / "logs"
    old = logs / "dag_id=vault_load" / "run_id=old"
    retried = logs / "dag_id=vault_load" / "run_id=retried"
    written(old / "task_id=load" / "attempt=1.log", 40)
    written(retried / "task_id=load" / "attempt=2.log", 1)
    written(retried / "task_id=check" / "attempt=1.log", 40)
    written(logs / "dags" / "2026-01-10" / "dags-folder" / "vault_load.py.log", 50)
    written(logs / "dags" / "2026-02-28" / "dags-folder" / "vault_load.py.log", 1)
    (logs / "dags" / "latest").symlink_to("2026-01-10")
    found = set(maintenance.old_logs(logs, NOW - timedelta(days=30)))
    assert found == {old, logs / "dags" / "2026-01-10"}
