"""The tasks of the DAGs: one `dbt build`, a task for each node of it, and what surrounds it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow.exceptions import AirflowException
from airflow.triggers.base import StartTriggerArgs
from cosmos.constants import DbtResourceType
from cosmos.operators.local import (
    DbtBuildLocalOperator,
    DbtDocsLocalOperator,
    DbtRunLocalOperator,
    DbtSeedLocalOperator,
    DbtSnapshotLocalOperator,
    DbtTestLocalOperator,
)

from infra.airflow import build_log, warehouse
from infra.project import site
from infra.settings import Settings

# Unit tests check code, not data: they run when the code changes, not at each load.
WITHOUT_UNIT_TESTS = ["--exclude-resource-type", "unit_test"]
# The data tests that read one node alone.
OWN_TESTS = {"dbt_cmd_flags": WITHOUT_UNIT_TESTS, "indirect_selection": "cautious"}


# What libpq and the server say to a session that ends, or cannot begin, for no fault of its own.
LOSS_OF_SERVER = (
    "connection to server",
    "server closed the connection",
    "terminating connection",
    "the database system is",
)


def is_loss_of_server(message: str) -> bool:
    """Whether an error of a node says that the warehouse went away, not that the node is wrong."""
    return any(words in message for words in LOSS_OF_SERVER)


class DbtBuild(DbtBuildLocalOperator):
    """One `dbt build` for a whole group of tasks, which follow their nodes in it.

    It succeeds when dbt ran to its end: a node that failed is the failure of that node's task. It
    fails, and is tried again for all of them, when dbt could not run or the warehouse went away.
    """

    def __init__(self, *, manifest: str, **kwargs: Any) -> None:
        super().__init__(should_store_compiled_sql=False, **kwargs)
        self.manifest = manifest
        self._writer: build_log.Writer | None = None

    def execute(self, context: Any, **kwargs: Any) -> None:
        instance = context["ti"]
        build_log.forget_old(build_log.home())
        self._writer = build_log.Writer(
            build_log.place(build_log.home(), instance.dag_id, instance.run_id, instance.task_id),
            tests_by_node(Path(self.manifest)),
        )
        # Here and not in __init__: Airflow runs a copy of the task.
        self._dbt_runner_callbacks = [self._note]
        try:
            super().execute(context, **kwargs)
        except BaseException:
            self._writer.close("failed")
            raise
        self._writer.close("done")

    def handle_exception_dbt_runner(self, result: Any) -> None:
        if result.exception is not None or result.result is None:
            super().handle_exception_dbt_runner(result)
            return
        bad = [each for each in result.result.results if each.status not in build_log.GOOD]
        hooks = [each for each in bad if each.node.resource_type == "operation"]
        if hooks:
            raise AirflowException(f"dbt could not begin or end: {hooks[0].message}")
        for each in bad:
            self.log.error("%s: %s: %s", each.node.unique_id, each.status, each.message)
        lost = [each for each in bad if is_loss_of_server(each.message or "")]
        if lost:
            raise AirflowException(f"the warehouse went away in {lost[0].node.unique_id}")

    def _note(self, event: Any) -> None:
        """dbt's callback, from its threads: notes how each node ended."""
        if event.info.name != "NodeFinished" or self._writer is None:
            return
        node, result = event.data.node_info, event.data.run_result
        self._writer.add(
            node=node.unique_id,
            name=node.node_name,
            status=str(node.node_status),
            seconds=round(result.execution_time, 3),
            message=result.message,
        )


class _InBuild:
    """Follows its node in the group's build; a worker runs the node alone only where it must."""

    start_from_trigger = True

    def follow(self, node: str, build_task_id: str, *, is_tests: bool) -> None:
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls="infra.airflow.triggers.NodeOutcome",
            trigger_kwargs={"node": node, "is_tests": is_tests, "build_task_id": build_task_id},
            next_method="run_alone",
        )

    def run_alone(self, context: Any, event: dict[str, Any] | None = None) -> None:
        self.execute(context)


class DbtModelInBuild(_InBuild, DbtRunLocalOperator):
    """A model of a DbtBuild."""


class DbtSeedInBuild(_InBuild, DbtSeedLocalOperator):
    """A seed of a DbtBuild."""


class DbtSnapshotInBuild(_InBuild, DbtSnapshotLocalOperator):
    """A snapshot of a DbtBuild."""


class DbtTestsInBuild(_InBuild, DbtTestLocalOperator):
    """The data tests of one node of a DbtBuild, or one test of several nodes."""


class CloseLoadBatch(DbtRunLocalOperator):
    """Sees to it that the load batch is closed.

    A build in which everything succeeded has closed it. Where models were tried again one by one,
    nobody could tell that all of them read the same batch: it is loaded again whole, which adds
    only what is missing, and closed by that.
    """

    def execute(self, context: Any, **kwargs: Any) -> None:
        _, is_open = warehouse.pending()
        if is_open:
            super().execute(context, **kwargs)
            _, is_open = warehouse.pending()
        if is_open:
            raise AirflowException("the load batch is still open; the next run loads it again")
        self.log.info("The load batch is closed")


class GenerateDocs(DbtDocsLocalOperator):
    """Makes the docs site anew; what was there is served until it is whole."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(callback=_publish_docs, **kwargs)


def _publish_docs(project_dir: str, **_: Any) -> None:
    site.publish(Settings.from_environment(), Path(project_dir) / "target")


def converter(kind: type, build_task_id: str) -> Callable[..., Any]:
    """For Cosmos's RenderConfig.node_converters: renders a node as `kind`, following the build."""

    def convert(*, node: Any, task_id: str, task_args: dict[str, Any], **context: Any) -> Any:
        # A test of several nodes is a node of its own behind all of them; the rest stand together
        # behind the one they are about.
        is_tests = kind is DbtTestsInBuild and node.resource_type != DbtResourceType.TEST
        task = kind(
            task_id=task_id,
            dag=context["dag"],
            task_group=context["task_group"],
            # a test's name ends in a hash that dbt does not select by
            select=node.resource_name.split(".")[0],
            extra_context={"dbt_node_config": node.context_dict},
            **(task_args | {"emit_datasets": False}),
            **(OWN_TESTS if is_tests else {}),
        )
        task.follow(node.unique_id, build_task_id, is_tests=is_tests)
        return task

    return convert


def tests_by_node(manifest: Path) -> dict[str, list[str]]:
    """Node -> the data tests that read it alone."""
    found: dict[str, list[str]] = {}
    for test in json.loads(manifest.read_text())["nodes"].values():
        if test["resource_type"] == "test" and len(test["depends_on"]["nodes"]) == 1:
            [node] = test["depends_on"]["nodes"]
            found.setdefault(node, []).append(test["unique_id"])
    return found
