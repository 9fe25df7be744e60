"""`retention`: drops raw events and load batches that were loaded long ago.

The vault keeps the history; raw keeps the means to make the vault again. So this is for when raw
has grown past what that is worth: nothing is dropped while it is small, nothing that was loaded
lately, nothing that an open or unread batch needs, nor the newest batch, which tests read. What
was dropped is noted, and dbt then refuses a full refresh unless told that history may be lost.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Any

import psycopg2
from psycopg2 import sql

from infra import roles
from infra.cli.progress import Progress
from infra.errors import AirlineError
from infra.settings import TABLES, Settings

KEEP_DAYS = 30.0
ABOVE_GB = 10.0
# Offsets per transaction: what waits for the locks of one is landed a moment later.
CHUNK = 100_000

# Per topic and partition: below this, everything was read by batches that closed long ago.
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
    least(old.to_offset, least(recent.from_offset, unread.from_offset)) - 1
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
order by old.topic, old.kafka_partition
"""

# As the ingester's own role, like the landing tables and Airflow's retention: dbt may read it.
REMOVED = f"""
set role {roles.INGEST};
create table if not exists staging.removed_event (
    topic text not null,
    kafka_partition integer not null,
    below_offset bigint not null,
    removed_at timestamptz not null default now(),
    primary key (topic, kafka_partition)
);
reset role;
"""

# The flow mart finds the days it has to compute again by the batches after the one it knows.
OLD_BATCHES = """
select load_batch_id from dwh_control.load_batch
where closed_at < now() - %(days)s * interval '1 day'
    and load_batch_id < (
        select max(load_batch_id) from dwh_control.load_batch where outcome = 'loaded'
    )
"""


def main(settings: Settings, arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="airline retention", description=(__doc__ or "").split("\n\n", 1)[1]
    )
    parser.add_argument(
        "--keep-days",
        type=float,
        default=KEEP_DAYS,
        metavar="N",
        help="keep what was loaded in the last N days (30)",
    )
    parser.add_argument(
        "--above-gb",
        type=float,
        default=ABOVE_GB,
        metavar="N",
        help="drop nothing while raw events take less than N GB (10)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be dropped")
    options = parser.parse_args(arguments)
    progress = Progress()
    with closing(psycopg2.connect(settings.dsn("dwh"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            _run(cursor, options, progress)
    return 0


def _run(cursor: Any, options: argparse.Namespace, progress: Progress) -> None:
    size = _raw_gb(cursor)
    if size < options.above_gb:
        progress.say(
            f"raw events take {size:.2f} GB, below {options.above_gb:g} GB: nothing is dropped"
        )
        return
    try:
        cursor.execute(DROPPABLE, {"days": options.keep_days})
    except psycopg2.errors.UndefinedTable:
        raise AirlineError("nothing was ever loaded", "run './airline up' first") from None
    droppable = cursor.fetchall()
    if not options.dry_run:
        cursor.execute(REMOVED)
    total = 0
    for topic, partition, below in droppable:
        total += _drop(cursor, topic, partition, below, options.dry_run)
    word = "would be dropped" if options.dry_run else "dropped"
    progress.say(f"{total:,} raw events {word}")
    if options.dry_run:
        return
    batches = _drop_batches(cursor, options.keep_days)
    progress.say(f"{batches:,} load batches dropped; raw events take {_raw_gb(cursor):.2f} GB")


def _drop(cursor: Any, topic: str, partition: int, below: int, dry_run: bool) -> int:
    """Drops the events of a topic below an offset, the oldest first; returns how many."""
    table = sql.Identifier("staging", topic.rsplit(".", 1)[1])
    where = {"partition": partition, "below": below}
    cursor.execute(
        sql.SQL(
            "select count(*), min(kafka_offset) from {}"
            " where kafka_partition = %(partition)s and kafka_offset < %(below)s"
        ).format(table),
        where,
    )
    count, first = cursor.fetchone()
    if not count or dry_run:
        return count
    # Noted first: whatever ends this half-way, a full refresh knows.
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
    for known in ("landed_lsn", "repeated_event"):
        bound = "(chunk + 1) * 1000 <= %s" if known == "landed_lsn" else "kafka_offset < %s"
        cursor.execute(
            f"delete from dwh_control.{known} where topic = %s and kafka_partition = %s"
            f" and {bound}",
            (topic, partition, below),
        )
    cursor.execute(sql.SQL("vacuum (analyze) {}").format(table))
    return count


def _drop_batches(cursor: Any, days: float) -> int:
    known = "select max(load_batch_id) from presentation.airport_passenger_flow"
    cursor.execute("select to_regclass('presentation.airport_passenger_flow')")
    needed = f" and load_batch_id < coalesce(({known}), 0)" if cursor.fetchone()[0] else ""
    old = f"({OLD_BATCHES}{needed})"
    for table in ("load_batch_range", "load_batch_run", "load_batch"):
        cursor.execute(
            f"delete from dwh_control.{table} where load_batch_id in {old}", {"days": days}
        )
    return cursor.rowcount


def _raw_gb(cursor: Any) -> float:
    cursor.execute(
        "select coalesce(sum(pg_total_relation_size(to_regclass('staging.' || name))), 0)"
        " from unnest(%s) as name",
        ([*TABLES, "transaction"],),
    )
    return float(cursor.fetchone()[0]) / 1e9
