"""Acts of forgetting that stand open."""

from __future__ import annotations

from infra.health.finding import Finding, age, span
from infra.settings import Settings
from infra.warehouse.service import Warehouse


def forgetting(settings: Settings) -> Finding:
    """How many are open, and since when: bytes of somebody who is to be forgotten are left."""
    dwh = Warehouse(settings)
    [(count, oldest)] = dwh.ask(
        "select count(*), min(begun_at) from staging_pii.act where finished_at is null"
    )
    problem = ""
    if count:
        problem = (
            f"{count:,} acts are open, the oldest for {span(age(oldest))}: nobody reads these"
            " persons any more, and bytes of them are left; './airline subject resume' goes on"
        )
    return Finding("", f"{count:,} open", problem, {"open": count})
