"""The verbs of `dead-letters` and their options. Standard library only: help needs no package."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

Event = tuple[str, int, int]  # topic, partition, offset


def parser(
    prog: str,
    more: str = "",
    kind: type[argparse.ArgumentParser] = argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """The verbs and their options.

    `more` is added to the description, `kind` is the parser's class.
    """
    parser = kind(
        prog=prog,
        description="Events that PostgreSQL refused as jsonb, kept as the bytes that came from"
        f" Kafka{more}. Without a verb: list.",
        epilog="EVENT is TOPIC:PARTITION:OFFSET, as listed.",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, what: str) -> argparse.ArgumentParser:
        each = verbs.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        each.set_defaults(name=name)
        return each

    each = verb("list", "what waits for a decision, oldest first")
    each.add_argument("--topic", help="only of this topic (or its last part, the table)")
    each.add_argument("--all", action="store_true", help="also what was decided before")
    each.add_argument("--json", action="store_true", help="for programs")
    each = verb("show", "one event with its error and its bytes")
    each.add_argument("event", type=_event, metavar="EVENT")
    each.add_argument("--json", action="store_true", help="for programs; bytes as base64")
    each.add_argument(
        "--raw",
        choices=["key", "value"],
        help="nothing but these bytes, to a file or a pipe: to be edited and replayed",
    )
    each.add_argument(
        "--personal", action="store_true", help="personal data too, which is shown as * otherwise"
    )
    each = verb(
        "replay",
        "lands events after all, under their own topic, partition and offset; what is refused"
        " again stays",
    )
    each.add_argument("events", type=_event, metavar="EVENT", nargs="*", help="none: all")
    each.add_argument("--topic", help="all of this topic (or its last part, the table)")
    each.add_argument("--key", type=Path, metavar="FILE", help="land this key in its place")
    each.add_argument("--value", type=Path, metavar="FILE", help="land this value in its place")
    each = verb("discard", "decides that events will not land; their bytes are kept")
    each.add_argument("events", type=_event, metavar="EVENT", nargs="+")
    return parser


def _event(text: str) -> Event:
    match = re.fullmatch(r"(.+):(\d+):(\d+)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no TOPIC:PARTITION:OFFSET")
    return match[1], int(match[2]), int(match[3])
