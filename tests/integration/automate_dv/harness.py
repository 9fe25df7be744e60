"""Runs the tiny dbt project beside this file against a throw-away database.

The rules under test are those of AutomateDV's public macros, so the same tests run against
AutomateDV itself:
`AUTOMATE_DV_PATH=<its folder, dbt_utils beside it> pytest tests/integration -k automate_dv`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml
from dbt.cli.main import dbtRunner, dbtRunnerResult

HERE = Path(__file__).parent
STAND_IN = HERE.parents[2] / "infra" / "dbt_packages" / "automate_dv"
PACKAGE = Path(os.environ.get("AUTOMATE_DV_PATH", STAND_IN)).resolve()

# For what only the stand-in promises, such as its wording of errors and its plans.
stand_in_only = pytest.mark.skipif(
    STAND_IN.resolve() != PACKAGE, reason="a promise of the stand-in, not of AutomateDV"
)


@dataclass
class Invocation:
    """What one dbt command did."""

    result: dbtRunnerResult
    log: list[str] = field(default_factory=list)

    @property
    def messages(self) -> dict[str, str]:
        """What dbt says of each node, by the node's name."""
        if self.result.result is None:
            return {}
        return {each.node.name: str(each.message) for each in self.result.result.results}

    @property
    def compiled(self) -> dict[str, str]:
        """The compiled SQL of each node, by the node's name."""
        return {each.node.name: each.node.compiled_code for each in self.result.result.results}

    def __str__(self) -> str:
        return f"{self.result.exception or ''}\n" + "\n".join(self.log[-60:])


class Project:
    """The tiny project in a folder of its own, on a database of its own."""

    def __init__(self, folder: Path, server: Any, database: str) -> None:
        self.folder = folder / "project"
        shutil.copytree(HERE / "project", self.folder)
        packages = self.folder / "dbt_packages"
        packages.mkdir()
        # What lies beside it too: AutomateDV itself needs dbt_utils there.
        for package in PACKAGE.parent.iterdir():
            if (package / "dbt_project.yml").exists():
                shutil.copytree(package, packages / package.name)
        self._settings = yaml.safe_load((self.folder / "dbt_project.yml").read_text())
        self.dsn = server.create_database(database)
        self._environment = {
            "RULES_HOST": server.host,
            "RULES_PORT": str(server.port),
            "RULES_USER": server.admin_user,
            "RULES_PASSWORD": server.admin_password,
            "RULES_DATABASE": database,
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
        self.execute("create schema raw")

    def dbt(
        self,
        *arguments: str,
        variables: dict[str, Any] | None = None,
        settings: dict[str, Any] | None = None,
    ) -> Invocation:
        """Runs dbt with `variables` and `settings` put into dbt_project.yml; never raises."""
        changed = {**self._settings, "vars": variables or {}, **(settings or {})}
        (self.folder / "dbt_project.yml").write_text(yaml.safe_dump(changed))
        folder = str(self.folder)
        log: list[str] = []
        with self._environment_set():
            result = dbtRunner(callbacks=[lambda event: log.append(event.info.msg)]).invoke(
                [
                    *arguments,
                    "--project-dir",
                    folder,
                    "--profiles-dir",
                    folder,
                    "--log-level",
                    "none",
                ]
            )
        return Invocation(result, log)

    def run(self, select: str, *arguments: str, **options: Any) -> Invocation:
        """Runs the selected models; fails the test if dbt does."""
        invocation = self.dbt("run", "--select", select, *arguments, **options)
        assert invocation.result.success, str(invocation)
        return invocation

    @contextmanager
    def _environment_set(self) -> Iterator[None]:
        before = dict(os.environ)
        os.environ.update(self._environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def execute(self, statement: str, parameters: Sequence[Any] | None = None) -> None:
        """Executes SQL and commits."""
        with closing(psycopg2.connect(self.dsn)) as connection, connection:
            connection.cursor().execute(statement, parameters)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a query; bytea as bytes."""
        with closing(psycopg2.connect(self.dsn)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return [
                tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
                for row in cursor.fetchall()
            ]

    def records(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query by column name."""
        with closing(psycopg2.connect(self.dsn)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in self.rows(query)]

    def columns(self, table: str) -> list[str]:
        """The columns of a table or view of the schema `vault`, in order."""
        found = self.rows(
            "select attname from pg_attribute where attnum > 0 and not attisdropped"
            f" and attrelid = 'vault.{table}'::regclass order by attnum"
        )
        return [name for (name,) in found]

    def replace(self, table: str, columns: str, *rows: str) -> None:
        """Makes `raw.<table>` if need be; these rows (SQL literals) replace what it has."""
        self.execute(f"create table if not exists raw.{table} ({columns}); truncate raw.{table}")
        if rows:
            values = ", ".join(f"({row})" for row in rows)
            self.execute(f"insert into raw.{table} values {values}")
