"""Where the time of `up` goes: from a fresh clone to everything ready, and once more.

A clone of the commit that is checked out, in a folder and on ports of its own: packages, jars,
services, history, marts. `--before` names a clone of an earlier commit, which is measured first, so
that both are of one run. Caches of packages and jars stay as they are.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import report
from infra.errors import AirlineError
from infra.settings import ROOT
from infra.testing import suites

# A line of the table that `up` prints at its end: a step, when it began, how long it took.
STEP = re.compile(r"^(\S.*?)\s+(\d+\.\d)s\s+(\d+\.\d)s$", re.M)
WHOLE = re.compile(r"^all\s+(\d+\.\d)s$", re.M)
PACKAGES = "packages of ./airline itself"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="airline bench up", description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, metavar="DIR", help="a clone of an earlier commit")
    parser.add_argument("--only", metavar="PART", help="as `up` takes it")
    options = parser.parse_args(arguments)
    only = ("--only", options.only) if options.only else ()
    results: dict[str, Any] = {"machine": report.machine()}
    for name, clone in (("before", options.before), ("now", ROOT)):
        if clone:
            results[name] = _measure(clone, only)
    now, before = results["now"], results.get("before", {})
    steps = [*now["steps"], *(step for step in before.get("steps", {}) if step not in now["steps"])]
    rows = [
        ("all, from a fresh clone", *_compared(before.get("all"), now["all"])),
        *(
            (step, *_compared(*(each.get("steps", {}).get(step) for each in (before, now))))
            for step in steps
        ),
        ("again", *_compared(before.get("again"), now["again"])),
    ]
    report.table(("", "before, s", "now, s", "ratio"), rows)
    report.keep("up", results)
    return 0


def _compared(before: float | None, now: float | None) -> tuple[str, str, str]:
    ratio = f"{now / before:.2f}" if before and now is not None else ""
    return *("" if each is None else f"{each:.1f}" for each in (before, now)), ratio


def _measure(source: Path, only: tuple[str, ...]) -> dict[str, Any]:
    """Seconds of the first `up`, of its steps, and of the second."""
    folder = Path(tempfile.mkdtemp(prefix="airline-bench-"))
    clone = folder / "clone"
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRLINE_", "DBT_", "PYTHON"))
    } | {"AIRLINE_PORT_OFFSET": str(suites.free_offset(suites.OFFSETS))}
    try:
        _run(["git", "clone", "--quiet", str(source.resolve()), str(clone)], folder, environment)
        try:
            first, said = _run(["./airline", "up", *only], clone, environment)
            again, _ = _run(["./airline", "up", *only], clone, environment)
        finally:
            subprocess.run(
                ["./airline", "down"], cwd=clone, env=environment, capture_output=True, text=True
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    steps = {name: float(took) for name, _, took in STEP.findall(said)}
    [whole] = WHOLE.findall(said)
    report.say(f"  {source}: up {first:.0f} s, again {again:.1f} s")
    # Before `up` begins to count.
    return {"all": first, "again": again, "steps": {PACKAGES: first - float(whole), **steps}}


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, str]:
    """How long a command took, and what it printed. Raises AirlineError where it failed."""
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise AirlineError(
            f"{' '.join(command)} failed in {folder}", "see what it said", done.stdout + done.stderr
        )
    return time.perf_counter() - begun, done.stdout
