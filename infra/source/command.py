"""`python -m infra.source`: the booking system from the command line.

Each command imports what it needs: help needs no package.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from infra.errors import AirlineError
from infra.stack.arguments import Parser


def main(argv: Sequence[str] | None = None, prog: str = "python -m infra.source") -> int:
    """Runs one command; returns its exit code: 0, 1 after an AirlineError, 2 for wrong usage."""
    options = _parser(prog)[0].parse_args(argv)
    try:
        options.run(options)
    except AirlineError as error:
        print(f"airline: {error}", file=sys.stderr)
        if error.detail:
            print(error.detail, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("airline: interrupted; what was not finished was not written", file=sys.stderr)
        return 130
    return 0


def simulate_parser() -> argparse.ArgumentParser:
    """The arguments of `./airline simulate`."""
    return _parser("./airline")[1]["simulate"]


def _parser(prog: str) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """(what parses them all, command -> its own)."""
    parser = Parser(
        prog=prog,
        description="The booking system: its tables, a history, CSV files, live traffic.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--dsn", help="libpq connection string (default: the primary of the settings)"
    )
    seeded = argparse.ArgumentParser(add_help=False)
    seeded.add_argument("--seed", type=int, default=1, help="same seed, same data (default 1)")
    seeded.add_argument(
        "--now",
        type=_moment,
        help="take this for the present, ISO 8601, UTC unless it says otherwise (default: it is)",
    )

    command = commands.add_parser(
        "setup", parents=[common], help="create tables, view and publication; safe to repeat"
    )
    command.set_defaults(run=_setup)

    command = commands.add_parser(
        "history",
        parents=[common, seeded],
        help="fill empty tables with 90 days and what is on sale",
    )
    command.add_argument(
        "--scale", type=_positive, default=1.0, help="1 is about 300,000 rows (default 1)"
    )
    command.set_defaults(run=_history)

    command = commands.add_parser(
        "load", parents=[common], help="replace the content of all tables by CSV files, one a table"
    )
    command.add_argument(
        "directory", metavar="DIR", help="folder with <table>.csv for each table, or a tar of it"
    )
    command.set_defaults(run=_load)

    command = commands.add_parser(
        "simulate",
        parents=[common, seeded],
        help="live traffic, until Ctrl-C unless told otherwise",
        description="Live booking traffic against the primary: bookings, check-ins, delays,"
        " cancellations, until Ctrl-C unless told otherwise.",
    )
    command.add_argument(
        "--rate",
        type=_not_negative,
        default=100.0,
        help="changed rows per second, 0: as fast as it goes (default 100)",
    )
    command.add_argument("--duration", type=_positive, help="stop after so many seconds")
    command.add_argument("--changes", type=int, help="stop after so many changed rows")
    command.add_argument(
        "--step",
        type=_positive,
        help="a clock of its own, from --now and so many seconds further after each operation:"
        " the same operations at each run on the same data",
    )
    command.set_defaults(run=_simulate)
    return parser, dict(commands.choices)


def _setup(options: argparse.Namespace) -> None:
    from infra.source.database import setup

    for line in setup(_dsn(options)):
        print(line)


def _history(options: argparse.Namespace) -> None:
    from infra.source.database import setup
    from infra.source.history import load_history

    setup(_dsn(options))
    load_history(
        _dsn(options), scale=options.scale, seed=options.seed, progress=_say, now=options.now
    )


def _load(options: argparse.Namespace) -> None:
    from infra.source.csv_load import load_csv
    from infra.source.database import setup

    setup(_dsn(options))
    load_csv(_dsn(options), options.directory, _say)


def _simulate(options: argparse.Namespace) -> None:
    from infra.source.live import RealClock, SteppingClock, simulate

    if options.now and not options.step:
        raise AirlineError("--now is for a clock of its own", "give --step too, or leave --now out")
    clock = SteppingClock(options.now or datetime.now(UTC), options.step) if options.step else None
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        summary = simulate(
            _dsn(options),
            rate=options.rate,
            duration=options.duration,
            changes=options.changes,
            seed=options.seed,
            clock=clock or RealClock(),
            progress=_say,
            stop=stop,
        )
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    _say(
        f"{'stopped' if stop.is_set() else 'done'} after {summary.seconds:.0f} s: {summary.line()}"
    )


def _dsn(options: argparse.Namespace) -> str:
    if options.dsn:
        return _own(options.dsn)
    from infra.settings import Settings

    return Settings.from_environment().dsn("primary")


def _own(dsn: str) -> str:
    """A server of somebody's own asks as it likes, unless they say how: `./airline` has libpq want
    SCRAM of all servers, by the environment.
    """
    import psycopg2
    from psycopg2.extensions import make_dsn, parse_dsn

    try:
        given = parse_dsn(dsn)
    except psycopg2.ProgrammingError as error:
        raise AirlineError(
            f"--dsn is no connection string of libpq: {str(error).strip()}",
            "give one as 'host=… dbname=… user=…' or 'postgresql://user@host/dbname'",
        ) from None
    return make_dsn(**({"require_auth": ""} | given))


def _say(line: str) -> None:
    print(line, flush=True)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time like 2026-01-31T12:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _positive(text: str) -> float:
    value = _not_negative(text)
    if value == 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def _not_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 up")
    return value
