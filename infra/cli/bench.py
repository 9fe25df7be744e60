"""`bench`: one of the benchmarks in benchmarks/, by its name."""

from __future__ import annotations

import importlib

from infra.errors import AirlineError
from infra.settings import ROOT

FOLDER = ROOT / "benchmarks"
# What the benchmarks share.
HELPERS = ("__init__", "report", "server")


def main(arguments: list[str]) -> int:
    """Runs the benchmark named first with the rest of the arguments; returns its exit code."""
    names = sorted(file.stem for file in FOLDER.glob("*.py") if file.stem not in HELPERS)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(
            f"usage: airline bench NAME [--help | arguments]\n\nNAME is one of: {', '.join(names)}"
        )
        return 0
    if arguments[0] not in names:
        raise AirlineError(
            f"there is no benchmark {arguments[0]!r}", f"name one of {', '.join(names)}"
        )
    return importlib.import_module(f"benchmarks.{arguments[0]}").main(arguments[1:])
