"""Whether CDC's slot was ahead of the connector's stored position: then changes were skipped."""

from __future__ import annotations

from infra.connect import slot_gap
from infra.health.finding import Finding
from infra.settings import Settings


def slot_continuity(settings: Settings) -> Finding:
    """The gap seen since the last resync of all tables; `missed_bytes` of the source's log."""
    gap = slot_gap.noted(settings)
    if gap is None:
        now = slot_gap.slot(settings)
        # For an active slot, the service auto-restart compared the two when it became active.
        if now is not None and now.sender is None:
            gap = slot_gap.look(settings)
    if gap is None:
        return Finding("", "goes on where the connector was", values={"missed_bytes": 0})
    return Finding(
        "", "changes were skipped", str(gap), {"missed_bytes": gap.confirmed - gap.stored}
    )
