"""`python -m infra.cli VERB`: what ./airline hands over to."""

from __future__ import annotations

import argparse
import os
import sys

from infra.cli.verbs import VERBS
from infra.settings import Settings
from infra.stack import caller
from infra.stack.failures import explained


def parser() -> argparse.ArgumentParser:
    """Reads the command line, and prints `--help`."""
    top = argparse.ArgumentParser(
        prog="airline",
        description="Airline bookings from PostgreSQL through Debezium and Kafka into a Data Vault"
        " and marts.",
        epilog="Settings are environment variables: see './airline env'. "
        "AIRLINE_HOME and AIRLINE_PORT_OFFSET move a stack, so that several run side by side.",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        what = verb.help
        each = verbs.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        for flags, options in verb.arguments:
            each.add_argument(*flags, **options)
    return top


def main(argv: list[str]) -> int:
    """Runs one verb; returns the exit code. Raises AirlineError for what we expect to go wrong."""
    verb = VERBS.get(argv[0]) if argv else None
    if verb is not None and verb.has_own_parser:
        return verb.do(Settings.from_environment(), argv[1:])
    options, further = parser().parse_known_args(argv)
    verb = VERBS[options.verb]
    if further and not verb.takes_more:
        parser().error(f"unrecognized arguments: {' '.join(further)}")
    options.further = further
    return verb.do(Settings.from_environment(), options)


def run() -> int:
    """`main` with errors as people want to see them."""
    caller.clean(os.environ)
    return explained(lambda: main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(run())
