"""`up` and the first runs of Airflow's DAGs: begun once, waited for only if asked."""

from __future__ import annotations

from typing import Any

import pytest

from infra.airflow import config, first_runs, services
from infra.errors import AirlineError
from infra.settings import Settings
from infra.stack.progress import Progress
from infra.stack.service import Up

STARTED_BY_ANOTHER = "vault_load_models"


class Airflow:
    """What Airflow's API says: its DAGs, and how their runs went."""

    def __init__(self, settings: Settings) -> None:
        self.paused = dict.fromkeys(config.dag_ids(settings), True)
        self.order: list[str] = []
        self.states: dict[str, list[str]] = {}

    def dags(self) -> dict[str, bool]:
        return self.paused

    def scheduled(self) -> set[str]:
        return {*self.paused} - {STARTED_BY_ANOTHER}

    def pause(self, dag_id: str, paused: bool) -> None:
        self.order.append(dag_id)
        self.paused[dag_id] = paused

    def runs(self, dag_id: str, *, over: bool = False, limit: int = 20) -> list[dict[str, Any]]:
        states = self.states.get(dag_id, [])
        return [{"state": each} for each in states if not over or each in ("success", "failed")]


@pytest.fixture
def settings(tmp_path) -> Settings:
    (tmp_path / "data").mkdir()
    return Settings.from_environment({"AIRLINE_HOME": str(tmp_path)})


@pytest.fixture
def airflow(settings, monkeypatch) -> Airflow:
    made = Airflow(settings)
    monkeypatch.setattr(first_runs, "Api", lambda _: made)
    monkeypatch.setattr(first_runs.time, "sleep", lambda _: None)
    return made


def test_first_runs_do_not_hold_up_and_are_named(settings, airflow):
    """`up` waits for minutes, or ends and says nothing of what still runs."""
    server = services.ApiServer(settings)
    server.fill(Progress(quiet=True))
    assert not any(airflow.paused.values())
    [line] = server.goes_on()
    assert "frequent_flyer_mart" in line and settings.airflow_url in line and "--wait" in line
    assert STARTED_BY_ANOTHER not in line, "nothing starts it by itself"


def test_what_another_dag_starts_runs_before_that_does(settings, airflow):
    """The first load finds its models paused."""
    first_runs.begin(settings, Progress(quiet=True))
    assert airflow.order[0] == STARTED_BY_ANOTHER


def test_a_dag_that_was_paused_later_stays_paused(settings, airflow):
    """A second `up` undoes what a person did, or tells of runs that it did not begin."""
    first_runs.begin(settings, Progress(quiet=True))
    airflow.pause("audit", True)
    server = services.ApiServer(settings)
    server.fill(Progress(quiet=True))
    assert airflow.paused["audit"] and server.goes_on() == []


@pytest.mark.parametrize("wait", [True, False])
def test_who_asks_waits(settings, airflow, wait):
    """`up --wait` ends before the first runs do, or `up` waits for them."""
    server = services.ApiServer(settings)
    steps = services.ApiServer.steps(Up(settings, Progress(quiet=True), [server], wait=wait))
    assert [step.name for step in steps] == ["first runs"] * wait
    if not wait:
        return
    server.fill(Progress(quiet=True))
    airflow.states = {dag_id: ["success"] for dag_id in airflow.paused} | {"audit": ["failed"]}
    with pytest.raises(AirlineError, match="the first run of audit failed"):
        steps[0].do()
    airflow.states["audit"] = ["success"]
    steps[0].do()
    assert server.goes_on() == [], "they are over"


def test_what_failed_long_ago_is_no_first_run(settings, airflow):
    """`up --wait` of an old stack fails for a run of last week."""
    first_runs.begin(settings, Progress(quiet=True))
    airflow.states = {dag_id: ["success", "failed"] for dag_id in airflow.paused}
    first_runs.wait(settings, (), Progress(quiet=True))
