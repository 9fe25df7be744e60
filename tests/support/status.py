"""A row of a table of faults: what `status`, `up` and the metrics say of it, and that it heals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg2

from infra.health import checks, exporter


@contextmanager
def read_only(stack) -> Iterator[None]:
    """Nobody may write into the warehouse."""
    stack.sql("dwh", "alter system set default_transaction_read_only = on")
    stack.sql("dwh", "select pg_reload_conf()")
    try:
        yield
    finally:
        with closing(psycopg2.connect(stack.settings.dsn("dwh"))) as connection:
            connection.set_session(readonly=False, autocommit=True)
            with connection.cursor() as cursor:
                cursor.execute("alter system reset default_transaction_read_only")
                cursor.execute("select pg_reload_conf()")


def by_statements(server: str, fault: str, remedy: str) -> Callable[..., Any]:
    """A fault that one statement on a server makes, and another one heals."""

    @contextmanager
    def made(stack) -> Iterator[None]:
        stack.sql(server, fault)
        try:
            yield
        finally:
            stack.sql(server, remedy)

    return made


replay_paused = by_statements(
    "replica", "select pg_wal_replay_pause()", "select pg_wal_replay_resume()"
)


@dataclass(frozen=True)
class Row:
    """A fault; service or check -> what its problem says (a pattern); metric -> its value;
    service -> what its last error says.
    """

    fault: Callable[[Any], Any]
    ill: dict[str, str]
    metrics: dict[tuple[str, str], float]
    errors: dict[str, str] = field(default_factory=dict)


def service(name: str, metric: str = "healthy") -> tuple[str, str]:
    return (f"airline_service_{metric}", name)


def problems(stack) -> dict[str, str]:
    """Service or check -> its problem, '' where it is well; as `status` asks, in this process."""
    services, findings = checks.examine(stack.settings)
    return {each.name: each.problem for each in (*services, *findings)}


def is_well(stack) -> bool:
    return not any(problems(stack).values())


def measured(stack) -> dict[tuple[str, str], float]:
    """(metric, its service or check) -> value; as the service `metrics` asks."""
    return {
        (sample.name, sample.labels.get("service") or sample.labels.get("check") or ""): (
            sample.value
        )
        for family in exporter.collect(stack.settings, *checks.examine(stack.settings))
        for sample in family.samples
        if "ingester" not in sample.labels
    }


def the_fault_is_said_and_heals(stack, row: Row) -> None:
    """Fails the test where a row of the table is not what `status`, metrics and `up` say."""
    stack.wait(lambda: is_well(stack), "all is well before")
    with row.fault(stack):

        def is_said() -> bool:
            shown = problems(stack)
            return all(re.search(words, shown[ill]) for ill, words in row.ill.items())

        stack.wait(is_said, f"status says {row.ill}")
        numbers: dict[tuple[str, str], float] = {}

        def are_measured() -> bool:
            numbers.update(measured(stack))
            return all(numbers.get(metric) == value for metric, value in row.metrics.items())

        stack.wait(are_measured, f"the metrics say {row.metrics}")
        shown = stack.status()
        assert shown["healthy"] is False
        for ill, words in row.errors.items():
            assert re.search(words, shown["services"][ill]["last_error"] or ""), ill
        unwell = {each.name for each in checks.settle(stack.settings, patience=0)}
        later = {check.name for check in checks.CHECKS if not check.settles}
        assert row.ill.keys() - later <= unwell, "`up` would end well"
    stack.wait(lambda: is_well(stack), "all is well again")
