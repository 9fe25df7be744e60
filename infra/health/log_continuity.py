"""Whether Kafka's logs are the ones that landed: if not, the ingesters land nothing of them."""

from __future__ import annotations

from infra.health.finding import Finding
from infra.settings import Settings
from infra.warehouse.service import Warehouse


def log_continuity(settings: Settings) -> Finding:
    """Partitions that the ingesters refuse until they are repaired; checked every few seconds."""
    rows = Warehouse(settings).ask("""
        select topic, kafka_partition, refusal, leader_epoch is not null or next_offset = 0
        from staging.ingest_offset order by topic, kafka_partition
        """)
    refused = {f"{topic}:{number}": why for topic, number, why, _ in rows if why}
    text = f"{len(rows) - len(refused)} of {len(rows)} logs are the ones that landed"
    if unproven := sum(not is_known for *_, is_known in rows):
        # Positions stored by an earlier version or a person are unchecked until events land.
        text += f", {unproven} not known yet"
    return Finding(
        "", text, " ".join(refused.values()), {"refused": refused, "count": len(refused)}
    )
