"""The streaming replica: CDC waits for it, and a failover needs it."""

from __future__ import annotations

from infra.connect import connector
from infra.health.finding import Finding, size
from infra.settings import Settings
from infra.source.servers import Primary, Replica


def replication(settings: Settings) -> Finding:
    rows = Primary(settings).server.query(
        """
        select
            state,
            pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint,
            coalesce(extract(epoch from replay_lag), 0)::float
        from pg_stat_replication where application_name = 'airline_replica'
        """
    )
    if not rows:
        return Finding(
            "",
            "no replica is connected",
            "CDC waits for it; see './airline logs replica', './airline up' starts or remakes it",
        )
    state, lag_bytes, lag_seconds = rows[0]
    [(synced, paused)] = Replica(settings).server.query(
        f"""
        select
            exists (
                select from pg_replication_slots where slot_name = '{connector.SLOT}' and synced
            ),
            pg_is_wal_replay_paused()
        """
    )
    values = {"state": state, "lag_bytes": lag_bytes, "lag_seconds": lag_seconds}
    problem = "" if state == "streaming" else "not streaming yet; see './airline logs replica'"
    if paused:
        problem = (
            "the replica receives and does not replay: somebody paused it; "
            "'select pg_wal_replay_resume()' there lets it go on"
        )
    text = f"{state}, {size(lag_bytes)} behind, {lag_seconds:.1f} s"
    if synced:
        text += ", slot synchronised"
    return Finding(
        "", text, problem, values | {"slot_synchronised": synced, "replay_paused": paused}
    )
