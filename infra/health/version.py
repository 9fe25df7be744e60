"""The version of the product that made the warehouse's tables."""

from __future__ import annotations

from infra.health.finding import Finding
from infra.postgres import sessions
from infra.settings import Settings
from infra.warehouse import figures_dsn, layout


def version(settings: Settings) -> Finding:
    """Whether the recorded version is the one that this code works with."""
    with sessions.reading(figures_dsn(settings)) as cursor:
        found = layout.recorded(cursor)
        by = ""
        if found.version is not None:
            cursor.execute("select applied_by from dwh_control.migration order by version desc")
            [by] = cursor.fetchone()
    known = layout.version()
    noted = found.version or 0
    text = f"{noted}, by {by}" if by else "none noted"
    problem = ""
    if noted < known:
        problem = f"this code works with version {known}: './airline up' brings it up"
    elif noted > known:
        problem = f"this code knows version {known} only: use the ./airline that made it"
    return Finding("", text, problem, {"version": found.version, "known": known, "by": by})
