"""Of what the connector fails again after each start, kept where all who ask can read it."""

from __future__ import annotations

import json
from pathlib import Path

from infra.settings import Settings
from infra.stack import runtime


def read(settings: Settings) -> dict[str, str | None] | None:
    """The fields of the connector's state at the failure; None where there is none."""
    try:
        return json.loads(_file(settings).read_text())
    except (FileNotFoundError, ValueError):
        return None


def write(settings: Settings, state: dict[str, str | None]) -> None:
    runtime.make_folder(settings, _file(settings).parent, mode=0o700)
    _file(settings).write_text(json.dumps(state))


def forget(settings: Settings) -> None:
    """After the cause is gone, and where somebody starts the connector anew."""
    _file(settings).unlink(missing_ok=True)


def _file(settings: Settings) -> Path:
    return settings.home / "run" / "connector.failure"
