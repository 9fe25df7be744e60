"""Whether as much is loaded as usual: changes of each table, counted from the load batches."""

from __future__ import annotations

from infra.health.finding import Finding
from infra.settings import Settings
from infra.warehouse.service import Warehouse

# The last 24 hours are compared with so many such days before, at most and at least.
MOST_DAYS, LEAST_DAYS = 28, 7
# A day is unusual where it has so many times more than the greatest of them, or less than the
# smallest.
FACTOR = 2
# Smaller differences are chance.
LEAST_CHANGES = 1000

# The first batch has the history, a full refresh reads all of it again, and a column that was added
# some of it: what was read before does not count. A day of which nothing is known had no change, or
# nobody ran the stack: after such a day few changes are no surprise.
DAYS = f"""
with loaded as (
    select
        split_part(batch_range.topic, '.', -1) as table_name,
        floor(extract(epoch from now() - batch.opened_at) / 86400) as day,
        batch_range.to_offset - greatest(
            batch_range.from_offset,
            max(batch_range.to_offset) over (
                partition by batch_range.topic, batch_range.kafka_partition
                order by batch_range.to_offset, batch_range.load_batch_id
                rows between unbounded preceding and 1 preceding
            )
        ) as changes
    from dwh_control.load_batch as batch
    inner join dwh_control.load_batch_range as batch_range using (load_batch_id)
    where
        batch.outcome = 'loaded'
        and not batch.is_full_refresh
        and batch.opened_at > now() - interval '{MOST_DAYS + 1} days'
        and batch.load_batch_id > (
            select min(load_batch_id) from dwh_control.load_batch where outcome = 'loaded'
        )
        and split_part(batch_range.topic, '.', -2) = 'public'
),

counted as (
    select table_name, day, sum(greatest(changes, 0)) as changes
    from loaded
    group by table_name, day
)

select
    days.table_name,
    coalesce(max(days.changes) filter (where days.day = 0), 0)::bigint,
    case
        when count(*) filter (where days.day > 0) = max(days.day)
            then min(days.changes) filter (where days.day > 0)
        else 0
    end::bigint,
    max(days.changes) filter (where days.day > 0)::bigint,
    count(*) filter (where days.day > 0)
from counted as days
group by 1
order by 1
"""


def volume(settings: Settings) -> Finding:
    """How many changes were loaded in the last 24 hours, and which tables have unusually many or
    few.
    """
    rows = Warehouse(settings).ask(DAYS)
    total = sum(today for _, today, _, _, _ in rows)
    known = max((days for *_, days in rows), default=0)
    values = {"changes": total, "days": known, "unusual": []}
    text = f"{total:,} changes loaded in 24 h"
    if known < LEAST_DAYS:
        return Finding("", f"{text}; what is usual is known after {LEAST_DAYS} days", values=values)
    unusual = []
    for table, today, least, most, days in rows:
        if days < LEAST_DAYS or not is_unusual(today, least, most):
            continue
        values["unusual"].append(table)
        unusual.append(f"{table} {today:,} (before {least:,} to {most:,} a day)")
    problem = ""
    if unusual:
        problem = (
            f"unusual: {'; '.join(unusual)}. Few: is the booking system at work, and captured "
            "('./airline audit')? Many: a resync or a bulk change, or somebody's mistake there"
        )
    return Finding("", text, problem, values)


def is_unusual(today: int, least: int, most: int) -> bool:
    """Whether a day's changes lie far outside of what the days before had."""
    many = today > FACTOR * most and today - most >= LEAST_CHANGES
    few = today < least / FACTOR and least - today >= LEAST_CHANGES
    return many or few
