"""Airflow's configuration: environment variables made from infra/settings.py.

There is no airflow.cfg to edit. Secrets are read from `AIRLINE_HOME/secrets` when a process starts.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path
from urllib.parse import quote

from infra.dbt import site
from infra.kafka import access
from infra.postgres import roles
from infra.settings import LOGIN_LIMIT, Settings

# Airflow's metadata database, on the warehouse's server.
DATABASE = roles.OWN_DATABASES[roles.AIRFLOW]
# The Airflow Connection with which dbt and the DAGs' own tasks log in to the warehouse.
WAREHOUSE_CONNECTION = "warehouse"
# The same with the ingester's role, for retention of raw events.
LANDING_CONNECTION = "landing"
# The source database, with a role that can only read its tables; used by the audit.
SOURCE_CONNECTION = "source"
# The pool of tasks that run dbt: limits how many run at the same time.
DBT_POOL, DBT_SLOTS = "dbt", 2
# Who checks logins: as it comes, and with a limit where programs log in too.
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
LIMITED = "infra.airflow.logins.LimitedAuthManager"
_LIMITED_FORM = {"fab": {"auth_rate_limited": True, "auth_rate_limit": LOGIN_LIMIT}}
# The account with which `up` unpauses DAGs; people have their own.
OPERATOR = "airline"


def folder(settings: Settings) -> Path:
    """AIRFLOW_HOME: task logs, Cosmos's caches."""
    return settings.home / "airflow"


def dags(settings: Settings) -> Path:
    return settings.root / "airflow" / "dags"


def dag_ids(settings: Settings) -> list[str]:
    """A DAG's id is its file's name."""
    return sorted(file.stem for file in dags(settings).glob("*.py"))


def dbt_artifacts(settings: Settings) -> Path:
    """Where `up` puts the manifest that every DAG file is rendered from."""
    return settings.home / "dbt" / "airflow"


def environment(settings: Settings) -> dict[str, str]:
    """The environment of each Airflow process."""
    # Its audit asks how far the topics are, and reads none.
    variables = settings.service_environment() | access.environment(settings, access.METRICS)
    # Cosmos runs dbt in copies of the project, and expects dbt's output there.
    for name in ("DBT_TARGET_PATH", "DBT_LOG_PATH"):
        variables.pop(name, None)
    account = f"{roles.AIRFLOW}:{quote(settings.secret(roles.AIRFLOW), safe='')}"
    database = f"{account}@{settings.host}:{settings.dwh_port}/{DATABASE}"
    options = {
        "core": {
            "dags_folder": dags(settings),
            "plugins_folder": folder(settings) / "plugins",
            "load_examples": False,
            "executor": "infra.airflow.executor.PromptExecutor",
            "auth_manager": LIMITED if settings.is_production else FAB,
            "execution_api_server_url": f"{settings.airflow_url}/execution/",
            "fernet_key": _fernet_key(settings.secret("airflow_fernet")),
            # Processes, not threads: this many tasks at a time, in all DAGs together.
            "parallelism": 6,
            "max_active_tasks_per_dag": 6,
            "max_active_runs_per_dag": 1,
            # `up` unpauses DAGs after the first build.
            "dags_are_paused_at_creation": True,
            "dagbag_import_timeout": 120,
            "hostname_callable": "infra.airflow.config.hostname",
        },
        "database": {
            "sql_alchemy_conn": f"postgresql+psycopg2://{database}",
            "sql_alchemy_conn_async": f"postgresql+asyncpg://{database}",
        },
        "api": {
            "host": settings.host,
            "port": settings.airflow_port,
            "base_url": settings.airflow_public_url or settings.airflow_url,
            "workers": 1,
            "secret_key": settings.secret("airflow_api"),
            "expose_config": False,
            "instance_name": "Airline",
        },
        "api_auth": {
            "jwt_secret": settings.secret("airflow_jwt"),
            "jwt_issuer": "airline",
        },
        "scheduler": {
            # The data interval of a daily run at midnight is the day that has just ended.
            "create_cron_data_intervals": True,
            "catchup_by_default": False,
            # After this time the next scheduler takes over the tasks of a killed one.
            "orphaned_tasks_check_interval": 30,
            "task_instance_heartbeat_timeout": 60,
            # It waits so long where it began nothing: between two tasks in the triggerer, too.
            "scheduler_idle_sleep_time": 0.5,
        },
        # Generous, because a task must not fail on a slow machine while it only waits.
        "workers": {"execution_api_timeout": 60},
        "dag_processor": {
            "parsing_processes": 1,
            # DAG files change only with a deployment, and then `up` requests a new parse.
            "min_file_process_interval": 120,
            "refresh_interval": 30,
            "dag_file_processor_timeout": 120,
            "print_stats_interval": 600,
        },
        "logging": {
            "base_log_folder": folder(settings) / "logs",
            "dag_processor_child_process_log_directory": folder(settings) / "logs" / "dags",
            "logging_level": "INFO",
            "colored_console_log": False,
        },
        "cosmos": {
            "cache_dir": folder(settings) / "cosmos",
            "enable_telemetry": False,
            "enable_memory_optimised_imports": True,
            # `up` makes the manifest, so hashing all files below the root is unnecessary.
            "enable_cache_dbt_ls": False,
            "project_hash_excluded_dirs": _not_dbts(settings),
            "dbt_docs_projects": json.dumps(
                {"airline": {"dir": str(site.folder(settings)), "name": "dbt docs"}}
            ),
        },
        "usage_data_collection": {"enabled": False},
        # Of the form; infra/airflow/login_limit.py has that of programs.
        **(_LIMITED_FORM if settings.is_production else {}),
    }
    variables |= {
        f"AIRFLOW__{section.upper()}__{name.upper()}": str(value)
        for section, values in options.items()
        for name, value in values.items()
    }
    if sys.platform == "darwin":
        # Tasks are forked processes, and macOS kills a forked process that queries proxy settings.
        variables |= {"no_proxy": "*", "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"}
    return variables | {
        "AIRFLOW_HOME": str(folder(settings)),
        # No usage statistics are sent.
        "DO_NOT_TRACK": "1",
        "SCARF_NO_ANALYTICS": "true",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def hostname() -> str:
    """The host name of this machine, without a DNS query that may time out."""
    return "localhost"


def _fernet_key(secret: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()).decode()


def _not_dbts(settings: Settings) -> str:
    """Every folder of the project that dbt does not read."""
    dbts = {"models", "macros", "seeds", "snapshots", "tests", "dbt_packages"}
    return ",".join(
        sorted(
            entry.name
            for entry in settings.root.iterdir()
            if entry.is_dir() and entry.name not in dbts
        )
    )
