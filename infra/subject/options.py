"""The verbs of `subject` and their options. Standard library only: help needs no package."""

from __future__ import annotations

import argparse

from infra.stack.arguments import Parser

# As an ID: it is read from standard input, and stands in no history of a shell.
FROM_INPUT = "-"


def parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="airline subject",
        description="What the platform holds of one person. ID is the document number"
        " (passenger_id), as the booking system writes it; - reads it from standard input.",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    what = "all that is held of a person, from where and since when; it prints personal data"
    each = verbs.add_parser("show", help=what, description=f"{what[0].upper()}{what[1:]}.")
    each.set_defaults(name="show")
    each.add_argument("id", metavar="ID", help="document number, or -")
    each.add_argument("--json", action="store_true", help="for programs")
    return parser
