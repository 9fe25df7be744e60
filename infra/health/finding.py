"""The result of a check, and the format of sizes and times in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from infra.alerts.trouble import Trouble


@dataclass
class Finding:
    """One line of `status`. `values` are for programs, `text` is for people; `problem` is '' if
    healthy. `is_known`: whether it could be asked; `awaits`: services that did not answer for it.
    `troubles`: what owners are told, where that is not the problem as it stands.
    """

    name: str
    text: str = ""
    problem: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    is_known: bool = True
    awaits: tuple[str, ...] = ()
    troubles: list[Trouble] = field(default_factory=list)


def age(moment: datetime) -> float:
    return (datetime.now(UTC) - moment).total_seconds()


def span(seconds: float) -> str:
    whole = max(0, int(seconds))
    for size, unit, low, sub in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // low}{sub}"
    return f"{whole}s"


def size(count: int) -> str:
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GB"
