"""The verbs of ./airline: each has its name, help, arguments and function here, once."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.airflow import command as airflow
from infra.cli import down, handed_on, load, look, publish, retention, status, up
from infra.evolve import command as evolve
from infra.lineage import command as lineage
from infra.parts.registry import PARTS
from infra.repair import dead_letters, failover, resync
from infra.settings import SERVERS
from infra.testing import suites

# The names or flags of an argument, and argparse's options of it.
Argument = tuple[tuple[str, ...], dict[str, Any]]


@dataclass(frozen=True)
class Verb:
    """`do` gets the settings and what was parsed, or the arguments as they stand where the verb
    `has_own_parser` (another program's, most of them). One that `takes_more` finds what `arguments`
    do not name in `further`.
    """

    help: str
    do: Callable[..., int]
    arguments: tuple[Argument, ...] = ()
    has_own_parser: bool = False
    takes_more: bool = False


def _argument(*flags: str, **options: Any) -> Argument:
    return flags, options


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


YES = _argument("--yes", action="store_true", help="do not ask")

VERBS: dict[str, Verb] = {
    "up": Verb(
        "start everything, load data and build the marts; again: only report",
        up.up,
        (
            _argument("--only", choices=list(PARTS), help="this part, beside the core"),
            _argument(
                "--scale",
                type=_positive,
                default=1.0,
                metavar="N",
                help="size of the history; 1 is about 300,000 rows",
            ),
            _argument("--seed", type=int, metavar="N", help="another history"),
            _argument("--no-data", action="store_true", help="tables without rows, for 'load'"),
        ),
    ),
    "down": Verb("stop everything, keep the data", down.down),
    "reset": Verb("stop everything and remove data, slots and topics", down.reset, (YES,)),
    "status": Verb(
        "one screen on every service; exit 1 if anything is unhealthy",
        status.status,
        (_argument("--json", action="store_true", help="for programs"),),
    ),
    "logs": Verb(
        "show the end of the services' logs",
        look.logs,
        (
            _argument("service", nargs="?", metavar="SERVICE", help="default: all"),
            _argument("-f", "--follow", action="store_true", help="go on as more is written"),
            _argument("-n", "--lines", type=int, default=50, metavar="N", help="default: 50"),
        ),
    ),
    "psql": Verb(
        "a database's prompt, as admin",
        look.psql,
        (
            _argument("server", choices=SERVERS),
            _argument("arguments", nargs=argparse.REMAINDER, help="psql's own"),
        ),
    ),
    "dbt": Verb(
        "dbt with the stack's environment; arguments are dbt's own",
        handed_on.dbt,
        has_own_parser=True,
    ),
    "airflow": Verb(
        "Airflow's command line on this stack; see 'airflow --help'",
        airflow.call,
        has_own_parser=True,
    ),
    "load": Verb(
        "replace the source's rows by CSV files, one a table, and build the marts",
        load.load,
        (
            _argument(
                "folder",
                type=Path,
                metavar="DIR",
                help="folder with <table>.csv for each table of the source, or a tar archive of it",
            ),
        ),
    ),
    "load-loop": Verb(
        "load batch after batch until stopped; see 'load-loop --help'",
        handed_on.load_loop,
        has_own_parser=True,
    ),
    "retention": Verb(
        "drop raw events that were loaded long ago; see 'retention --help'",
        retention.main,
        has_own_parser=True,
    ),
    "simulate": Verb(
        "live booking traffic against the primary; see 'simulate --help'",
        handed_on.simulate,
        has_own_parser=True,
    ),
    "audit": Verb(
        "compare source and vault row for row; see 'audit --help'",
        handed_on.audit,
        has_own_parser=True,
    ),
    "dead-letters": Verb(
        "list, show, replay or discard events that the warehouse refused; see"
        " 'dead-letters --help'",
        dead_letters.main,
        has_own_parser=True,
    ),
    "superset": Verb(
        "dashboards: files into Superset, or what was changed there into files",
        publish.superset,
        (
            _argument(
                "action",
                choices=["import", "export"],
                help="import: show what is in infra/superset/assets; export: write it from what is"
                " shown",
            ),
            _argument(
                "--to",
                type=Path,
                metavar="DIR",
                help="export into this folder instead of the project's",
            ),
        ),
    ),
    "resync": Verb(
        "read the source anew where changes were missed, deletes included",
        lambda settings, given: resync.resync(settings, given.table, yes=given.yes),
        (
            _argument(
                "table",
                nargs="?",
                metavar="TABLE",
                help="only this table; default: all, from a new slot",
            ),
            YES,
        ),
    ),
    "evolve": Verb(
        "how the source's tables differ from the models, and the model files that follow them",
        lambda settings, given: evolve.evolve(settings, apply=given.apply),
        (
            _argument(
                "--apply",
                "--yes",
                action="store_true",
                help="write models, contracts and descriptions, and fill new columns from the raw"
                " events; without it the plan is only printed. A second time there is nothing to"
                " do",
            ),
        ),
    ),
    "impact": Verb(
        "marts, charts and dashboards that would change with a column of the source",
        lineage.run,
        (
            _argument(
                "column",
                metavar="TABLE.COLUMN",
                help="of the source; of a mart: what it comes from",
            ),
            _argument("--json", action="store_true", help="for programs"),
        ),
    ),
    "failover": Verb(
        "make the replica the primary, and a new replica; CDC goes on from it",
        lambda settings, given: failover.failover(settings, yes=given.yes, discard=given.discard),
        (
            YES,
            _argument(
                "--discard",
                action="store_true",
                help="remove the former primary's data instead of keeping",
            ),
        ),
    ),
    "bench": Verb(
        "measure landing, loads, latency, dashboards; see 'bench --help'",
        handed_on.bench,
        has_own_parser=True,
    ),
    "env": Verb('print this stack\'s settings as shell exports: eval "$(./airline env)"', look.env),
    "docs": Verb(
        "make the docs site anew, with lineage and ER diagrams, and say where it is", publish.docs
    ),
    "test": Verb(
        "lint and test, on ports and a folder of its own; more goes to pytest",
        suites.test,
        (
            *(
                _argument(f"--{suite}", action="store_true", help=f"only {suite}")
                for suite in ("lint", *suites.SUITES)
            ),
            _argument(
                "--long",
                action="store_true",
                help="every suite ('whole': Airflow and Superset in the stack, 'reliability': the"
                " faults) and what takes hours: 200 faults, twenty loads under streaming bookings,"
                " a month's backfill",
            ),
            _argument(
                "--keep",
                action="store_true",
                help="leave the tests' stack running, and go on with the one left before",
            ),
            _argument(
                "--fix", action="store_true", help="with --lint: mend first what a program can mend"
            ),
            _argument(
                "--accept-breaking",
                action="store_true",
                help="with --lint: take published models as they are now for what is promised",
            ),
        ),
        takes_more=True,
    ),
}
