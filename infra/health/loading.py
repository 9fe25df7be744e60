"""Load batches of the vault, and the marts that are built from it."""

from __future__ import annotations

from datetime import UTC

from infra.health.finding import Finding, age, span
from infra.parts.registry import parts
from infra.settings import Settings
from infra.warehouse import figures_dsn
from infra.warehouse.pending import pending
from infra.warehouse.service import Warehouse

# An open batch, and events that are not loaded, are reported after this many seconds.
LONG = 3600.0
# With Airflow, events may wait three times the interval between loads, but at least this long: a
# load may take long, or wait ten minutes for the rest of a transaction.
SOON = 1200.0
# How far the source's clock may be ahead, in seconds.
AHEAD = 600.0


def load_batch(settings: Settings) -> Finding:
    """The newest load batch, and whether landed events have waited too long for a load."""
    rows = Warehouse(settings).ask("""
        select load_batch_id, opened_at, closed_at, outcome from dwh_control.load_batch
        order by load_batch_id desc limit 1
        """)
    number, opened, closed, outcome = rows[0] if rows else (None, None, None, None)
    unread = pending(figures_dsn(settings)).offsets
    [(since,)] = Warehouse(settings).ask("select dwh_control.oldest_unread_event()")
    waiting = age(since) if since else 0.0
    scheduled = "airflow" in parts(settings)
    # Without Airflow, loads are started by hand or rarely, so a longer wait is normal.
    limit = (
        max(SOON, 3 * 60.0 * settings.load_minutes)
        if scheduled
        else max(LONG, 2 * 60.0 * settings.load_minutes)
    )
    is_open = opened is not None and closed is None
    if opened is None:
        text = f"none yet, {unread:,} offsets not loaded"
    elif is_open:
        text = f"{number} open for {span(age(opened))}, {unread:,} offsets not loaded"
    else:
        text = f"{number} {outcome} {span(age(closed))} ago, {unread:,} offsets since"
    problem = ""
    if is_open and age(opened) > LONG:
        problem = "a load failed or was killed: './airline dbt build' says what fails, loads again"
    elif waiting > limit:
        whose = (
            "'vault_load' is paused or fails, see Airflow's UI; './airline dbt build' loads them"
            if scheduled
            else "nothing in this stack loads by itself; './airline load-loop' does so as long as "
            "it runs, './airline dbt build' once"
        )
        problem = f"events wait for {span(waiting)}, so the marts are old: {whose}"
    elif (ahead := _ahead(settings)) > AHEAD:
        problem = (
            f"load dates are {span(ahead)} ahead of the clock, because a commit had such a time: "
            "set the source's clock right. Until then current_* has what is committed, and a "
            "question as of now has not"
        )
    return Finding(
        "",
        text,
        problem,
        {
            "load_batch_id": number,
            "opened_at": opened,
            "closed_at": closed,
            "unread": unread,
            "unread_age": waiting,
            "unread_age_limit": limit,
        },
    )


def _ahead(settings: Settings) -> float:
    """Seconds from now to the newest load date; 0 where it has passed."""
    [(seconds,)] = Warehouse(settings).ask("""
        select coalesce(extract(epoch from max(to_load_date) - now())::float8, 0)
        from dwh_control.load_batch_range
        where to_load_date > now() and load_batch_id = (
            select max(load_batch_id) from dwh_control.load_batch where outcome = 'loaded'
        )
        """)
    return seconds


def data_as_of(settings: Settings) -> Finding:
    """Up to when the marts' data is, as the dashboards say it (dwh_marts.data_freshness)."""
    dwh = Warehouse(settings)
    rows = dwh.ask("""
        select opened_at, closed_at from dwh_control.load_batch where outcome = 'loaded'
        order by load_batch_id desc limit 1
        """)
    if not rows:
        return Finding("", "none", "nothing built yet: './airline dbt build'")
    [(opened, closed)] = rows
    [(newest,)] = dwh.ask("select dwh_control.newest_mart_row()")
    # How old it may be depends on the source too; what waits for a load is said at the load batch.
    return Finding(
        "",
        f"{opened.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {span(age(opened))} ago",
        values={
            "as_of": opened,
            "age": age(opened),
            # Without a table in presentation, its load batch counts.
            "newest_mart_row": newest or closed,
        },
    )
