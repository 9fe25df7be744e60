"""Source transactions that load batches included although some of their events had not landed.

Opening a batch records them (macros/load_batch/note_incomplete_transactions.sql), and settles those
whose events arrive later. The others stay open until an audit or a resync has compared the tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import catalogue

TABLE = "dwh_control.incomplete_transaction"
# The last part of the transaction topic: an END is missing, so any table may lack events.
ANY = catalogue.TRANSACTION


@dataclass(frozen=True)
class Summary:
    """The open ones: how many transactions, in which tables events are missing, since when."""

    transactions: int
    # ANY is among them where an END is missing.
    tables: list[str]
    oldest: datetime | None


def summary(cursor: Any) -> Summary:
    """The open ones. The role must be allowed to read the schema dwh_control."""
    if not _is_made(cursor):
        return Summary(0, [], None)
    cursor.execute(
        "select count(distinct transaction_id), min(noticed_at),"
        " coalesce(array_agg(distinct split_part(topic, '.', -1)), '{}')"
        f" from {TABLE} where settled_at is null"
    )
    transactions, oldest, tables = cursor.fetchone()
    return Summary(transactions, sorted(tables), oldest)


def newest_load_batch(cursor: Any, *, loaded: bool = False) -> int:
    """The number of the newest load batch, or of the newest `loaded` one; 0 where there is none."""
    cursor.execute("select to_regclass('dwh_control.load_batch') is not null")
    if not cursor.fetchone()[0]:
        return 0
    wanted = "outcome = 'loaded'" if loaded else "outcome is distinct from 'superseded'"
    cursor.execute(
        f"select coalesce(max(load_batch_id), 0) from dwh_control.load_batch where {wanted}"
    )
    return cursor.fetchone()[0]


def loaded_offsets(cursor: Any) -> dict[tuple[str, int], int]:
    """(topic, partition) -> the offset up to which the newest loaded batch has read."""
    cursor.execute(
        "select topic, kafka_partition, to_offset from dwh_control.load_batch_range"
        " where load_batch_id = %s",
        (newest_load_batch(cursor, loaded=True),),
    )
    return {(topic, partition): offset for topic, partition, offset in cursor}


def settle(cursor: Any, tables: Iterable[str], load_batch: int, by: str) -> int:
    """Settles the open ones of these source tables that batches up to `load_batch` included.

    `by` is 'audit' or 'resync'; ANY among the tables means all of them. The role must be allowed to
    update the table: dbt's role owns it. Returns how many rows it settled.
    """
    if not _is_made(cursor):
        return 0
    topics = [catalogue.topic(table) for table in tables]
    cursor.execute(
        f"update {TABLE} set settled_at = now(), settled_by = %s"
        " where settled_at is null and topic = any(%s) and load_batch_id <= %s",
        (by, topics, load_batch),
    )
    return cursor.rowcount


def _is_made(cursor: Any) -> bool:
    """Whether the table exists: the first load of this version makes it."""
    cursor.execute("select to_regclass(%s) is not null", (TABLE,))
    return cursor.fetchone()[0]
