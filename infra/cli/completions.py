"""`completion`: what a shell reads to complete `./airline`, made from the verbs' table.

The files lie ready in infra/cli/completion: ./airline prints one without starting Python, and the
shell completes without starting anything. `python -m infra.cli.completions` makes them anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import catalogue
from infra.cli.__main__ import parser
from infra.cli.look import OTHERS
from infra.cli.verbs import SHELLS, VERBS, parser_of
from infra.parts.registry import PARTS, instances
from infra.settings import Settings

FOLDER = Path(__file__).with_name("completion")


def show(_settings: Settings, options: argparse.Namespace) -> int:
    """Prints the file of a shell."""
    print(file(options.shell).read_text(), end="")
    return 0


def file(shell: str) -> Path:
    return FOLDER / f"airline.{shell}"


def text(shell: str) -> str:
    """The file of a shell as the table has it."""
    import shtab

    return shtab.complete(_whole(), shell=shell).rstrip() + "\n"


def _whole() -> argparse.ArgumentParser:
    """The parser of everything, each verb with its own, and with names where a value is one."""
    top = parser()
    usual = Settings.from_environment({})
    services = [each.name for part in PARTS for each in instances(part, usual)]
    named = {"service": (*services, *OTHERS), "table": catalogue.names()}
    [verbs] = [each for each in top._actions if each.dest == "verb"]
    for name, verb in VERBS.items():
        if verb.of:
            continue
        verbs.choices[name] = own = parser_of(name)
        for action in own._actions:
            action.choices = action.choices or named.get(action.dest)
    return top


def main() -> None:
    """Writes every file."""
    for shell in SHELLS:
        file(shell).write_text(text(shell))


if __name__ == "__main__":
    main()
