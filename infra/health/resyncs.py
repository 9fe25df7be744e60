"""Whether a resync is due: capture was broken, and the tables were not read again since."""

from __future__ import annotations

from infra.health.finding import Finding
from infra.settings import Settings
from infra.source import resync_due


def due(settings: Settings) -> Finding:
    """The tables of which a resync is due, and why."""
    found = resync_due.noted(settings)
    return Finding(
        "",
        ", ".join(each.table for each in found) or "none",
        resync_due.request(found),
        {"tables": [each.table for each in found], "count": len(found)},
    )
