"""Makes and migrates Airflow's database, and adds roles, users and Connections.

A stamp file beside the warehouse's data names the releases and settings for which this was done, so
that a second `up` does not start Airflow for it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from infra.airflow import config
from infra.errors import AirlineError
from infra.postgres import roles
from infra.settings import Settings
from infra.stack import known_logins, runtime
from infra.warehouse.service import Warehouse

PACKAGES = ("apache-airflow-core", "apache-airflow-providers-fab", "astronomer-cosmos")


def make(settings: Settings) -> list[str]:
    """Brings database, users and Connection up to these settings. Returns what is to be told of
    it. Raises AirlineError.
    """
    runtime.make_folder(settings, config.folder(settings))
    is_new = roles.make_database(
        Warehouse(settings).server.dsn(), config.DATABASE, owner=roles.AIRFLOW
    )
    stamp = settings.home / "data" / "airflow-furnished"
    mark = _mark(settings)
    if not is_new and stamp.exists() and stamp.read_text() == mark:
        return []
    run(settings, "-m", "airflow", "db", "migrate")
    furniture = json.dumps(_furniture(settings))
    printed = run(settings, "-m", "infra.airflow.furnish", standard_input=furniture)
    stamp.write_text(mark)
    return known_logins.told(printed, "Airflow")


def run(settings: Settings, *arguments: str, standard_input: str | None = None) -> str:
    """Runs a Python with Airflow's environment; returns what it printed. Raises AirlineError."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=settings.root,
        env=_environment(settings),
        input=standard_input,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise AirlineError(
            f"Airflow could not be set up ('{' '.join(arguments)}' failed)",
            "mend what it says below, then './airline up'",
            "\n".join((done.stdout + done.stderr).splitlines()[-12:]),
        )
    return done.stdout


def _environment(settings: Settings) -> dict[str, str]:
    return {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ
    } | config.environment(settings)


def _furniture(settings: Settings) -> dict[str, Any]:
    """The input of infra/airflow/furnish.py; on standard input, because it contains passwords."""
    return {
        "is_production": settings.is_production,
        "admin": {"name": settings.airflow_user, "password": settings.airflow_password},
        "operator": {"name": config.OPERATOR, "password": settings.secret("airflow_operator")},
        "pool": {"pool": config.DBT_POOL, "slots": config.DBT_SLOTS},
        "connections": [
            _connection(settings, config.WAREHOUSE_CONNECTION, roles.DBT),
            _connection(settings, config.LANDING_CONNECTION, roles.INGEST),
            _connection(settings, config.SOURCE_CONNECTION, roles.AUDIT, "primary"),
        ],
    }


def _connection(
    settings: Settings, name: str, role: str, server: str = "dwh"
) -> dict[str, str | int]:
    return {
        "conn_id": name,
        "host": settings.host,
        "port": settings.port(server),
        "schema": settings.database(server),
        "login": role,
        "password": settings.secret(role),
    }


def _mark(settings: Settings) -> str:
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    content = json.dumps(
        [versions, _furniture(settings), Path(__file__).with_name("furnish.py").read_text()],
        sort_keys=True,
    )
    return hashlib.sha256(content.encode()).hexdigest()
