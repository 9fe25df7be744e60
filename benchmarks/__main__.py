"""`python -m benchmarks NAME`: one of the benchmarks in this folder; `./airline bench` is that."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from infra.errors import AirlineError
from infra.stack.failures import explained

# What the benchmarks share.
HELPERS = ("__init__", "__main__", "report", "server")


def main(arguments: list[str]) -> int:
    """Runs the benchmark named first with the rest of the arguments; returns its exit code."""
    folder = Path(__file__).parent
    names = sorted(file.stem for file in folder.glob("*.py") if file.stem not in HELPERS)
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


if __name__ == "__main__":
    sys.exit(explained(lambda: main(sys.argv[1:])))
