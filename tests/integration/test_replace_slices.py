"""The incremental strategy `replace_slices`, by a model that has other keys than our own marts."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from dbt.cli.main import dbtRunner, dbtRunnerResult

from infra.settings import ROOT
from tests.support.warehouse import messages

PROJECT = f"""
name: airline
config-version: 2
profile: slices
model-paths: [models]
macro-paths: ["{ROOT}/macros/materializations", "{ROOT}/macros/engine"]
vars: {{lock_patience: 2min}}
"""
PROFILE = """
slices:
  target: test
  outputs:
    test:
      type: postgres
      host: "{{ env_var('SLICES_HOST') }}"
      port: "{{ env_var('SLICES_PORT') | as_number }}"
      user: "{{ env_var('SLICES_USER') }}"
      password: "{{ env_var('SLICES_PASSWORD') }}"
      dbname: slices
      schema: public
      threads: 1
"""
# A slice is a month and a shop, a row in it a product.
MODEL = """
{{ config(
    materialized='incremental',
    incremental_strategy='replace_slices',
    unique_key=['sales_month', 'shop'],
    meta={'row_key': 'product'},
) }}
select sales_month, shop, product, amount from computed
"""


class Project:
    """A dbt project with that one model, on a database of its own."""

    def __init__(self, server, folder: Path) -> None:
        self.folder = folder
        self.dsn = server.create_database("slices")
        self.environment = {
            "SLICES_HOST": server.host,
            "SLICES_PORT": str(server.port),
            "SLICES_USER": server.admin_user,
            "SLICES_PASSWORD": server.admin_password,
        }
        (folder / "models").mkdir()
        (folder / "dbt_project.yml").write_text(PROJECT)
        (folder / "profiles.yml").write_text(PROFILE)
        self.model(MODEL)

    def model(self, text: str) -> None:
        (self.folder / "models" / "sales.sql").write_text(text)

    def compute(self, *rows: tuple) -> dbtRunnerResult:
        """Runs the model; what it computes are these rows."""
        self.rows("drop table if exists computed cascade")
        self.rows("create table computed (sales_month date, shop text, product text, amount int)")
        for row in rows:
            self.rows("insert into computed values (%s, %s, %s, %s)", row)
        before = dict(os.environ)
        os.environ.update(self.environment)
        folders = (f"--{name}-dir={self.folder}" for name in ("project", "profiles"))
        try:
            return dbtRunner().invoke(["run", *folders, "--quiet"])
        finally:
            os.environ.clear()
            os.environ.update(before)

    def rows(self, query: str, parameters: tuple | None = None) -> list[tuple]:
        with (
            closing(psycopg2.connect(self.dsn)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def sales(self) -> list[tuple]:
        return self.rows(
            "select to_char(sales_month, 'YYYY-MM'), shop, product, amount from sales"
            " order by 1, 2, 3"
        )


@pytest.fixture
def project(postgres_server, tmp_path) -> Project:
    return Project(postgres_server, tmp_path)


JANUARY, FEBRUARY = "2026-01-01", "2026-02-01"


def test_a_slice_is_replaced_by_the_columns_that_name_it(project):
    """A mart with other keys than a day and an airport loses rows of its neighbours, or keeps old
    ones.
    """
    first = project.compute(
        (JANUARY, "east", "tea", 1),
        (JANUARY, "west", "tea", 2),
        (FEBRUARY, "east", "tea", 3),
        (FEBRUARY, "east", "milk", 4),
    )
    assert first.success, messages(first)
    # One slice computed anew, one that has no rows any more, one that is new.
    second = project.compute(
        (FEBRUARY, "east", "tea", 5),
        (JANUARY, "west", None, None),
        (FEBRUARY, "west", "tea", 6),
    )
    assert second.success, messages(second)
    assert project.sales() == [
        ("2026-01", "east", "tea", 1),
        ("2026-02", "east", "tea", 5),
        ("2026-02", "west", "tea", 6),
    ]


def test_a_model_without_a_row_key_is_refused(project):
    """A slice without rows leaves a row of nulls in the table."""
    first = project.compute((JANUARY, "east", "tea", 1))
    assert first.success, messages(first)
    project.model(MODEL.replace("meta={'row_key': 'product'},", ""))
    second = project.compute((JANUARY, "east", None, None))
    assert not second.success
    assert "no meta.row_key" in messages(second)
    assert project.sales() == [("2026-01", "east", "tea", 1)]
