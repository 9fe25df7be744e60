"""What has landed and is in no closed load batch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infra.postgres import sessions

PENDING = Path(__file__).with_name("pending.sql").read_text()
# What is made by the ingester and by dbt at their first start.
MADE = """
select
    to_regclass('staging.ingest_offset') is not null,
    to_regclass('dwh_control.load_batch_range') is not null
"""
LANDED = "select coalesce(sum(next_offset), 0), false from staging.ingest_offset"


@dataclass(frozen=True)
class Pending:
    """How many landed `offsets` no closed load batch has read, and whether a load batch is open.

    `is_first`: dbt has never run, so a load makes the tables even where nothing has landed.
    """

    offsets: int
    is_open: bool
    is_first: bool = False

    def __bool__(self) -> bool:
        return self.is_open or self.is_first or self.offsets > 0


def pending(dsn: str) -> Pending:
    """Asks the warehouse, as any role that may read landed offsets and load batches.

    Where dbt has never run all that landed is pending. Raises psycopg2.Error.
    """
    with sessions.reading(dsn) as cursor:
        cursor.execute(MADE)
        has_landing, has_batches = cursor.fetchone()
        if not has_landing:
            return Pending(0, False, is_first=not has_batches)
        cursor.execute(PENDING if has_batches else LANDED)
        offsets, is_open = cursor.fetchone()
    return Pending(int(offsets), is_open, is_first=not has_batches)
