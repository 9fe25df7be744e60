"""The plan that `up` runs: what waits for what, and what becomes of the rest when a step fails."""

from __future__ import annotations

import threading
from graphlib import TopologicalSorter

import pytest

from infra.cli import up
from infra.parts.registry import PARTS, instances
from infra.settings import Settings
from infra.stack import plan
from infra.stack.plan import Step
from infra.stack.progress import Progress
from infra.stack.service import Up


def before(steps: list[Step], name: str) -> set[str]:
    """The names of all steps that are done before one begins."""
    needs = {step.name: step.needs for step in steps}
    found: set[str] = set()
    left = list(needs[name])
    while left:
        if (each := left.pop()) not in found:
            found.add(each)
            left += needs[each]
    return found


@pytest.fixture(params=[None, *PARTS])
def steps(request, tmp_path) -> list[Step]:
    """The steps of a whole stack, and of one with the core and one part."""
    settings = Settings.from_environment({"AIRLINE_HOME": str(tmp_path), "AIRLINE_INGESTERS": "2"})
    chosen = PARTS if request.param is None else dict.fromkeys(("core", request.param))
    services = [service for part in chosen for service in instances(part, settings)]
    return up._steps(Up(settings, Progress(quiet=True), services), None)


def test_every_step_can_begin(steps):
    """`up` ends with an error of its own, or never, where a part is left out."""
    names = {step.name for step in steps}
    assert len(names) == len(steps), "two steps have one name, so one of them is never done"
    assert {need for step in steps for need in step.needs} <= names
    TopologicalSorter({step.name: step.needs for step in steps}).prepare()


def test_what_must_come_first_does(steps):
    """Services write into a warehouse that may be of another version; Connect hides a lost slot;
    the connector reads a history while it is written; marts are built of half of it.
    """
    for step in steps:
        if step.name in ("primary", "kafka", "connect", "ingest", "ingest-2", "metrics"):
            assert "dwh" in before(steps, step.name), step.name
    assert "slot" in before(steps, "connect")
    assert {"connect", "history"} <= before(steps, "connector")
    assert {"connector", "replica", "ingest", "ingest-2", "AutomateDV"} <= before(steps, "marts")
    # The project is parsed once, while events land, and never by two at once.
    assert "project" in before(steps, "marts") and "landing" not in before(steps, "project")
    for step in steps:
        if step.name == "airflow-dag-processor":
            assert "project" in before(steps, step.name)


def test_a_failure_ends_the_plan_and_waits_for_what_is_under_way():
    """`up` would go on without what a step needs, or leave a server half made."""
    done: list[str] = []
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise OSError("no room")

    def slow() -> None:
        failed.wait(60)
        done.append("slow")

    steps = [
        Step("slow", slow),
        Step("broken", fail),
        Step("needs broken", lambda: done.append("needs broken"), ("broken",)),
        Step("needs slow", lambda: done.append("needs slow"), ("slow",)),
    ]
    with pytest.raises(OSError, match="no room"):
        plan.run(steps, Progress(quiet=True))
    # What is ready by the time of the failure may have begun; what needs the broken step never.
    assert "slow" in done and "needs broken" not in done


@pytest.mark.parametrize(
    "needs", [{"one": ("two",), "two": ("one",)}, {"one": ("not there",), "two": ()}]
)
def test_steps_that_can_never_begin_are_refused(needs):
    """`up` would hang, or end well without having done them."""
    done: list[str] = []
    steps = [Step(name, lambda: done.append("done"), each) for name, each in needs.items()]
    with pytest.raises(ValueError):
        plan.run(steps, Progress(quiet=True))
    assert done == []
