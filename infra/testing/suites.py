"""`test`: lint and every test, on a stack of its own beside one that may be running."""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from infra.dbt import packages
from infra.errors import AirlineError
from infra.parts import stopping
from infra.settings import PORTS, ROOT, Settings
from infra.stack import home
from infra.stack.progress import complain
from infra.testing import lint
from infra.testing.names import SUITES

# What runs where none is named and it may not take hours: end to end is the core alone, and of the
# faults the short form.
USUAL = ("unit", "integration", "e2e/core", "e2e/faults/test_faults.py")
# Each test file of these has parts of its own, so files run side by side; the others share a stack.
APART = ("unit", "integration")
# How many files at once: they wait for servers more than they compute.
WORKERS = 2 * (os.cpu_count() or 1)
# pytest's exit code where nothing was chosen.
NO_TESTS = 5
# Below the ports that systems hand out to outgoing connections: nothing takes one of ours between.
OFFSETS = range(10_000, 23_000, 50)
# Variables of the caller's that the tests know.
FOR_TESTS = ("AIRLINE_TEST_SEED", "AIRLINE_TEST_FAULTS")
# In a clone of root's `.airline` belongs to the account that stacks run as. Lint alone is root's.
_FOLDER = ".airline/test" if os.geteuid() else ".airline-lint"
# In the tests' folder: where the stack that `--keep` left running listens.
KEPT = "kept-offset"


def test(settings: Settings, options: argparse.Namespace) -> int:
    """Runs what `options` name; lint and the usual suites without what is slow if none, all suites
    with `--long`.

    What the command line has beside them (`further`) goes to pytest. Returns an exit code.
    """
    arguments: list[str] = options.further
    # Whatever ends the tests, what they started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = [folder for suite, folder in SUITES.items() if getattr(options, suite)]
    everything = not chosen and not options.lint
    environment = isolated(os.environ, settings)
    kept = _kept(environment) if options.keep else None
    environment["AIRLINE_PORT_OFFSET"] = str(free_offset(OFFSETS) if kept is None else kept)
    mine = Settings.from_environment(environment)
    if kept is None:
        _make_room(mine)
    environment |= mine.environment()
    if options.long:
        environment["AIRLINE_TEST_LONG"] = "1"
    packages.put_in_place(complain)
    if options.lint or everything:
        target = Path(environment["DBT_TARGET_PATH"])
        if not lint.lint(target, environment, fix=options.fix, accept=options.accept_breaking):
            return 1
    usual = SUITES.values() if options.long else USUAL
    if everything and not options.long:
        arguments = ["-m", "not slow", *arguments]
    suites = chosen or (list(usual) if everything else [])
    if not suites:
        return 0
    try:
        return _run(suites, arguments, environment)
    finally:
        if options.keep:
            (mine.home / KEPT).write_text(str(mine.port_offset))
            complain(f"the tests' stack goes on in {mine.home}; './airline test' ends it")
        else:
            stopping.stop(mine, complain)


def _run(suites: list[str], arguments: list[str], environment: Mapping[str, str]) -> int:
    """Runs these folders, those whose tests are apart first. Returns the exit code of a failure."""
    apart = [suite for suite in suites if suite in APART]
    together = [suite for suite in suites if suite not in APART]
    codes = []
    for chosen, options in ((apart, ("-n", str(WORKERS), "--dist", "loadfile")), (together, ())):
        if chosen:
            folders = [f"tests/{suite}" for suite in chosen]
            command = [sys.executable, "-m", "pytest", *folders, *options, *arguments]
            codes.append(subprocess.run(command, cwd=ROOT, env=environment).returncode)
    failed = [code for code in codes if code not in (0, NO_TESTS)]
    return failed[0] if failed else min(codes)


def isolated(environ: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """The environment of a stack apart: no setting of the caller's but the cache."""
    environment = {
        name: value
        for name, value in environ.items()
        if not name.startswith(("AIRLINE_", "DBT_", "PG"))
    }
    return environment | {
        "AIRLINE_HOME": environ.get("AIRLINE_TEST_HOME") or str(ROOT / _FOLDER),
        "AIRLINE_CACHE": str(settings.cache),
        # The end-to-end tests kill servers and empty tables: never those of a person.
        "AIRLINE_TESTING": "1",
        # A fault of one ingester must leave another one to go on.
        "AIRLINE_INGESTERS": "2",
        **{name: environ[name] for name in FOR_TESTS if name in environ},
        # Tests start the loads they are about.
        "AIRLINE_LOAD_MINUTES": "1440",
    }


def _kept(environment: Mapping[str, str]) -> int | None:
    """The port offset of the stack that an earlier `--keep` left running."""
    file = Path(environment["AIRLINE_HOME"]) / KEPT
    return int(file.read_text()) if file.exists() else None


def free_offset(offsets: Iterable[int]) -> int:
    """An offset at which nobody listens on any of the stack's ports. Raises AirlineError."""
    for offset in random.sample(list(offsets), k=len(list(offsets))):
        if all(_is_free(default + offset) for _, _, default in PORTS.values()):
            return offset
    raise AirlineError(
        "no free ports were found for the tests", "end what listens on ports 15000 to 32000"
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _make_room(mine: Settings) -> None:
    """From nothing: what an earlier run left, running or not, goes."""
    home.make(mine)
    stopping.stop(mine, complain)
    home.remove(mine)
    (mine.home / KEPT).unlink(missing_ok=True)
    home.make(mine)
