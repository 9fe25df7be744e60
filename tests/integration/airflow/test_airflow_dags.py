"""The DAG files: they import, they are quick to parse, and their tasks and edges are as written."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.airflow import config
from infra.dbt import runner
from infra.settings import ROOT, Settings
from infra.stack import home

pytestmark = pytest.mark.timeout(600)

SNAPSHOT = Path(__file__).with_name("dags.json")
DAG_FILES = sorted((ROOT / "airflow" / "dags").glob("*.py"))


@pytest.fixture(scope="module")
def description(tmp_path_factory) -> dict[str, Any]:
    """What Airflow makes of the DAG files, with a manifest of the project as it is now."""
    folder = tmp_path_factory.mktemp("airline")
    folder.chmod(0o755)
    # As a person has them: `./airline test` gives its own stack another schedule.
    settings = Settings.from_environment(
        {**os.environ, "AIRLINE_HOME": str(folder), "AIRLINE_LOAD_MINUTES": ""}
    )
    home.make(settings)
    runner.publish_manifest(settings, config.dbt_artifacts(settings))
    done = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).with_name("describe_dags.py")),
            str(config.dags(settings)),
            str(config.dbt_artifacts(settings) / "manifest.json"),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            **config.environment(settings),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    usual = Path(runner.environment(settings)["DBT_TARGET_PATH"]) / "manifest.json"
    manifest = json.loads((config.dbt_artifacts(settings) / "manifest.json").read_text())
    return json.loads(done.stdout.splitlines()[-1]) | {
        "settings": settings,
        "usual manifest": usual,
        "nodes": manifest["nodes"],
    }


def test_the_manifest_of_the_dags_is_nobody_elses(description):
    """A build beside `up` overwrites it half way, and no DAG is read."""
    assert not description["usual manifest"].exists()


def test_dag_files_import(description):
    """A DAG is missing in Airflow, or its id is not its file's name."""
    assert description["errors"] == {}
    assert sorted(description["dags"]) == [file.stem for file in DAG_FILES]
    assert {
        "vault_load",
        "vault_load_models",
        "frequent_flyer_mart",
        "airport_passenger_flow_mart",
        "maintenance",
    } <= set(description["dags"])


def test_dbt_is_told_what_the_project_was_parsed_with(description):
    """Each task that runs dbt parses the whole project: it was parsed with another profile."""
    profile = yaml.safe_load((ROOT / "profiles.yml").read_text())["airline"]
    usual = profile["outputs"][profile["target"]]
    of_the_connection = {"type", "host", "port", "dbname", "user", "password"}
    assert description["profile"] == {
        name: value for name, value in usual.items() if name not in of_the_connection
    }


def test_a_dag_file_costs_what_its_manifest_does(description):
    """A parse runs dbt, or hashes the environments, instead of one manifest."""
    assert description["manifests read per file"] < 10


def test_tasks_and_edges_are_as_written(description):
    """A change of models or DAG files changed what Airflow runs, or in which
    order; look at the difference, then AIRLINE_WRITE_SNAPSHOTS=1 writes it down.
    """
    if os.environ.get("AIRLINE_WRITE_SNAPSHOTS"):
        SNAPSHOT.write_text(json.dumps(description["dags"], indent=1) + "\n")
    assert description["dags"] == json.loads(SNAPSHOT.read_text())


def test_every_model_of_the_vault_is_a_task_with_its_tests_behind_it(description):
    """A model is loaded without Airflow showing it, or its tests are not."""
    tasks = description["dags"]["vault_load_models"]["tasks"]
    models = {
        file.stem
        for folder in ("staging", "vault_stage", "raw_vault")
        for file in (ROOT / "models" / folder).rglob("*.sql")
    }
    shown = {name.removeprefix("load.").removesuffix("_run").removesuffix(".run") for name in tasks}
    assert models <= shown
    for name, task in tasks.items():
        if name.endswith(".run"):
            assert task["then"] == [f"{name.removesuffix('.run')}.test"]


def test_a_load_of_nothing_is_one_task(description):
    """A run that finds nothing leaves a skipped task for each model behind."""
    assert [*description["dags"]["vault_load"]["tasks"]] == ["load"]
    assert description["dags"]["vault_load_models"]["schedule"] == "None"


def test_a_test_of_several_models_waits_for_all_of_them(description):
    """A hub waits for a test that reads it, or a test is before its models."""
    tasks = description["dags"]["vault_load_models"]["tasks"]
    before = {
        name
        for name, task in tasks.items()
        if any("relationships_vst_airports_" in after for after in task["then"])
    }
    assert before == {"load.vst_airports_run", "load.hub_airports_run"}


def followed(description) -> list[tuple[str, str, list[str]]]:
    """(DAG, task, its nodes) of every task that stands for a node, or for the tests of one."""
    return [
        (dag_id, name, task["nodes"])
        for dag_id, dag in description["dags"].items()
        for name, task in dag["tasks"].items()
        if task["operator"].endswith("InBuild")
    ]


def test_each_task_follows_the_very_nodes_that_its_name_says(description):
    """A task is green for another node, and a failing test turns nothing red."""
    tasks = followed(description)
    assert len(tasks) > 100
    for dag_id, name, nodes in tasks:
        _, _, rest = name.partition(".")
        own = rest.rpartition(".")[0] if "." in rest else rest.rpartition("_")[0]
        if rest.endswith(".test"):
            # The tests of the node whose group it stands in, and of no other.
            wanted = {
                unique_id
                for unique_id, node in description["nodes"].items()
                if node["resource_type"] == "test"
                and [parent.split(".")[-1] for parent in node["depends_on"]["nodes"]] == [own]
            }
            assert wanted and set(nodes) == wanted, (dag_id, name)
        else:
            assert [description["nodes"][node]["name"] for node in nodes] == [own], (dag_id, name)


def test_no_two_tasks_of_a_dag_follow_the_same_node(description):
    """Nodes are run and shown twice, and others not at all."""
    for dag_id in description["dags"]:
        nodes = [node for dag, _, each in followed(description) if dag == dag_id for node in each]
        assert len(nodes) == len(set(nodes)), dag_id


def test_a_build_runs_what_its_tasks_follow_and_nothing_else(description):
    """A task waits for a node that its build leaves out, and dbt starts once
    more for it; or a node is built that no task shows.
    """
    assert len(description["builds"]) == 4
    for dag_id, select in description["builds"].items():
        done = subprocess.run(
            runner.command(
                *("--quiet", "ls", "--output", "json", "--output-keys", "unique_id"),
                *("--indirect-selection", "empty", "--exclude-resource-type", "unit_test"),
                *("--select", *select.split()),
            ),
            cwd=ROOT,
            env=runner.environment(description["settings"]),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        built = {json.loads(line)["unique_id"] for line in done.stdout.splitlines()}
        shown = {
            node
            for task in description["dags"][dag_id]["tasks"].values()
            # A mart's last stage says how its tests went in the build.
            if task["operator"].endswith("InBuild") or task["operator"] == "Validate"
            for node in task["nodes"]
        }
        assert built == shown, dag_id


def test_every_data_test_is_run_by_a_dag(description):
    """Nobody runs a test of what is loaded, and that may be anything."""
    run = {
        node
        for dag in description["dags"].values()
        for task in dag["tasks"].values()
        for node in task["nodes"]
    }
    written = {
        unique_id
        for unique_id, node in description["nodes"].items()
        # One without an input is about the code, as unit tests are.
        if node["resource_type"] == "test" and node["depends_on"]["nodes"]
    }
    assert written and not written - run


def test_every_run_is_retried_documented_and_has_a_deadline(description):
    """A passing trouble fails a DAG, or nobody hears that one is late."""
    for dag_id, dag in description["dags"].items():
        assert dag["documented"] and dag["deadline"], dag_id
        assert dag["max_active_runs"] == 1 and dag["catchup"] is False, dag_id
        assert all(task["retries"] >= 1 for task in dag["tasks"].values()), dag_id


@pytest.mark.parametrize("file", DAG_FILES, ids=lambda file: file.stem)
def test_a_dag_file_is_configuration(file):
    """SQL, a function or a secret stands in a DAG file."""
    tree = ast.parse(file.read_text())
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        assert not isinstance(
            node, ast.FunctionDef | ast.ClassDef | ast.Lambda | ast.If | ast.For | ast.Try
        ), f"{file.name}:{node.lineno} is logic"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = node.value.lower().split()
            assert not {"select", "insert", "delete"} & set(words[:1]), node.value
            assert "password" not in words
