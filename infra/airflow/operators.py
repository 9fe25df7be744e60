"""The operators of the DAGs: one `dbt build`, a task for each of its nodes, and related tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from airflow.exceptions import AirflowException
from airflow.triggers.base import StartTriggerArgs
from cosmos.dbt.graph import DbtNode
from cosmos.exceptions import CosmosDbtRunError
from cosmos.operators.local import (
    DbtBuildLocalOperator,
    DbtDocsLocalOperator,
    DbtRunLocalOperator,
    DbtSeedLocalOperator,
    DbtSnapshotLocalOperator,
    DbtSourceLocalOperator,
    DbtTestLocalOperator,
)

from infra.airflow import build_log, warehouse
from infra.dbt import site
from infra.settings import Settings
from infra.stack.redaction import redacted_lines

# Unit tests check code, not data: they run when the code changes, not at each load.
WITHOUT_UNIT_TESTS = ["--exclude-resource-type", "unit_test"]

# dbt's own output, in its environment.
SILENT = {"DBT_LOG_LEVEL": "none", "DBT_USE_COLORS": "false"}

# The freshness limits of a dbt source.
LIMITS = ("warn_after", "error_after")
# Messages of libpq and the server when a connection is lost or refused.
LOSS_OF_SERVER = (
    "connection to server",
    "server closed the connection",
    "terminating connection",
    "the database system is",
)


def is_loss_of_server(message: str) -> bool:
    """Whether a node failed because the warehouse went away, and not because of its SQL."""
    return any(words in message for words in LOSS_OF_SERVER)


def selection(nodes: Iterable[DbtNode]) -> str:
    """dbt's --select for exactly these nodes; a bare name would select all versions of a model.

    Sorted, because Airflow makes a new DAG version whenever the serialised DAG changes.
    """
    return " ".join(sorted(f"fqn:{'.'.join(node.fqn or [])}" for node in nodes))


def unique_ids(nodes: Iterable[DbtNode]) -> tuple[str, ...]:
    return tuple(sorted(node.unique_id for node in nodes))


def without_values(result: Any) -> None:
    """Takes values of rows out of the messages of a result of dbt."""
    for each in getattr(result.result, "results", ()):
        if getattr(each, "message", None):
            each.message = redacted_lines(each.message)


class _Discreet:
    """A dbt task whose log has no values of rows: PostgreSQL's errors name them.

    dbt prints nothing by itself; the task logs what it says.
    """

    _dbt_runner_callbacks: list[Callable[..., Any]] | None

    def run_dbt_runner(
        self, command: list[str], env: dict[str, str], cwd: str, **kwargs: Any
    ) -> Any:
        asked = self._dbt_runner_callbacks
        self._dbt_runner_callbacks = [*(asked or ()), self._say]
        try:
            return super().run_dbt_runner(command, env | SILENT, cwd, **kwargs)
        finally:
            self._dbt_runner_callbacks = asked

    def handle_exception_dbt_runner(self, result: Any) -> None:
        without_values(result)
        try:
            super().handle_exception_dbt_runner(result)
        except CosmosDbtRunError as error:
            raise CosmosDbtRunError(redacted_lines(str(error))) from None

    def _say(self, event: Any) -> None:
        """dbt's event callback, called from its threads."""
        say = {"info": self.log.info, "warn": self.log.warning, "error": self.log.error}.get(
            str(event.info.level)
        )
        if say and event.info.msg.strip():
            say("%s", redacted_lines(event.info.msg))


class DbtBuild(_Discreet, DbtBuildLocalOperator):
    """One `dbt build` for a group of tasks, which report the results of their nodes.

    It succeeds when dbt ran to its end: a failed node fails that node's task only. It fails, and is
    retried as a whole, when dbt could not run or the warehouse went away.
    """

    def __init__(self, *, nodes: Sequence[DbtNode], **kwargs: Any) -> None:
        super().__init__(
            should_store_compiled_sql=False,
            select=selection(nodes),
            # Only the tests among the nodes, not all tests that depend on them.
            indirect_selection="empty",
            dbt_cmd_flags=WITHOUT_UNIT_TESTS,
            **kwargs,
        )
        self._writer: build_log.Writer | None = None

    def execute(self, context: Any, **kwargs: Any) -> None:
        instance = context["ti"]
        build_log.forget_old(build_log.home())
        self._writer = build_log.Writer(
            build_log.place(build_log.home(), instance.dag_id, instance.run_id, instance.task_id)
        )
        # Not in __init__, because Airflow runs a copy of the task.
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
        without_values(result)
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
        """dbt's event callback, called from its threads: records how each node ended."""
        if event.info.name != "NodeFinished" or self._writer is None:
            return
        node, result = event.data.node_info, event.data.run_result
        self._writer.add(
            node=node.unique_id,
            name=node.node_name,
            status=str(node.node_status),
            seconds=round(result.execution_time, 3),
            message=redacted_lines(result.message or ""),
        )


class _Looks(_Discreet):
    """A dbt task that succeeds only if dbt has run each of its nodes (unique ids).

    dbt itself succeeds when a selection is empty.
    """

    nodes: tuple[str, ...] = ()

    def handle_exception_dbt_runner(self, result: Any) -> None:
        super().handle_exception_dbt_runner(result)
        seen = {
            each.node.unique_id: each
            for each in result.result.results
            if each.status != build_log.SKIPPED
        }
        for each in seen.values():
            if each.status == "warn":
                self.log.warning("%s warns: %s", each.node.unique_id, each.message)
        missing = [node for node in self.nodes if node not in seen]
        if missing:
            raise AirflowException(
                f"dbt did not run {', '.join(missing)}, so nothing is known of it; see whether the "
                "project still has it, './airline up' renders the DAGs anew"
            )


class _InBuild(_Looks):
    """Reports its nodes' result in the group's build; runs them by itself only if necessary."""

    start_from_trigger = True

    def follow(self, nodes: Sequence[DbtNode], build_task_id: str) -> None:
        """`nodes`: all nodes of this task, at least one."""
        if not nodes:
            raise ValueError(f"{self.task_id} follows no node: it would be green for nothing")
        self.nodes = unique_ids(nodes)
        self.select = selection(nodes)
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls="infra.airflow.triggers.NodeOutcome",
            trigger_kwargs={"nodes": list(self.nodes), "build_task_id": build_task_id},
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


class Validate(_Looks, DbtTestLocalOperator):
    """Says how these data tests went in the build before it; runs them itself only if necessary: a
    model was tried again and they have not seen that, or this is tried again.

    Not from the triggerer, as the tasks in a build: what ends there announces no asset.
    """

    def __init__(self, *, nodes: Sequence[DbtNode], build_task_id: str, **kwargs: Any) -> None:
        super().__init__(select=selection(nodes), **kwargs)
        self.nodes = unique_ids(nodes)
        self.build_task_id = build_task_id

    def execute(self, context: Any, **kwargs: Any) -> None:
        instance = context["ti"]
        file = build_log.place(
            build_log.home(), instance.dag_id, instance.run_id, self.build_task_id
        )
        build = build_log.read(file) if instance.try_number <= 1 else None
        outcome = build.outcome(self.nodes) if build and build.end else None
        if outcome is None or outcome["status"] == build_log.SKIPPED:
            super().execute(context, **kwargs)
        elif outcome["status"] in build_log.GOOD:
            say = self.log.warning if outcome["status"] == "warn" else self.log.info
            say("%s tests: %s", len(self.nodes), outcome["message"])
        else:
            raise AirflowException(outcome["message"])


class SourceFreshness(_Looks, DbtSourceLocalOperator):
    """Checks the freshness of the tables of `source` that have limits.

    `manifest`: the project's manifest, which names these tables.
    """

    def __init__(self, *, source: str, manifest: Path, **kwargs: Any) -> None:
        super().__init__(select=f"source:{source}", **kwargs)
        self.source = source
        self.manifest = str(manifest)

    def execute(self, context: Any, **kwargs: Any) -> None:
        self.nodes = limited_tables(Path(self.manifest), self.source)
        super().execute(context, **kwargs)


class CloseLoadBatch(_Discreet, DbtRunLocalOperator):
    """Ensures that the load batch is closed.

    A build in which everything succeeded has closed it. If models were retried one by one, it is
    not certain that all of them read the same batch: the whole batch is loaded again, which adds
    only missing rows and closes it.
    """

    def execute(self, context: Any, **kwargs: Any) -> None:
        if warehouse.unread().is_open:
            super().execute(context, **kwargs)
            # Asked again only then: what opens meanwhile is another load's batch.
            if warehouse.unread().is_open:
                raise AirflowException("the load batch is still open; the next run loads it again")
        self.log.info("The load batch is closed")


def limited_tables(manifest: Path, source: str) -> tuple[str, ...]:
    """Unique ids of the source's tables that have freshness limits; AirflowException for none."""
    found = tuple(
        table["unique_id"]
        for table in json.loads(manifest.read_text())["sources"].values()
        if table["source_name"] == source
        and any(((table["freshness"] or {}).get(limit) or {}).get("count") for limit in LIMITS)
    )
    if not found:
        raise AirflowException(f"no table of the source {source!r} has freshness limits")
    return found


class GenerateDocs(_Discreet, DbtDocsLocalOperator):
    """Makes the docs site again; the old one is served until the new one is complete."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(callback=_publish_docs, **kwargs)


def _publish_docs(project_dir: str, **_: Any) -> None:
    site.publish(Settings.from_environment(), Path(project_dir) / "target")


def converter(kind: type, parsed: Path) -> Callable[..., Any]:
    """For Cosmos's RenderConfig.node_converters: renders a node as `kind`.

    `parsed` is the folder of the parsed project; Cosmos's own for the group begins empty.

    The nodes are set afterwards, by `follow`: for a test of several nodes Cosmos (1.15.1) passes
    the converter the last node of its loop instead of the test.
    """

    def convert(*, task_id: str, task_args: dict[str, Any], **context: Any) -> Any:
        return kind(
            task_id=task_id,
            dag=context["dag"],
            task_group=context["task_group"],
            **(task_args | {"emit_datasets": False, "cache_dir": parsed}),
        )

    return convert
