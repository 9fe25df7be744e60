"""Retention: drops raw events and load batches that were loaded long ago.

The vault keeps the history; raw events are needed only to build the vault again. So nothing is
dropped while raw is small, nor what was loaded recently, what an open or unread batch needs, or the
newest batch, which tests read. `staging.removed_event` records what was dropped, and dbt then
refuses a full refresh unless a variable accepts the loss of history.

Two roles are used: the ingester's drops events, dbt's reads and drops load batches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg2
from psycopg2 import sql

import catalogue
from infra.errors import AirlineError
from infra.warehouse import load_batch_readers

# Offsets per delete statement: small, so that landing does not wait long for its locks.
CHUNK = 100_000
# What an event takes beside key and value: the row's header, its other columns, the index's entry.
OVERHEAD = 80
# Offsets per row of dwh_control.landed_lsn, as the macro landed_lsn_chunk() has it.
LANDED_LSN_CHUNK = 1000

DROPPABLE = """
with closed as (
    select max(load_batch_id) as load_batch_id
    from dwh_control.load_batch
    where outcome = 'loaded' and closed_at < now() - %(days)s * interval '1 day'
),

newest as (
    select max(load_batch_id) as load_batch_id
    from dwh_control.load_batch
    where outcome = 'loaded'
)

select
    old.topic,
    old.kafka_partition,
    -- One event more stays: where a snapshot goes on, a batch looks at the event before it.
    least(old.to_offset, recent.from_offset, unread.from_offset, undecided.from_offset) - 1
from dwh_control.load_batch_range as old
inner join closed using (load_batch_id)
inner join newest on true
inner join dwh_control.load_batch_range as recent
    on recent.load_batch_id = newest.load_batch_id
    and recent.topic = old.topic and recent.kafka_partition = old.kafka_partition
left join (
    select topic, kafka_partition, min(from_offset) as from_offset
    from dwh_control.load_batch_range
    inner join dwh_control.load_batch using (load_batch_id)
    where closed_at is null
    group by topic, kafka_partition
) as unread
    on unread.topic = old.topic and unread.kafka_partition = old.kafka_partition
left join (
    -- What was set aside may still be replayed, and what came after it says whether it may.
    select topic, kafka_partition, min(kafka_offset) as from_offset
    from dwh_control.set_aside_event
    where resolution is null or (resolution = 'replayed' and loaded_by is null)
    group by topic, kafka_partition
) as undecided
    on undecided.topic = old.topic and undecided.kafka_partition = old.kafka_partition
order by old.topic, old.kafka_partition
"""

REMOVED = """
create table if not exists staging.removed_event (
    topic text not null,
    kafka_partition integer not null,
    below_offset bigint not null,
    removed_at timestamptz not null default now(),
    primary key (topic, kafka_partition)
);
comment on table staging.removed_event is
'One row per topic and partition whose oldest events were removed: below that offset there are none.
With a row here the vault cannot be made again from the first event.'
"""

# Without those that a table still has to see (infra/warehouse/load_batch_readers.py).
OLD_BATCHES = """
select load_batch_id from dwh_control.load_batch
where closed_at < now() - %(days)s * interval '1 day'
    and load_batch_id < (
        select max(load_batch_id) from dwh_control.load_batch where outcome = 'loaded'
    )
"""


def drop(
    landing: Any,
    warehouse: Any,
    *,
    keep_days: float,
    above_gb: float,
    say: Callable[[str], object],
    dry_run: bool = False,
) -> int:
    """Drops what may go; returns how many raw events. With `dry_run` only counts them.

    `landing` and `warehouse` are connections of the ingester's and of dbt's role, both with
    autocommit: each step is independent, and the next run completes an interrupted one.
    Raises AirlineError where nothing was ever loaded.
    """
    with landing.cursor() as events, warehouse.cursor() as batches:
        try:
            size = raw_gb(events)
            if size <= above_gb:
                say(f"raw events take {size:.2f} GB, at most {above_gb:g} GB: nothing is dropped")
                return 0
            batches.execute(DROPPABLE, {"days": keep_days})
        except psycopg2.errors.UndefinedTable:
            raise AirlineError("nothing was ever loaded", "run './airline up' first") from None
        total = 0
        for topic, partition, below in batches.fetchall():
            total += _drop_events(events, topic, partition, below, dry_run)
            if not dry_run:
                _forget_events(batches, topic, partition, below)
        if dry_run:
            say(f"{total:,} raw events would be dropped")
            return total
        say(f"{total:,} raw events dropped")
        dropped = _drop_batches(batches, keep_days)
        say(f"{dropped:,} load batches dropped; raw events take {raw_gb(events):.2f} GB")
    return total


def raw_gb(cursor: Any) -> float:
    """What the landed events take, in GB: their number times the mean of the newest of each table.

    Not the size of the files: deleted rows leave room in them for new ones, and the files do not
    shrink.
    """
    size = 0.0
    for name in catalogue.landed():
        cursor.execute(
            sql.SQL(
                "select count(*) * coalesce((select avg(%s + coalesce(pg_column_size(key), 0)"
                " + coalesce(pg_column_size(value), 0)) from (select key, value from {0}"
                " order by kafka_partition desc, kafka_offset desc limit 1000) as newest), 0)"
                " from {0}"
            ).format(sql.Identifier("staging", name)),
            (OVERHEAD,),
        )
        size += float(cursor.fetchone()[0])
    return size / 1e9


def _drop_events(cursor: Any, topic: str, partition: int, below: int, dry_run: bool) -> int:
    """Drops the events of a topic below an offset, the oldest first; returns how many."""
    table = sql.Identifier("staging", topic.rsplit(".", 1)[1])
    cursor.execute(
        sql.SQL(
            "select count(*), min(kafka_offset) from {}"
            " where kafka_partition = %s and kafka_offset < %s"
        ).format(table),
        (partition, below),
    )
    count, first = cursor.fetchone()
    if not count or dry_run:
        return count
    # Recorded first, so that a full refresh is refused even if the deletion is interrupted.
    cursor.execute(REMOVED)
    cursor.execute(
        "insert into staging.removed_event as known (topic, kafka_partition, below_offset)"
        " values (%s, %s, %s) on conflict (topic, kafka_partition) do update"
        " set below_offset = greatest(known.below_offset, excluded.below_offset),"
        " removed_at = now()",
        (topic, partition, below),
    )
    for start in range(first, below, CHUNK):
        cursor.execute(
            sql.SQL(
                "delete from {} where kafka_partition = %s"
                " and kafka_offset >= %s and kafka_offset < %s"
            ).format(table),
            (partition, start, min(start + CHUNK, below)),
        )
    cursor.execute(sql.SQL("vacuum (analyze) {}").format(table))
    return count


def _forget_events(cursor: Any, topic: str, partition: int, below: int) -> None:
    """Drops control rows about events that are gone."""
    for table, bound in (
        ("landed_lsn", f"(chunk + 1) * {LANDED_LSN_CHUNK} <= %s"),
        ("repeated_event", "kafka_offset < %s"),
    ):
        cursor.execute(
            f"delete from dwh_control.{table} where topic = %s and kafka_partition = %s"
            f" and {bound}",
            (topic, partition, below),
        )


def _drop_batches(cursor: Any, keep_days: float) -> int:
    """Drops old load batches and what is noted about them; returns how many batches."""
    conditions = [sql.SQL(OLD_BATCHES)]
    for reader in load_batch_readers.readers():
        cursor.execute(
            "select to_regclass(format('%%I.%%I', %s, %s))", (reader.schema, reader.table)
        )
        if cursor.fetchone()[0]:
            conditions.append(
                sql.SQL("load_batch_id < coalesce((select max({}) from {}), 0)").format(
                    sql.Identifier(reader.column), sql.Identifier(reader.schema, reader.table)
                )
            )
    old = sql.SQL(" and ").join(conditions)
    for table in ("load_batch_range", "load_batch_run", "load_batch"):
        cursor.execute(
            sql.SQL("delete from {} where load_batch_id in ({})").format(
                sql.Identifier("dwh_control", table), old
            ),
            {"days": keep_days},
        )
    return cursor.rowcount
