"""A warehouse of a test's own, loaded by the project's own dbt graph."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
from dbt.cli.main import dbtRunner, dbtRunnerResult

from infra import warehouse
from infra.dbt import runner
from infra.postgres import roles
from infra.settings import Settings
from tests.support.events import KEYS, Source

ROOT = Path(__file__).resolve().parents[2]


class Warehouse:
    """One database on a real server, with the schemas, roles and landing tables of the product."""

    def __init__(self, server: Any, name: str, folder: Path, project: Path = ROOT) -> None:
        server.create_database(name)
        self.project = project
        settings = Settings.from_environment(
            {
                "AIRLINE_HOME": str(folder / "home"),
                "AIRLINE_HOST": server.host,
                "AIRLINE_DWH_PORT": str(server.port),
                "AIRLINE_DWH_DB": name,
                "AIRLINE_ADMIN_USER": server.admin_user,
                "AIRLINE_ADMIN_PASSWORD": server.admin_password,
            }
        )
        warehouse.make(settings, server.server)
        self.settings = settings
        self.dsn = server.dsn(name)
        self.folder = folder
        self.environment = {
            variable: value
            for variable, value in settings.environment().items()
            if variable.startswith("AIRLINE_")
        }
        subprocess.run(
            [sys.executable, "-m", "ingest", "--init-only"],
            cwd=ROOT,
            env=os.environ
            | self.environment
            | {"AIRLINE_INGEST_PASSWORD": settings.secret(roles.INGEST)},
            check=True,
        )
        self.source = Source(self.dsn)
        self.manifest = None

    def dbt(self, *arguments: str) -> dbtRunnerResult:
        """Runs dbt in this process, as the README tells a person to. Does not raise on failure."""
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        common = [
            *("--project-dir", str(self.project), "--profiles-dir", str(self.project)),
            *("--target-path", str(self.folder / "target")),
            *("--log-path", str(self.folder / "logs"), "--quiet"),
        ]
        try:
            if self.manifest is None:
                # Parsed once: the project does not change while tests run.
                self.manifest = dbtRunner().invoke(["parse", *common]).result
            return dbtRunner(manifest=self.manifest).invoke([*arguments, *common])
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def start_dbt(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts dbt in a process of its own, as another session would."""
        number = len(list(self.folder.glob("process*")))
        folder = self.folder / f"process{number}"
        folder.mkdir()
        return subprocess.Popen(
            [
                *runner.command(*arguments),
                *("--project-dir", str(self.project), "--profiles-dir", str(self.project)),
                *("--target-path", str(folder / "target"), "--log-path", str(folder / "logs")),
            ],
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def load(self, *arguments: str) -> None:
        """Lands what is pending at the source and loads it; an error fails the test."""
        self.source.land()
        self.load_landed(*arguments)

    def load_landed(self, *arguments: str) -> None:
        """Loads what has landed, and lands nothing; an error fails the test."""
        done = self.dbt("run", "--selector", "loading", *arguments)
        assert done.success, messages(done)

    def rows(self, query: str, *parameters: Any) -> list[tuple]:
        """The rows of `query`, in UTC."""
        with (
            closing(psycopg2.connect(self.dsn, options="-c timezone=UTC")) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def vault(self) -> dict[str, list[tuple]]:
        """Every row of every table of the vault, sorted, as text."""
        tables = self.rows(
            "select table_name from information_schema.tables"
            " where table_schema = 'dwh_detailed' order by 1"
        )
        return {
            table: self.rows(f"select t::text from dwh_detailed.{table} as t order by 1")
            for (table,) in tables
        }

    def not_kept(self) -> list[tuple]:
        """Rows of the kept tables that the vault's history does not give, and the reverse."""
        tables = self.rows(
            "select table_name from information_schema.tables"
            " where table_schema = 'dwh_business' and table_type = 'BASE TABLE'"
        )
        found = []
        for (table,) in tables:
            kept = f"select t::text from dwh_business.{table} as t"
            history = f"select t::text from dwh_business.{table}_as_of('infinity') as t"
            found += self.rows(f"({kept} except all {history}) union all ({history} except {kept})")
        return found

    def open_batches(self) -> list[int]:
        """The ids of the load batches that are open."""
        return [
            number
            for (number,) in self.rows(
                "select load_batch_id from dwh_control.load_batch where closed_at is null"
            )
        ]

    def differences(
        self,
        rows: dict[str, dict[tuple, dict[str, Any]]] | None = None,
        as_of: datetime | None = None,
    ) -> list[str]:
        """Where the vault's rows are not the given ones (default: those the source has now).

        The vault's current rows, or with `as_of` those it says were known then.
        """
        found = []
        for table, expected in (rows or self.source.rows).items():
            relation, parameters = f"dwh_business.current_{table}", ()
            if as_of is not None:
                relation, parameters = f"dwh_business.{table}_as_of(%s)", (as_of,)
            columns = [
                name
                for (name,) in self.rows(
                    "select column_name from information_schema.columns where table_schema ="
                    " 'dwh_business' and table_name = %s and column_name <> 'load_date'",
                    f"current_{table}",
                )
            ]
            # The source's row goes through the same types, so that only values are compared.
            stored = self.rows(
                f"select to_jsonb(t) - 'load_date' from {relation} as t", *parameters
            )
            actual = {tuple(row[key] for key in KEYS[table]): row for (row,) in stored}
            wanted = {}
            for key, row in expected.items():
                ((typed,),) = self.rows(
                    f"select to_jsonb(t) - 'load_date' from jsonb_populate_record("
                    f"null::dwh_business.current_{table}, %s::jsonb) as t",
                    psycopg2.extras.Json(_as_stored(table, row)),
                )
                wanted[key] = {name: typed[name] for name in columns}
            for key in wanted.keys() | actual.keys():
                if wanted.get(key) != actual.get(key):
                    found.append(f"{table} {key}: {wanted.get(key)} in vault {actual.get(key)}")
        return found


def _as_stored(table: str, row: dict[str, Any]) -> dict[str, Any]:
    # jsonb columns travel as text
    texts = {"aircrafts": ["model"], "tickets": ["contact_data"]}.get(table, [])
    return row | {name: json.loads(row[name]) for name in texts if row[name] is not None}


def messages(done: dbtRunnerResult) -> str:
    """What dbt says about the nodes that did not succeed."""
    if done.exception is not None:
        return str(done.exception)
    return "\n".join(
        f"{result.node.unique_id}: {result.message}"
        for result in done.result
        if result.status not in ("success", "pass")
    )
