"""`python -m infra.cli VERB`: what ./airline hands over to."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

from infra import warehouse
from infra.airflow import command as airflow_command
from infra.audit import audit
from infra.cli import bench, status, up
from infra.dbt import packages, runner
from infra.errors import MAKE_ROOM, AirlineError
from infra.evolve import command
from infra.loading import catch_up
from infra.parts import running
from infra.parts.registry import PARTS, registry
from infra.repair import dead_letters, failover, resync
from infra.settings import SERVERS, Settings
from infra.stack import caller, home, runtime
from infra.stack.progress import Progress, complain
from infra.stack.supervision import Supervisor
from infra.testing import suites

# Verbs whose arguments are another program's.
PASSED_THROUGH = (
    "dbt",
    "airflow",
    "simulate",
    "audit",
    "dead-letters",
    "load-loop",
    "retention",
    "bench",
)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="airline",
        description="Airline bookings from PostgreSQL through Debezium and Kafka into a Data Vault"
        " and marts.",
        epilog="Settings are environment variables: see './airline env'. "
        "AIRLINE_HOME and AIRLINE_PORT_OFFSET move a stack, so that several run side by side.",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, what: str) -> argparse.ArgumentParser:
        return verbs.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")

    each = verb("up", "start everything, load data and build the marts; again: only report")
    each.add_argument("--only", choices=list(PARTS), help="this part, beside the core")
    each.add_argument(
        "--scale",
        type=_positive,
        default=1.0,
        metavar="N",
        help="size of the history; 1 is about 300,000 rows",
    )
    each.add_argument("--seed", type=int, metavar="N", help="another history")
    each.add_argument("--no-data", action="store_true", help="tables without rows, for 'load'")

    verb("down", "stop everything, keep the data")
    each = verb("reset", "stop everything and remove data, slots and topics")
    each.add_argument("--yes", action="store_true", help="do not ask")
    each = verb("status", "one screen on every service; exit 1 if anything is unhealthy")
    each.add_argument("--json", action="store_true", help="for programs")
    each = verb("logs", "show the end of the services' logs")
    each.add_argument("service", nargs="?", metavar="SERVICE", help="default: all")
    each.add_argument("-f", "--follow", action="store_true", help="go on as more is written")
    each.add_argument("-n", "--lines", type=int, default=50, metavar="N", help="default: 50")
    each = verb("psql", "a database's prompt, as admin")
    each.add_argument("server", choices=SERVERS)
    each.add_argument("arguments", nargs=argparse.REMAINDER, help="psql's own")
    verb("dbt", "dbt with the stack's environment; arguments are dbt's own")
    verb("airflow", "Airflow's command line on this stack; see 'airflow --help'")
    each = verb("load", "replace the source's rows by eight CSV files, and build the marts")
    each.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="folder with <table>.csv for each of the eight tables, or a tar archive of it",
    )
    verb("load-loop", "load batch after batch until stopped; see 'load-loop --help'")
    verb("retention", "drop raw events that were loaded long ago; see 'retention --help'")
    verb("simulate", "live booking traffic against the primary; see 'simulate --help'")
    verb("audit", "compare source and vault row for row; see 'audit --help'")
    verb(
        "dead-letters",
        "list, show, replay or discard events that the warehouse refused; see"
        " 'dead-letters --help'",
    )
    each = verb("superset", "dashboards: files into Superset, or what was changed there into files")
    each.add_argument(
        "action",
        choices=["import", "export"],
        help="import: show what is in infra/superset/assets; export: write it from what is shown",
    )
    each.add_argument(
        "--to", type=Path, metavar="DIR", help="export into this folder instead of the project's"
    )
    each = verb("resync", "read the source anew where changes were missed, deletes included")
    each.add_argument(
        "table", nargs="?", metavar="TABLE", help="only this table; default: all, from a new slot"
    )
    each.add_argument("--yes", action="store_true", help="do not ask")
    each = verb(
        "evolve",
        "how the source's tables differ from the models, and the model files that follow them",
    )
    each.add_argument(
        "--apply",
        "--yes",
        action="store_true",
        help="write models, contracts and descriptions, and fill new columns from the raw events;"
        " without it the plan is only printed. A second time there is nothing to do",
    )
    each = verb("failover", "make the replica the primary, and a new replica; CDC goes on from it")
    each.add_argument("--yes", action="store_true", help="do not ask")
    each.add_argument(
        "--discard", action="store_true", help="remove the former primary's data instead of keeping"
    )
    verb("bench", "measure landing, loads, latency, dashboards; see 'bench --help'")
    verb("env", 'print this stack\'s settings as shell exports: eval "$(./airline env)"')
    verb("docs", "make the docs site anew, with lineage and ER diagrams, and say where it is")
    each = verb("test", "lint and test, on ports and a folder of its own; more goes to pytest")
    for suite in ("lint", *suites.SUITES):
        each.add_argument(f"--{suite}", action="store_true", help=f"only {suite}")
    each.add_argument(
        "--long",
        action="store_true",
        help="every suite ('whole': Airflow and Superset in the stack, 'reliability': the faults)"
        " and what takes hours: 200 faults, twenty loads under streaming bookings, a month's"
        " backfill",
    )
    each.add_argument(
        "--keep",
        action="store_true",
        help="leave the tests' stack running, and go on with the one left before",
    )
    each.add_argument(
        "--fix", action="store_true", help="with --lint: mend first what a program can mend"
    )
    each.add_argument(
        "--accept-breaking",
        action="store_true",
        help="with --lint: take published models as they are now for what is promised",
    )
    return top


def main(argv: list[str]) -> int:
    """Runs one verb; returns the exit code. Raises AirlineError for what we expect to go wrong."""
    if argv and argv[0] in PASSED_THROUGH:
        return _pass_through(Settings.from_environment(), argv[0], argv[1:])
    options, further = parser().parse_known_args(argv)
    if further and options.verb != "test":
        parser().error(f"unrecognized arguments: {' '.join(further)}")
    settings = Settings.from_environment()
    match options.verb:
        case "up":
            return up.up(settings, options)
        case "down":
            return up.down(settings)
        case "reset":
            return up.reset(settings, yes=options.yes)
        case "status":
            return status.status(settings, as_json=options.json)
        case "logs":
            return _logs(settings, options)
        case "psql":
            return _psql(settings, options.server, options.arguments)
        case "load":
            return up.load(settings, options.folder)
        case "superset":
            return _superset(settings, options)
        case "resync":
            return resync.resync(settings, options.table, yes=options.yes)
        case "evolve":
            return command.evolve(settings, apply=options.apply)
        case "failover":
            return failover.failover(settings, yes=options.yes, discard=options.discard)
        case "env":
            for name, value in settings.environment().items():
                print(f"export {name}={shlex.quote(value)}")
            return 0
        case "docs":
            return _docs(settings)
        case "test":
            return suites.test(settings, options, further)
    raise ValueError(f"no such verb: {options.verb}")


def _pass_through(settings: Settings, verb: str, arguments: list[str]) -> int:
    if verb == "dbt":
        # `dbt deps` is how a person mends packages: it must not ask for mended ones.
        if "deps" not in arguments:
            packages.put_in_place(complain)
        return runner.call(settings, arguments)
    if verb == "airflow":
        return airflow_command.call(settings, arguments)
    if verb == "simulate":
        from infra import source

        return source.main(["simulate", *arguments], prog="./airline")
    if verb == "bench":
        return bench.main(arguments)
    if verb == "dead-letters":
        return dead_letters.main(settings, arguments)
    if verb == "load-loop":
        from infra.loading import load_loop

        return load_loop.main(settings, arguments)
    if verb == "retention":
        from infra.cli import retention

        return retention.main(settings, arguments)
    return audit.main(
        arguments,
        settings.dsn("primary"),
        settings.dsn("dwh"),
        lambda quietly: _bring_through(settings, quietly),
        warehouse.dbt_dsn(settings),
    )


def _bring_through(settings: Settings, quietly: bool) -> None:
    running.refuse_down(settings)
    packages.put_in_place(complain)
    catch_up.bring_through(settings, Progress(quiet=quietly), complain)


def _docs(settings: Settings) -> int:
    from infra.dbt import site
    from infra.dbt.service import Docs

    progress = Progress()
    site.build(settings, progress.say)
    docs = Docs(settings)
    if docs.answers():
        print(docs.address())
    else:
        print(f"{site.folder(settings)}; './airline up' serves it at {docs.address()}")
    return 0


def _superset(settings: Settings, options: argparse.Namespace) -> int:
    from infra.superset import assets, dashboards

    with home.alone(settings, complain):
        if options.action == "import":
            dashboards.import_now(settings, print)
        else:
            dashboards.export(settings, (options.to or assets.FOLDER).absolute(), print)
    return 0


def _psql(settings: Settings, server: str, arguments: list[str]) -> int:
    environment = os.environ | {
        "PGHOST": settings.host,
        "PGPORT": str(settings.port(server)),
        "PGUSER": settings.admin_user,
        "PGPASSWORD": settings.admin_password,
        "PGDATABASE": settings.database(server),
    }
    psql = runtime.postgres_bin(settings) / "psql"
    return subprocess.run([psql, *arguments], env=environment).returncode


def _logs(settings: Settings, options: argparse.Namespace) -> int:
    supervisor = Supervisor(settings)
    names = [service.name for service in registry(settings)]
    if options.service and options.service not in (*names, "supervisord", "dbt-build"):
        raise AirlineError(
            f"there is no service {options.service!r}",
            f"name one of {', '.join([*names, 'supervisord', 'dbt-build'])}",
        )
    wanted = [options.service] if options.service else names
    files = [str(supervisor.log(name)) for name in wanted if supervisor.log(name).exists()]
    if not files:
        raise AirlineError(
            f"no logs in {supervisor.logs} yet", "start the services with './airline up'"
        )
    follow = ["-F"] if options.follow else []
    return subprocess.run(["tail", "-n", str(options.lines), *follow, *files]).returncode


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def run() -> int:
    """`main` with errors as people want to see them."""
    import psycopg2
    import psycopg2.errors

    caller.clean(os.environ)
    try:
        return main(sys.argv[1:])
    except AirlineError as error:
        complain(str(error))
        if error.detail:
            print("\n".join(f"    {line}" for line in error.detail.splitlines()), file=sys.stderr)
    except psycopg2.errors.DiskFull as error:
        complain(f"a database cannot write ({str(error).splitlines()[0]}); {MAKE_ROOM}")
    except psycopg2.OperationalError as error:
        complain(
            f"a database does not answer ({str(error).strip()}); "
            "see './airline status', start what does not run with './airline up'"
        )
    except BrokenPipeError:
        # Whoever read the output has enough of it (`| head`). Nothing may be flushed at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.errno != 28:  # ENOSPC
            raise
        complain(f"cannot write {error.filename or 'the state folder'}; {MAKE_ROOM}")
    except KeyboardInterrupt:
        complain("interrupted; services that were started go on, './airline down' stops them")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(run())
