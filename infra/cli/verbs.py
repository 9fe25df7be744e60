"""The verbs of ./airline: each has its name, help, arguments and function here, once.

Standard library only, and what a verb does is imported when it is done: help and completion need
no package, and a verb does not wait for what others need.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.parts import names
from infra.settings import SERVERS
from infra.stack.arguments import Parser
from infra.testing.names import SUITES

# The names or flags of an argument, and argparse's options of it.
Argument = tuple[tuple[str, ...], dict[str, Any]]


@dataclass(frozen=True)
class Verb:
    """`do` names a function (`module:function`) of the settings and of what was parsed, or of the
    arguments as they stand where `parser` names a function that makes a parser of the verb's own,
    or where the arguments are those of another program, `of`. One that `takes_more` finds what
    `arguments` do not name in `further`. `note` is more for `--help`.
    """

    help: str
    do: str
    arguments: tuple[Argument, ...] = ()
    parser: str = ""
    of: str = ""
    takes_more: bool = False
    note: str = ""

    @property
    def has_own_parser(self) -> bool:
        return bool(self.parser or self.of)

    def function(self) -> Callable[..., int]:
        return imported(self.do)


def imported(name: str) -> Any:
    """What `module:name` names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of a verb, unless its arguments are another program's."""
    verb = VERBS[name]
    if verb.parser:
        return imported(verb.parser)()
    what = verb.help[0].upper() + verb.help[1:]
    made = Parser(
        prog=f"airline {name}",
        description=f"{what}.{f' {verb.note}' if verb.note else ''}",
        takes_more=verb.takes_more,
    )
    for flags, options in verb.arguments:
        made.add_argument(*flags, **options)
    return made


def _argument(*flags: str, **options: Any) -> Argument:
    return flags, options


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


SHELLS = ("bash", "zsh", "fish")
# What it prints has a schema in infra/cli/schemas.
JSON = _argument("--json", action="store_true", help="for programs")
YES = _argument("--yes", action="store_true", help="do not ask")

VERBS: dict[str, Verb] = {
    "up": Verb(
        "start everything, load data and build the marts; again: only report",
        "infra.cli.up:up",
        (
            _argument("--only", choices=names.NAMES, help="this part, beside the core"),
            _argument(
                "--scale",
                type=_positive,
                default=1.0,
                metavar="N",
                help="size of the history; 1 is about 300,000 rows",
            ),
            _argument("--seed", type=int, metavar="N", help="another history"),
            _argument("--no-data", action="store_true", help="tables without rows, for 'load'"),
            _argument(
                "--wait", action="store_true", help="for the first runs of Airflow's DAGs too"
            ),
        ),
    ),
    "down": Verb("stop everything, keep the data", "infra.cli.down:down"),
    "reset": Verb(
        "stop everything and remove data, slots and topics", "infra.cli.down:reset", (YES,)
    ),
    "status": Verb(
        "one screen on every service; exit 1 if anything is unhealthy",
        "infra.cli.status:status",
        (JSON,),
    ),
    "topics": Verb(
        "Kafka's topics: offsets, how far the warehouse has landed them, sizes",
        "infra.cli.topics:topics",
        (JSON,),
    ),
    "logs": Verb(
        "show the end of the services' logs",
        "infra.cli.look:logs",
        (
            _argument("service", nargs="?", metavar="SERVICE", help="default: all"),
            _argument("-f", "--follow", action="store_true", help="go on as more is written"),
            _argument("-n", "--lines", type=int, default=50, metavar="N", help="default: 50"),
        ),
    ),
    "psql": Verb(
        "a database's prompt, as admin",
        "infra.cli.look:psql",
        (
            _argument("server", choices=SERVERS),
            _argument("arguments", nargs=argparse.REMAINDER, help="psql's own"),
        ),
    ),
    "dbt": Verb(
        "dbt with the stack's environment; arguments are dbt's own",
        "infra.cli.handed_on:dbt",
        of="dbt",
    ),
    "airflow": Verb(
        "Airflow's command line on this stack; see 'airflow --help'",
        "infra.airflow.command:call",
        of="Airflow",
    ),
    "load": Verb(
        "replace the source's rows by CSV files, one a table, and build the marts",
        "infra.cli.load:load",
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
        "load the vault batch after batch until stopped",
        "infra.loading.load_loop:main",
        (
            _argument(
                "--once",
                action="store_true",
                help="end as soon as nothing that landed is left to load",
            ),
        ),
        note="SIGTERM or Ctrl-C end it after the batch in hand. Start it again after a change of"
        " the dbt project.",
    ),
    "retention": Verb(
        "drop raw events that were loaded long ago; see 'retention --help'",
        "infra.cli.retention:main",
        parser="infra.cli.retention:parser",
    ),
    "simulate": Verb(
        "live booking traffic against the primary; see 'simulate --help'",
        "infra.cli.handed_on:simulate",
        parser="infra.source.command:simulate_parser",
    ),
    "audit": Verb(
        "compare source and vault row for row; see 'audit --help'",
        "infra.cli.handed_on:audit",
        parser="infra.audit.options:parser",
    ),
    "dead-letters": Verb(
        "list, show, replay or discard events that the warehouse refused; see"
        " 'dead-letters --help'",
        "infra.repair.dead_letters:main",
        parser="infra.repair.dead_letter_options:parser",
    ),
    "subject": Verb(
        "what is held of one person; see 'subject --help'",
        "infra.subject.command:main",
        parser="infra.subject.options:parser",
    ),
    "superset": Verb(
        "dashboards: files into Superset, or what was changed there into files",
        "infra.cli.publish:superset",
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
        "infra.cli.mend:resync",
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
        "infra.cli.mend:evolve",
        (
            _argument("--json", action="store_true", help="the plan, for programs"),
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
        "infra.lineage.command:run",
        (
            _argument(
                "column",
                metavar="TABLE.COLUMN",
                help="of the source; of a mart: what it comes from",
            ),
            JSON,
        ),
    ),
    "failover": Verb(
        "make the replica the primary, and a new replica; CDC goes on from it",
        "infra.cli.mend:failover",
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
        "infra.cli.handed_on:bench",
        parser="benchmarks.__main__:parser",
    ),
    "env": Verb(
        'print this stack\'s settings as shell exports: eval "$(./airline env)"',
        "infra.cli.look:env",
    ),
    "version": Verb(
        "version, commit, Python and AutomateDV: for a report of a fault",
        "infra.cli.version:version",
        (JSON,),
    ),
    "completion": Verb(
        'what a shell completes: eval "$(./airline completion bash)"',
        "infra.cli.completions:show",
        (_argument("shell", choices=SHELLS),),
        note="For fish: ./airline completion fish | source. From a start-up file, by the path of"
        " the clone.",
    ),
    "docs": Verb(
        "make the docs site anew, with lineage and ER diagrams, and say where it is",
        "infra.cli.publish:docs",
    ),
    "sbom": Verb(
        "what the product is made of (CycloneDX), and known vulnerabilities of it",
        "infra.supply.command:sbom",
        (
            _argument(
                "-o", "--output", type=Path, metavar="FILE", help="write it there; default: print"
            ),
            _argument(
                "--check",
                action="store_true",
                help="ask an OSV server about every part instead; exit 1 where it knows of any"
                " vulnerability",
            ),
            _argument("--osv", metavar="URL", help="with --check: another server than OSV's own"),
        ),
    ),
    "test": Verb(
        "lint and test, on ports and a folder of its own; more goes to pytest",
        "infra.testing.suites:test",
        (
            *(
                _argument(f"--{suite}", action="store_true", help=f"only {suite}")
                for suite in ("lint", *SUITES)
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
