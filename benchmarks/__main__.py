"""`python -m benchmarks NAME`: one of the benchmarks in this folder; `./airline bench` is that."""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
from pathlib import Path

from infra.settings import ROOT
from infra.stack.arguments import Parser
from infra.stack.failures import explained

FOLDER = Path(__file__).parent
# What the benchmarks share.
HELPERS = ("__init__", "__main__", "report", "server")


def names() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.py") if file.stem not in HELPERS)


def about(name: str) -> str:
    """What it measures: the first paragraph of its file, which is not run for it."""
    text = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text())) or ""
    return " ".join(text.split("\n\n")[0].split())


def parser() -> argparse.ArgumentParser:
    """Reads which benchmark; what comes after its name is its own. Needs no package."""
    made = Parser(
        prog="airline bench",
        description="Measures landing, loads, latency, dashboards.",
        takes_more=True,
    )
    # Its own help is its module's, which works with the tests' packages.
    is_installed = (ROOT / ".venv" / "bin" / "pytest").exists()
    each = made.add_subparsers(dest="name", required=True, metavar="NAME")
    for name in names():
        each.add_parser(
            name,
            help=about(name),
            description=f"{about(name)} Its arguments are shown once the tests' packages are there:"
            " './airline test --unit' installs them.",
            usage=f"airline bench {name} ARGUMENTS",
            add_help=not is_installed,
            takes_more=True,
        )
    return made


def main(arguments: list[str]) -> int:
    """Runs the benchmark named first with the rest of the arguments; returns its exit code."""
    if not arguments or arguments[0] not in names():
        parser().parse_args(arguments or ["--help"])
        return 2
    return importlib.import_module(f"benchmarks.{arguments[0]}").main(arguments[1:])


if __name__ == "__main__":
    sys.exit(explained(lambda: main(sys.argv[1:])))
