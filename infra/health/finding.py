"""The result of a check, and the format of sizes and times in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass
class Finding:
    """One line of `status`. `values` are for programs, `text` is for people; `problem` is '' if
    healthy.
    """

    name: str
    text: str = ""
    problem: str = ""
    values: dict[str, Any] = field(default_factory=dict)


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
