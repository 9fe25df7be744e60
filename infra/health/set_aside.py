"""Events that landed and cannot be loaded."""

from __future__ import annotations

from infra.health.finding import Finding
from infra.settings import Settings
from infra.warehouse import set_aside as events
from infra.warehouse.service import Warehouse


def set_aside(settings: Settings) -> Finding:
    """How many events wait for a decision, by table."""
    dwh = Warehouse(settings)
    [(made,)] = dwh.ask(events.MADE)
    # The first load makes the table; before that no event is set aside.
    tables = dict(dwh.ask(events.WAITING)) if made else {}
    count = sum(tables.values())
    text = ", ".join(f"{table} {number:,}" for table, number in tables.items())
    problem = (
        "they cannot be loaded as they are: './airline dead-letters' says why" if count else ""
    )
    return Finding(
        "", f"{count:,}{f' ({text})' if text else ''}", problem, {"count": count, "tables": tables}
    )
