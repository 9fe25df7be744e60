"""The replication slot that the connector reads from: whether it is there, and its end."""

from __future__ import annotations

from contextlib import suppress

import psycopg2

from infra.connect import connector
from infra.errors import AirlineError
from infra.settings import Settings
from infra.source.servers import Primary
from infra.stack.waiting import wait_until

# How long a slot may stay in use after its reader was stopped, in seconds.
PATIENCE = 60


def status(settings: Settings) -> str | None:
    """PostgreSQL's word for how safe the slot's log is; None where there is no slot."""
    rows = Primary(settings).server.query(
        f"select wal_status from pg_replication_slots where slot_name = '{connector.SLOT}'"
    )
    return rows[0][0] if rows else None


def refuse_lost(settings: Settings) -> None:
    """Raises AirlineError where the slot is gone, or its log is."""
    if status(settings) in (None, "lost"):
        raise AirlineError(
            f"the slot {connector.SLOT} is lost, so every table missed changes",
            "'./airline resync' without a table reads all of them",
        )


def drop(settings: Settings) -> None:
    """Drops the slot, if it is there; waits for a reader that was stopped. Raises AirlineError."""
    server = Primary(settings).server
    ours = f"from pg_replication_slots where slot_name = '{connector.SLOT}'"

    def is_gone() -> bool:
        with suppress(psycopg2.errors.ObjectInUse):
            server.query(f"select pg_drop_replication_slot(slot_name) {ours}")
        return not server.query(f"select 1 {ours}")

    wait_until(
        is_gone,
        PATIENCE,
        lambda: AirlineError(
            f"the slot {connector.SLOT} is in use by another program than the connector",
            "end it (select * from pg_stat_replication says who it is), "
            "then './airline resync' goes on",
        ),
    )
