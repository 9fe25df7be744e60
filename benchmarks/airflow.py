"""What a load through Airflow costs beside `dbt build` of the same models, on the running stack.

In turn: changes at the source, loaded by dbt on the command line; as many more, loaded by the DAG
`vault_load`. The least of several rounds counts: what others took longer is the machine's doing.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from benchmarks import report
from infra.airflow.api import Api
from infra.errors import AirlineError
from infra.loading import landing
from infra.parts import running
from infra.settings import ROOT, Settings
from infra.warehouse.pending import pending

DAG = "vault_load"
BUILD = ("dbt", "build", "--select", "tag:vault")
# In seconds.
PATIENCE = 900


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="airline bench airflow", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--changes", type=int, default=1000, metavar="N", help="changed rows of a load (1,000)"
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="loads each way (3)")
    options = parser.parse_args(arguments)
    settings = Settings.from_environment()
    running.refuse_down(settings)
    api = Api(settings)

    def change() -> None:
        _airline("simulate", "--rate", "0", "--changes", str(options.changes))
        landing.wait_until_landed(settings, report.say)

    results: dict[str, Any] = {"machine": report.machine(), "changes of a load": options.changes}
    alone: list[float] = []
    through: list[float] = []
    # An earlier benchmark that was killed may have left it paused.
    api.pause(DAG, False)
    _pause(api)
    try:
        _airline(*BUILD)
        for number in range(1, options.rounds + 1):
            change()
            begun = time.perf_counter()
            _airline(*BUILD)
            alone.append(time.perf_counter() - begun)
            change()
            through.append(_load_by_dag(settings, api))
            report.say(f"  round {number}: dbt {alone[-1]:.1f} s, Airflow {through[-1]:.1f} s")
    finally:
        api.pause(DAG, False)
    results |= {"dbt build, seconds": min(alone), "through Airflow, seconds": min(through)}
    results["ratio"] = min(through) / min(alone)
    report.table(
        ("a load of the vault", "seconds", "ratio"),
        [
            ("dbt build on the command line", f"{min(alone):.1f}", "1.0"),
            ("through Airflow", f"{min(through):.1f}", f"{results['ratio']:.1f}"),
        ],
    )
    report.keep("airflow", results)
    return 0


def _load_by_dag(settings: Settings, api: Api) -> float:
    """Seconds from the start to the end of the DAG run that loads what has landed."""
    begun = datetime.now(UTC)
    api.pause(DAG, False)
    api.trigger(DAG)
    _until(lambda: not pending(settings.dsn("dwh")), "all that landed is loaded")
    _pause(api)
    # The schedule may have begun one of its own; whichever came first found something to load.
    seconds = []
    for run in api.runs(DAG):
        if run["start_date"] and datetime.fromisoformat(run["start_date"]) >= begun:
            if run["state"] != "success":
                raise AirlineError(
                    f"{DAG} {run['dag_run_id']} is {run['state']}", "see its tasks in Airflow"
                )
            taken = datetime.fromisoformat(run["end_date"]) - datetime.fromisoformat(
                run["start_date"]
            )
            seconds.append(taken.total_seconds())
    return max(seconds)


def _pause(api: Api) -> None:
    """Between two runs: a run that is caught by its DAG's pause never ends."""
    _until(lambda: all(run["state"] != "running" for run in api.runs(DAG)), "no run is going")
    api.pause(DAG, True)


def _until(there: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not there():
        if time.monotonic() > deadline:
            raise AirlineError(f"after {PATIENCE} s it is not so that {what}", "see Airflow's page")
        time.sleep(0.5)


def _airline(*arguments: str) -> None:
    done = subprocess.run(["./airline", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise AirlineError(
            f"./airline {' '.join(arguments)} failed", "see what it said", done.stdout + done.stderr
        )
