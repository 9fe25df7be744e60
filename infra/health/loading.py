"""Load batches of the vault, and the marts that are built from it."""

from __future__ import annotations

from infra.cli import landing
from infra.cli.services import Warehouse
from infra.health.finding import Finding, age, span
from infra.settings import Settings

# An open batch, and events that nobody loads, are said after this many seconds.
LONG = 3600.0


def load_batch(settings: Settings) -> Finding:
    """The newest load batch, and whether what landed waits for a load too long."""
    rows = Warehouse(settings).server.query(
        """
        select load_batch_id, opened_at, closed_at, outcome from dwh_control.load_batch
        order by load_batch_id desc limit 1
        """,
        dbname=settings.dwh_db,
    )
    if not rows:
        return Finding("", "none yet")
    number, opened, closed, outcome = rows[0]
    unread, _ = landing.pending(settings)
    [(since,)] = Warehouse(settings).server.query(
        "select dwh_control.oldest_unread_event()", dbname=settings.dwh_db
    )
    waiting = age(since) if since else 0.0
    # Whoever has the vault loaded seldom knows that events wait.
    limit = max(LONG, 2 * 60.0 * settings.load_minutes)
    if closed is None:
        text = f"{number} open for {span(age(opened))}, {unread:,} offsets not loaded"
    else:
        text = f"{number} {outcome} {span(age(closed))} ago, {unread:,} offsets since"
    problem = ""
    if closed is None and age(opened) > LONG:
        problem = "a load failed or was killed: './airline dbt build' says what fails, loads again"
    elif waiting > limit:
        problem = (
            f"events wait for {span(waiting)}, so the marts are old: 'vault_load' is paused or "
            "fails, see Airflow's UI; './airline dbt build' loads them"
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


def newest_mart_row(settings: Settings) -> Finding:
    """When the newest row was written in the tables of `presentation`."""
    server = Warehouse(settings).server
    [(newest,)] = server.query("select dwh_control.newest_mart_row()", dbname=settings.dwh_db)
    if newest is None:
        # Tables without such a column: a closed batch is when they were built.
        [(newest,)] = server.query(
            "select max(closed_at) from dwh_control.load_batch where outcome = 'loaded'",
            dbname=settings.dwh_db,
        )
    if newest is None:
        return Finding("", "none", "nothing built yet: './airline dbt build'")
    return Finding("", f"{span(age(newest))} old", values={"at": newest, "age": age(newest)})
