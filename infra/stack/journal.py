"""How far a command of several steps has come, so that one that was killed can go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.errors import AirlineError
from infra.settings import Settings
from infra.stack import runtime

# Verbs that take several steps; none of them may be left half done behind another one.
VERBS = ("resync", "failover")


class Journal:
    """A file in the stack's data: there while the verb is under way, gone when it is done."""

    def __init__(self, settings: Settings, verb: str) -> None:
        self._settings = settings
        self._file: Path = settings.home / "data" / f"{verb}.json"

    def read(self) -> dict[str, Any] | None:
        """What was written last, or None: nothing is under way."""
        try:
            return json.loads(self._file.read_text())
        except FileNotFoundError:
            return None

    def write(self, **told: Any) -> dict[str, Any]:
        """Replaces what was written; whole or not at all, also in a power cut."""
        runtime.make_folder(self._settings, self._file.parent)
        runtime.write_private(self._file, json.dumps(told))
        return told

    def end(self) -> None:
        self._file.unlink(missing_ok=True)


def refuse_unfinished(settings: Settings, verb: str) -> None:
    """Raises AirlineError while `verb` was begun and not ended."""
    if Journal(settings, verb).read() is not None:
        raise AirlineError(
            f"a {verb} was begun in {settings.home} and did not end",
            f"'./airline {verb}' goes on from where it was",
        )
