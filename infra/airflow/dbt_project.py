"""How Airflow renders and runs the dbt project: one project, one profile, one execution mode.

DAG files take `dbt_tasks` and say which models they are about.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import TaskGroup
from cosmos.airflow.task_group import DbtTaskGroup
from cosmos.config import ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import DbtResourceType, ExecutionMode, InvocationMode, LoadMode, TestBehavior
from cosmos.dbt.graph import DbtNode
from cosmos.profiles.postgres import PostgresUserPasswordProfileMapping

from infra.airflow import config, defaults, operators, warehouse
from infra.settings import Settings

SETTINGS = Settings.from_environment()
# What `up` parsed; nothing that differs between runs is part of it.
PARSED = config.dbt_artifacts(SETTINGS)
MANIFEST = PARSED / "manifest.json"
BUILD = "dbt_build"

PROFILE_NAME, TARGET = "airline", "warehouse"


def _profile_args() -> dict[str, Any]:
    """What profiles.yml says besides address and login, which are the Connection's.

    All of it: with another profile than the one it was parsed with dbt parses the whole project.
    """
    profiles = yaml.safe_load((SETTINGS.root / "profiles.yml").read_text())
    output = profiles[PROFILE_NAME]["outputs"][TARGET]
    return {
        name: value
        for name, value in output.items()
        if name != "type" and "env_var" not in str(value)
    }


PROFILE = ProfileConfig(
    profile_name=PROFILE_NAME,
    target_name=TARGET,
    profile_mapping=PostgresUserPasswordProfileMapping(
        conn_id=config.WAREHOUSE_CONNECTION, profile_args=_profile_args()
    ),
)


def dbt(dates: dict[str, str] | None = None) -> dict[str, Any]:
    """Arguments of every task that runs dbt, whether Cosmos makes it or a DAG file.

    `dates`: what macros/marts/clock.sql asks for, templated.
    """
    return {
        "project_dir": str(SETTINGS.root),
        "profile_config": PROFILE,
        "install_deps": False,
        "invocation_mode": InvocationMode.DBT_RUNNER,
        "emit_datasets": False,
        "pool": config.DBT_POOL,
        "env": _environment(dates),
        "cache_dir": PARSED,
    }


def _environment(dates: dict[str, str] | None) -> dict[str, str]:
    return {f"AIRLINE_{name.upper()}": date for name, date in (dates or {}).items()}


def dbt_tasks(
    group_id: str,
    select: list[str],
    *,
    exclude: list[str] | None = None,
    tests: TestBehavior = TestBehavior.AFTER_EACH,
    dates: dict[str, str] | None = None,
) -> DbtTaskGroup:
    """A task for each selected model, followed by a task for its tests.

    One `dbt build` does the work, so that dbt starts once and not once per model. The tasks report
    the result of their nodes in it; it builds exactly these nodes, and without tasks for tests
    (`TestBehavior.NONE`) it runs them all the same, for a task behind it.
    """
    build_task_id = f"{group_id}.{BUILD}"
    group = DbtTaskGroup(
        group_id=group_id,
        project_config=ProjectConfig(
            dbt_project_path=SETTINGS.root,
            manifest_path=MANIFEST,
            install_dbt_deps=False,
        ),
        profile_config=PROFILE,
        execution_config=ExecutionConfig(
            execution_mode=ExecutionMode.LOCAL,
            invocation_mode=InvocationMode.DBT_RUNNER,
        ),
        operator_args={"pool": config.DBT_POOL, "env": _environment(dates)},
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            select=select,
            exclude=exclude or [],
            test_behavior=tests,
            should_detach_multiple_parents_tests=True,
            emit_datasets=False,
            enable_mock_profile=False,
            node_conversion_by_task_group=False,
            node_converters={
                kind: operators.converter(operator, PARSED)
                for kind, operator in (
                    (DbtResourceType.MODEL, operators.DbtModelInBuild),
                    (DbtResourceType.SEED, operators.DbtSeedInBuild),
                    (DbtResourceType.SNAPSHOT, operators.DbtSnapshotInBuild),
                    (DbtResourceType.TEST, operators.DbtTestsInBuild),
                )
            },
        ),
    )
    nodes = []
    for task, followed in tasks_and_nodes(group):
        task.follow(followed, build_task_id)
        nodes += followed
    if tests is TestBehavior.NONE:
        nodes += data_tests(group.dbt_graph.filtered_nodes)
    with group:
        operators.DbtBuild(
            task_id=BUILD,
            nodes=nodes,
            # Enough retries for a warehouse that restarts. A faulty model does not fail this task
            # but the model's own.
            retries=3,
            **dbt(dates),
        )
    return group


def tasks_and_nodes(group: DbtTaskGroup) -> Iterator[tuple[Any, list[DbtNode]]]:
    """Each task that Cosmos made, with its nodes."""
    nodes = group.dbt_graph.filtered_nodes
    for node_id, made in group.tasks_map.items():
        # A node with tests is a task group: the node, followed by its tests.
        for task in made.children.values() if isinstance(made, TaskGroup) else [made]:
            is_about_node = not isinstance(task, operators.DbtTestsInBuild) or task is made
            yield task, [nodes[node_id]] if is_about_node else own_tests(nodes, node_id)


def own_tests(nodes: dict[str, DbtNode], node_id: str) -> list[DbtNode]:
    """The data tests that depend on this node only."""
    return [node for node in data_tests(nodes) if node.depends_on == [node_id]]


def data_tests(nodes: dict[str, DbtNode]) -> list[DbtNode]:
    return [node for node in nodes.values() if node.resource_type == DbtResourceType.TEST]


def mart_stages(
    schema: str,
    name: str,
    models: list[str],
    dates: dict[str, str],
    *,
    stored_in: tuple[str, str] | None = None,
) -> None:
    """The four stages of a mart with its own DAG; the last one emits the mart's asset event.

    `models` are what dbt builds and tests; `dates` are what it is told, templated. The last stage
    says how the tests went: only `dbt_build` takes a dbt.
    `stored_in`: schema and table that have the mart's rows, where the mart itself is a view.
    """
    place = list(stored_in or (schema, name))
    create_schema = PythonOperator(
        task_id="create_schema", python_callable=warehouse.create_schema, op_args=place[:1]
    )
    clean_stale_data = PythonOperator(
        task_id="clean_stale_data", python_callable=warehouse.clean_stale, op_args=place
    )
    compute_and_load = dbt_tasks("compute_and_load", models, tests=TestBehavior.NONE, dates=dates)
    validate = operators.Validate(
        task_id="validate",
        # All tests that depend on one of the models.
        nodes=data_tests(compute_and_load.dbt_graph.filtered_nodes),
        build_task_id=f"compute_and_load.{BUILD}",
        outlets=[defaults.mart(schema, name)],
        **dbt(dates),
    )
    create_schema >> clean_stale_data >> compute_and_load >> validate


def source_freshness(source: str) -> operators.SourceFreshness:
    """Checks the freshness of the source's tables that have limits."""
    return operators.SourceFreshness(
        task_id="source_freshness", source=source, manifest=MANIFEST, **dbt()
    )
