"""A connector that starts on an idle source is helped to its place in the log.

Debezium looks for the first commit after the last one that it has processed, and passes nothing on
until there is one: no heartbeat, and no message outside of a transaction. Where nobody writes, none
comes: the connector runs, the slot stands still and keeps the log, and whoever waits for a mark
(audit, resync, failover) waits in vain. An empty transaction of our own ends the search.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.connect import connector, slot_gap
from infra.settings import Settings

# A connector at work moves the slot with each heartbeat, every ten seconds. In seconds.
STANDS_STILL = 25.0


@dataclass
class Search:
    """How long the slot has been read without moving. Times are of a steady clock. Whoever helps
    says so (`is_helped`): one transaction is enough, for it is in the log for good.
    """

    seen: slot_gap.Slot | None = None
    since: float = 0.0
    is_helped: bool = False

    def is_stuck(self, now: float, slot: slot_gap.Slot | None) -> bool:
        """Whether it is time for a transaction."""
        if slot is None or slot.sender is None or slot != self.seen:
            self.seen, self.since, self.is_helped = slot, now, False
            return False
        return not self.is_helped and now - self.since >= STANDS_STILL


def help_on(settings: Settings) -> None:
    """Commits a transaction that has nothing in it but a mark. Raises psycopg2.Error."""
    slot_gap.primary(settings).query(
        f"select pg_logical_emit_message(true, '{connector.HEARTBEAT}', '')",
        dbname=settings.source_db,
    )
