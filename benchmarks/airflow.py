"""What each DAG that runs dbt costs beside `dbt build` of the same nodes, on the running stack.

In turn: changes at the source, loaded by dbt on the command line; as many more, loaded by the DAG
`vault_load`; then each mart by dbt, and by its DAG. The least of several rounds counts: what others
took longer is the machine's doing. Of that round is told where the DAG's time went.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks import report
from infra.airflow.api import Api
from infra.errors import AirlineError
from infra.loading import landing
from infra.parts import running
from infra.settings import ROOT, Settings

LOAD, MODELS = "vault_load", "vault_load_models"
# DAG -> the one whose run has its build.
BUILT_BY = {
    LOAD: MODELS,
    "frequent_flyer_mart": "frequent_flyer_mart",
    "airport_passenger_flow_mart": "airport_passenger_flow_mart",
    "marts_refresh": "marts_refresh",
}
# In seconds.
PATIENCE = 1800
# What a DAG may cost: so much more than dbt.
ALLOWED = 10.0


@dataclass(frozen=True)
class Run:
    """A DAG run: how long it took, its build, and what came before and after that; in seconds.
    `select` is what its build asked dbt for.
    """

    seconds: float
    before: float
    build: float
    after: float
    select: str


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="airline bench airflow", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--changes", type=int, default=1000, metavar="N", help="changed rows of a load (1,000)"
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs each way (3)")
    options = parser.parse_args(arguments)
    settings = Settings.from_environment()
    running.refuse_down(settings)
    api = Api(settings)
    results: dict[str, Any] = {"machine": report.machine(), "changes of a load": options.changes}
    rows = []
    with ExitStack() as cleanup:
        for dag_id in BUILT_BY:
            cleanup.callback(api.pause, dag_id, False)
            _pause(api, dag_id)
        for dag_id in BUILT_BY:
            prepare = (lambda: _change(settings, options.changes)) if dag_id == LOAD else _nothing
            alone, through = _measure(api, dag_id, options.rounds, prepare)
            results[dag_id] = _kept(alone, through)
            rows.append(_row(dag_id, alone, through))
        empty = min(_run(api, LOAD, by=None).seconds for _ in range(options.rounds))
        results["vault_load where nothing landed, seconds"] = empty
    report.table(("DAG", "dbt, s", "DAG, s", "ratio", "more, s", "before", "build", "after"), rows)
    print(f"{LOAD} where nothing landed: {empty:.1f} s")
    dear = [row[0] for row in rows if float(row[4]) > ALLOWED]
    print(f"more than {ALLOWED:.0f} s above dbt: {', '.join(dear) or 'none'}")
    report.keep("airflow", results)
    return 0


def _measure(api: Api, dag_id: str, rounds: int, prepare: Callable[[], None]) -> tuple[float, Run]:
    """The least of both ways: seconds of dbt on the command line, and the DAG's run."""
    # Says what the build selects, and warms up what both ways use.
    prepare()
    through = [_run(api, dag_id, BUILT_BY[dag_id])]
    alone = []
    for number in range(1, rounds + 1):
        prepare()
        begun = time.perf_counter()
        _build(through[0].select)
        alone.append(time.perf_counter() - begun)
        prepare()
        through.append(_run(api, dag_id, BUILT_BY[dag_id]))
        report.say(
            f"  {dag_id} round {number}: dbt {alone[-1]:.1f} s, DAG {through[-1].seconds:.1f} s"
        )
    return min(alone), min(through[1:], key=lambda run: run.seconds)


def _kept(alone: float, through: Run) -> dict[str, float]:
    return {
        "dbt build, seconds": alone,
        "DAG, seconds": through.seconds,
        "ratio": through.seconds / alone,
        "before its build, seconds": through.before,
        "its build, seconds": through.build,
        "after its build, seconds": through.after,
    }


def _row(dag_id: str, alone: float, through: Run) -> tuple[str, ...]:
    figures = (alone, through.seconds, through.seconds / alone, through.seconds - alone)
    parts = (through.before, through.build, through.after)
    return (dag_id, *(f"{figure:.1f}" for figure in (*figures, *parts)))


def _change(settings: Settings, changes: int) -> None:
    _airline("simulate", "--rate", "0", "--changes", str(changes))
    landing.wait_until_landed(settings, report.say)


def _nothing() -> None:
    pass


def _build(select: str) -> None:
    """What the DAG's build runs, on the command line."""
    _airline(
        *("dbt", "build", "--exclude-resource-type", "unit_test"),
        *("--indirect-selection", "empty", "--select", *select.split()),
    )


def _run(api: Api, dag_id: str, by: str | None) -> Run:
    """Runs the DAG; `by` is the DAG with the build of its run, None where it has none to make."""
    known = {run["dag_run_id"] for run in api.runs(by, limit=100)} if by else set()
    api.pause(dag_id, False)
    run = _ended(api, dag_id, api.trigger(dag_id))
    _pause(api, dag_id)
    if by is None:
        return Run(_moment(run["end_date"]) - _moment(run["queued_at"]), 0.0, 0.0, 0.0, "")
    built = run
    if by != dag_id:
        [built] = [each for each in api.runs(by, limit=100) if each["dag_run_id"] not in known]
        # The schedule may have begun one of its own; whichever came first found something to load.
        [run] = [each for each in api.runs(dag_id) if _encloses(each, built)]
    begun, ended = _moment(run["queued_at"]), _moment(run["end_date"])
    [build] = [
        task
        for task in api.tasks(by, built["dag_run_id"])
        if task["task_id"].endswith(".dbt_build")
    ]
    started, stopped = _moment(build["start_date"]), _moment(build["end_date"])
    return Run(
        ended - begun,
        started - begun,
        stopped - started,
        ended - stopped,
        build["rendered_fields"]["select"],
    )


def _encloses(run: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether one run began before another one and ended after it."""
    return (
        bool(run["start_date"] and run["end_date"])
        and _moment(run["start_date"]) <= _moment(other["start_date"])
        and _moment(other["end_date"]) <= _moment(run["end_date"])
    )


def _ended(api: Api, dag_id: str, run_id: str) -> dict[str, Any]:
    """The run, once it is over. Raises AirlineError where it failed."""
    deadline = time.monotonic() + PATIENCE
    while True:
        [run] = [each for each in api.runs(dag_id) if each["dag_run_id"] == run_id]
        if run["state"] == "success":
            return run
        if run["state"] == "failed":
            raise AirlineError(f"{dag_id} {run_id} failed", "see its tasks in Airflow")
        if time.monotonic() > deadline:
            raise AirlineError(f"{dag_id} {run_id} is {run['state']}", "see Airflow's page")
        time.sleep(0.5)


def _pause(api: Api, dag_id: str) -> None:
    """Between two runs: a run that is caught by its DAG's pause never ends."""
    deadline = time.monotonic() + PATIENCE
    while any(run["state"] in ("running", "queued") for run in api.runs(dag_id)):
        if time.monotonic() > deadline:
            raise AirlineError(f"a run of {dag_id} does not end", "see Airflow's page")
        time.sleep(0.5)
    api.pause(dag_id, True)


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _airline(*arguments: str) -> None:
    done = subprocess.run(["./airline", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise AirlineError(
            f"./airline {' '.join(arguments)} failed", "see what it said", done.stdout + done.stderr
        )
