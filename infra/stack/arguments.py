"""argparse, with "did you mean" for what was mistyped.

Standard library only: help needs no package.
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn


def meant(said: str, known: Iterable[str]) -> str:
    """'; did you mean …?' where something known is close to what was said, else ''."""
    by_lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(said.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[found[0]]!r}?" if found else ""


class Parser(argparse.ArgumentParser):
    """Says what may have been meant by a value, a verb or a flag that it does not know.

    One that `takes_more` leaves what it does not know to the caller.
    """

    def __init__(self, *arguments: Any, takes_more: bool = False, **options: Any) -> None:
        self._takes_more = takes_more
        super().__init__(*arguments, **options)

    @property
    def flags(self) -> list[str]:
        """The long ones, each once."""
        return list(dict.fromkeys(re.findall(r"(?<![\w-])--\w[\w-]*", self.format_help())))

    def parse_known_args(
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        known, further = super().parse_known_args(args, namespace)
        if further and not self._takes_more:
            self._refuse(further)
        return known, further

    def _refuse(self, further: list[str]) -> NoReturn:
        first = next((each for each in further if each.startswith("-")), "")
        hint = meant(first.split("=")[0], self.flags)
        self.error(f"unrecognized arguments: {' '.join(further)}{hint}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        # Python itself suggests from 3.14 on, and where it is asked to.
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            hint = meant(str(value), map(str, action.choices or ()))
            raise argparse.ArgumentError(action, f"{error.message}{hint}") from None
