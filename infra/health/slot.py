"""CDC's replication slot: whether it is active, and how close it is to being lost."""

from __future__ import annotations

from infra.alerts.trouble import Trouble
from infra.connect import connector
from infra.health.finding import Finding, size
from infra.settings import Settings
from infra.source.servers import Primary

# A slot that retains this share of max_slot_wal_keep_size is reported.
ALARMING_SHARE = 0.5
# What is about to be lost is told whatever it comes from, and be it known since yesterday.
GROWING, LOST = "slot grows", "slot lost"


def slot(settings: Settings) -> Finding:
    rows = Primary(settings).server.query(
        f"""
        select
            active,
            pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint,
            wal_status,
            pg_size_bytes(nullif(current_setting('max_slot_wal_keep_size'), '-1'))
        from pg_replication_slots where slot_name = '{connector.SLOT}'
        """
    )
    if not rows:
        return Finding(
            "",
            f"no slot {connector.SLOT}",
            "'./airline up' registers the connector; where it was before, './airline resync'",
        )
    active, retained, wal_status, limit = rows[0]
    share = (retained or 0) / limit if limit else 0.0
    problem = "" if active else "nobody reads it: see './airline logs connect', then './airline up'"
    troubles = [] if active else [Trouble("slot", problem, "slot")]
    if wal_status == "lost":
        problem = "its WAL is gone, changes were missed: './airline resync' finds all of them"
        troubles.append(Trouble(LOST, problem, "slot", is_own=True))
    elif wal_status == "unreserved" or share >= ALARMING_SHARE:
        problem = (
            f"it keeps {share:.0%} of what it may before it is lost: "
            + ("whoever reads it is slow" if active else "nobody reads it")
            + ", see './airline logs connect'"
        )
        troubles.append(Trouble(GROWING, problem, "slot", is_own=True))
    return Finding(
        "",
        f"{connector.SLOT} {'active' if active else 'inactive'}, retains {size(retained or 0)}"
        + (f" of at most {size(limit)}" if limit else ""),
        problem,
        {
            "active": active,
            "retained_bytes": retained,
            "limit_bytes": limit,
            "wal_status": wal_status,
        },
        troubles=troubles,
    )
