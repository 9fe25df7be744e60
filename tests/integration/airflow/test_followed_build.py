"""A real dbt build with nodes of every kind: each task says what became of its own node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from infra.airflow import config
from infra.dbt import runner
from infra.settings import ROOT, Settings
from infra.stack import home

pytestmark = pytest.mark.timeout(1800)

# With its suffix no task's id may be so long, while it still is a file's name.
LONG = ("a_name_that_is_too_long_for_the_id_of_a_task_" * 6)[:247]

FILES = {
    "dbt_project.yml": """
        name: scratch
        profile: scratch
        model-paths: [models]
        seed-paths: [seeds]
        snapshot-paths: [snapshots]
        test-paths: [checks]
        """,
    "seeds/colours.csv": "colour\nred\n",
    "models/passes.sql": "select 1 as id, 'red' as colour",
    "models/repeats.sql": "select 1 as id, 'blue' as colour union all select 1, 'green'",
    "models/renamed.sql": "{{ config(alias='another_name') }} select 1 as id",
    "models/broken.sql": "{{ config(materialized='table') }} select 1 / 0 as id",
    "models/repeated_key.sql": """
        {{ config(
            materialized='table', indexes=[{'columns': ['passenger_id'], 'unique': true}]
        ) }}
        select 'Row' || 'an 8149' as passenger_id from generate_series(1, 2)
        """,
    "models/no_number.sql": """
        {{ config(materialized='table') }}
        select (passenger || 'an 8149')::int as id
        from (select 'Row' as passenger from generate_series(1, 2)) as passengers
        """,
    "models/after_broken.sql": "select * from {{ ref('broken') }}",
    "models/thing_v1.sql": "select 1 as id",
    "models/thing_v2.sql": "{{ config(materialized='table') }} select 1 / 0 as id",
    "models/all.yml": f"""
        sources:
          - name: catalog
            schema: pg_catalog
            tables:
              - name: pg_class
                columns:
                  - {{name: oid, data_tests: [unique]}}
          - name: landed
            config:
              loaded_at_field: landed_at
              freshness:
                warn_after: {{count: 1, period: day}}
                error_after: {{count: 30, period: day}}
            tables:
              - name: new
              - name: old
              - name: unlimited
                config: {{freshness: null}}
          - name: late
            schema: landed
            config:
              loaded_at_field: landed_at
              freshness:
                error_after: {{count: 1, period: day}}
            tables:
              - name: old
        models:
          - name: passes
            columns:
              - name: id
                data_tests: [unique]
              - name: colour
                data_tests:
                  - relationships:
                      arguments: {{to: ref('colours'), field: colour}}
          - name: repeats
            columns:
              - name: id
                data_tests:
                  - unique
                  - not_null
              - name: colour
                data_tests:
                  - relationships:
                      arguments: {{to: ref('colours'), field: colour}}
          - name: renamed
            columns:
              - name: id
                data_tests:
                  - not_null
                  - accepted_values:
                      arguments: {{values: [2], quote: false}}
                      config: {{severity: warn}}
          - name: after_broken
            columns:
              - name: id
                data_tests:
                  - not_null
                  - relationships:
                      name: {LONG}
                      arguments: {{to: ref('passes'), field: id}}
          - name: thing
            latest_version: 2
            versions: [v: 1, v: 2]
            columns:
              - name: id
                data_tests: [not_null]
        seeds:
          - name: colours
            columns:
              - name: colour
                data_tests: [unique]
        unit_tests:
          - name: a_unit_test
            model: renamed
            given: []
            expect: {{rows: [{{id: 1}}]}}
        """,
    "snapshots/kept.yml": """
        snapshots:
          - name: kept
            relation: ref('passes')
            config: {schema: snapshots, unique_key: id, strategy: check, check_cols: all}
            columns:
              - name: id
                data_tests: [unique]
        """,
    "checks/one_parent.sql": "select * from {{ ref('thing', v=1) }}",
    "checks/several_parents.sql": "select * from {{ ref('passes') }}, {{ ref('renamed') }}",
    "checks/several_parents_pass.sql": """
        select * from {{ ref('passes') }}, {{ ref('renamed') }} where false
        """,
    "checks/a_source_and_a_model.sql": """
        select * from {{ source('catalog', 'pg_class') }}, {{ ref('renamed') }} where false
        """,
}


LANDED = """
    create schema landed;
    create table landed.new as select now() as landed_at;
    create table landed.old as select now() - interval '2 days' as landed_at;
    create table landed.unlimited as select now() - interval '2 years' as landed_at;
"""


@pytest.fixture(scope="module")
def report(postgres_server, tmp_path_factory) -> dict[str, Any]:
    """How each task ended, by its name in the group."""
    project: Path = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        file = project / name
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = text.strip("\n").splitlines()
        indent = len(lines[0]) - len(lines[0].lstrip())
        file.write_text("\n".join(line[indent:] for line in lines).rstrip() + "\n")
    with (
        closing(psycopg2.connect(postgres_server.create_database("followed"))) as connection,
        connection,
    ):
        connection.cursor().execute(LANDED)
    profile = {
        "type": "postgres",
        "host": postgres_server.host,
        "port": postgres_server.port,
        "dbname": "followed",
        "user": postgres_server.admin_user,
        "password": postgres_server.admin_password,
        "schema": "scratch",
        "threads": 2,
    }
    profiles = {"scratch": {"target": "it", "outputs": {"it": profile}}}
    (project / "profiles.yml").write_text(json.dumps(profiles))
    settings = Settings.from_environment({**os.environ, "AIRLINE_HOME": str(project / "home")})
    home.make(settings)
    environment = {
        **os.environ,
        **config.environment(settings),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "DBT_PROFILES_DIR": str(project),
        "DBT_PROJECT_DIR": str(project),
    }
    for name in ("DBT_TARGET_PATH", "DBT_LOG_PATH"):
        environment.pop(name, None)
    for command in (
        runner.command("--quiet", "parse"),
        [
            *(sys.executable, str(Path(__file__).with_name("follow_build.py"))),
            *(str(project), str(project / "logs")),
        ],
    ):
        done = subprocess.run(
            command,
            cwd=project if command[0].endswith("dbt") else ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    followed = [file.read_text() for file in (project / "logs").rglob("*.jsonl")]
    assert followed
    said = "\n".join((done.stdout, done.stderr, *followed))
    return json.loads(done.stdout.splitlines()[-1]) | {"said": said}


def tasks_that(report, end: str) -> set[str]:
    return {name for name, task in report["tasks"].items() if task["end"] == end}


def test_a_failing_test_of_each_kind_turns_its_own_task_red_and_no_other(report):
    """A failing test is shown green, or another one's task is red."""
    assert tasks_that(report, "failed") == {
        # a generic test of one node; a singular test of one node; a singular test of several
        "repeats.test",
        "thing_v1.test",
        "several_parents_test",
        "relationships_repeats_colour__colour__ref_colours__test",
        # models that fail
        *("broken_run", "repeated_key_run", "no_number_run"),
        "thing_v2.run",
    }


def test_what_is_well_is_green(report):
    """A warning, an alias, a seed, a snapshot or a source's test is told as a
    failure.
    """
    assert tasks_that(report, "success") == {
        *("passes.run", "passes.test", "repeats.run", "thing_v1.run"),
        *("renamed.run", "renamed.test", "colours.seed", "colours.test"),
        *("kept.snapshot", "kept.test"),
        "relationships_passes_colour__colour__ref_colours__test",
        "several_parents_pass_test",
        "a_source_and_a_model_test",
    }


def test_what_was_skipped_is_not_green(report):
    """What dbt never ran, since what it reads failed, is told as well."""
    skipped = tasks_that(report, "alone")
    [of_long_name] = [name for name in skipped if name.startswith("detached_")]
    assert skipped == {
        *("after_broken.run", "after_broken.test", "thing_v2.test", of_long_name),
    }
    for name in skipped:
        # Each by itself says that the table which it reads is not there.
        assert report["tasks"][name]["alone"].startswith("failed"), name
        assert "does not exist" in report["tasks"][name]["alone"], name


def test_each_task_has_its_own_nodes(report):
    """A version, or a name too long for a task, is another node's."""
    tasks = report["tasks"]
    assert tasks["thing_v1.run"]["nodes"] == ["model.scratch.thing.v1"]
    assert tasks["thing_v2.run"]["nodes"] == ["model.scratch.thing.v2"]
    assert len(tasks["renamed.test"]["nodes"]) == 2
    [of_long_name] = [name for name in tasks if name.startswith("detached_")]
    assert [node.split(".")[2] for node in tasks[of_long_name]["nodes"]] == [LONG]
    nodes = [node for task in tasks.values() for node in task["nodes"]]
    assert len(nodes) == len(set(nodes))
    assert not any(node.startswith("unit_test.") for node in nodes)


def test_a_node_that_is_gone_is_no_success(report):
    """Dbt finds nothing to do, calls that a success, and the task is green."""
    assert report["gone"].startswith("failed: dbt did not run test.scratch.unique_passes_id")


def test_what_stands_behind_a_build_says_how_its_tests_went(report):
    """`validate` is green beside a test that failed or never ran, or runs what is known anew."""
    said = report["validation"]
    assert said["well"] == "success", "a warning is no failure"
    assert said["one fails"].startswith("failed: ") and "unique_repeats_id" in said["one fails"]
    assert said["one was skipped"] == said["again"] == "alone"


def test_a_build_that_ends_while_it_is_asked_is_read_to_its_end(report):
    """A model that is built is built once more, by a dbt of its own."""
    assert report["late"] == "success"


def test_freshness_is_what_was_asked_of_each_table_with_limits(report):
    """A table that nobody asked, or that is late, is called fresh."""
    fresh = report["fresh"]
    assert fresh["all"] == "success", "a table past its first limit is a warning"
    assert fresh["late"].startswith("failed")
    assert fresh["one left out"].startswith("failed: dbt did not run source.scratch.landed.old")
    assert "no table of the source 'catalog' has freshness limits" in fresh["no limits"]


def test_an_error_names_no_value_of_a_row(report):
    """A passenger is read in a task's log, where whoever operates the stack looks."""
    said = report["said"]
    assert "Rowan" not in said and "8149" not in said, said
    # What it is about is said, by dbt as it runs, by the task at its end and to the models' tasks.
    assert said.count("could not create unique index") >= 3
    assert said.count("Key (passenger_id)=(…) is duplicated.") >= 3
    assert said.count("invalid input syntax for type integer") >= 3
    assert "Database Error in model no_number (models/no_number.sql)" in said
