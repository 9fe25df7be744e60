"""`python -m infra.cli VERB`: what ./airline hands over to."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from infra.cli.verbs import VERBS, parser_of
from infra.errors import AirlineError
from infra.settings import Settings
from infra.stack import caller, entrance, home
from infra.stack.arguments import Parser
from infra.stack.failures import explained
from infra.testing import as_root


def parser() -> argparse.ArgumentParser:
    """Reads the verb, and prints `--help`."""
    top = Parser(
        prog="airline",
        description="Airline bookings from PostgreSQL through Debezium and Kafka into a Data Vault"
        " and marts.",
        epilog="Settings are environment variables: see './airline env'. "
        "AIRLINE_HOME and AIRLINE_PORT_OFFSET move a stack, so that several run side by side.",
        takes_more=True,
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        # What comes after the verb is the verb's own parser's.
        verbs.add_parser(name, help=verb.help, add_help=False, takes_more=True)
    return top


def main(argv: list[str]) -> int:
    """Runs one verb; returns the exit code. Raises AirlineError for what we expect to go wrong."""
    if argv[:1] == ["--version"]:
        argv = ["version", *argv[1:]]
    if not argv or argv[0] not in VERBS:
        parser().parse_args(argv)
        return 2
    _leave_root(argv)
    verb, arguments = VERBS[argv[0]], argv[1:]
    if verb.has_own_parser:
        return verb.function()(_settings(argv[0]), arguments)
    options, further = parser_of(argv[0]).parse_known_args(arguments)
    options.further = further
    return verb.function()(_settings(argv[0]), options)


def _settings(name: str) -> Settings:
    settings = Settings.from_environment()
    if name not in ("up", *entrance.DEVELOPERS):
        home.refuse_another_mode(settings)
    return settings


def _leave_root(argv: list[str]) -> None:
    """Raises AirlineError where a verb would read or write a stack as root."""
    if os.geteuid() != 0 or as_root.is_for_the_clone_alone(argv):
        return
    if argv[0] in entrance.DEVELOPERS:
        as_root.leave([sys.executable, *sys.orig_argv[1:]])
    raise AirlineError(
        "nothing of a stack is done as root",
        "call ./airline, which goes on as an account without rights",
    )


def run() -> int:
    """`main` with errors as people want to see them."""
    os.umask(0o077)
    caller.clean(os.environ)
    # dbt's telemetry, once imported, would have every library's log printed between our lines.
    logging.getLogger().addHandler(logging.NullHandler())
    return explained(lambda: main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(run())
