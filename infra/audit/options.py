"""The arguments of `audit`. Standard library only: help needs no package."""

from __future__ import annotations

from infra.audit.results import NAMED_ROWS
from infra.stack.arguments import Parser


def parser() -> Parser:
    parser = Parser(
        prog="airline audit",
        description="Loads what the source has committed so far, then compares source and vault "
        "row for row and column for column, in both directions. Rows that differ are looked at "
        "again once what is committed by then is loaded: what the source changed meanwhile is no "
        "difference. Values are compared, not how they are written. Whatever keeps a table from "
        "being captured or compared (it is missing, not published, another one) is a finding; with "
        "differences or findings the exit code is 1.",
    )
    parser.add_argument(
        "--as-is", action="store_true", help="load nothing, compare with the vault as it stands"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--names", type=int, default=NAMED_ROWS, metavar="N", help="rows named per difference"
    )
    return parser
