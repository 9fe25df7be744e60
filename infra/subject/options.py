"""The verbs of `subject` and their options. Standard library only: help needs no package."""

from __future__ import annotations

import argparse

from infra.stack.arguments import Parser

# As an ID: it is read from standard input, and stands in no history of a shell.
FROM_INPUT = "-"


def parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="airline subject",
        description="What the platform holds of one person, and forgetting it. ID is the document"
        " number (passenger_id), as the booking system writes it; - reads it from standard input.",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, what: str, *, of_one: bool = True) -> argparse.ArgumentParser:
        each = verbs.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        each.set_defaults(name=name)
        if of_one:
            each.add_argument("id", metavar="ID", help="document number, or -")
        return each

    each = verb(
        "show", "all that is held of a person, from where and since when; it prints personal data"
    )
    each.add_argument("--json", action="store_true", help="for programs")
    each = verb("forget", "forget a person everywhere but in the booking system; figures stay")
    each.add_argument(
        "--reason",
        required=True,
        metavar="TEXT",
        help="why, for the act: a number of the request; nothing of the person",
    )
    each.add_argument("--yes", action="store_true", help="do not ask")
    verb(
        "resume",
        "go on with what was begun of forgetting somebody, and remove from Kafka what the source"
        " has sent since of those who were forgotten",
        of_one=False,
    )
    return parser
