"""How models and tests ended last, whoever ran dbt, and which marts are old."""

from __future__ import annotations

from infra.alerts.trouble import Trouble
from infra.health.finding import Finding, age, span
from infra.parts.registry import parts
from infra.settings import Settings
from infra.warehouse.service import Warehouse

# A mart that is a table is built daily; hours, the same as in the alert MartsAreOld.
OLD = 26
# What Airflow tries again after 30, 60 and 120 seconds is nobody's work yet, in seconds.
RETRIED = 240.0
# After a night in which the stack was down, marts follow the loads by their DAGs in a few
# minutes. An owner is to know within five.
CATCHING_UP = 240.0
# Names in one line; the others are counted.
NAMED = 5

FAILING = """
select node_group, model_name, count(*), min(failing_since)
from dwh_control.node_result where failing_since is not null
group by node_group, model_name order by min(failing_since), model_name
"""
COUNTS = """
select
    count(*),
    max(ran_at),
    count(*) filter (where skipped_since is not null and failing_since is null and kind = 'model')
from dwh_control.node_result
"""
# Views hold nothing that could be old.
TABLES = """
schema_name in ('presentation', 'presentation_pii')
and kind = 'model'
and not exists (
    select from pg_catalog.pg_views where schemaname = schema_name and viewname = node_name
)
"""
# A mart is old where the vault has gone on without it: what nothing is loaded for stays true.
OLD_MARTS = f"""
select result.node_group, result.node_name, result.succeeded_at
from dwh_control.node_result as result
where
    {TABLES}
    and result.succeeded_at < now() - interval '{OLD} hours'
    and exists (
        select from dwh_control.load_batch as batch
        where batch.outcome = 'loaded' and batch.closed_at > result.succeeded_at
    )
order by result.succeeded_at, result.node_name
"""


def models_and_tests(settings: Settings) -> Finding:
    """What failed when it ran last, by model: a failure stays until the same has succeeded."""
    dwh = Warehouse(settings)
    failing = dwh.ask(FAILING)
    [(known, newest, skipped)] = dwh.ask(COUNTS)
    if not known:
        return Finding("", "none has run yet", values={"failing": [], "known": 0, "skipped": 0})
    held_up = f"; models not built, as they wait for one that fails: {skipped}"
    troubles = []
    for group, model, count, since in failing:
        what = f"{count} of its models and tests fail" if count > 1 else "it fails"
        troubles.append(
            Trouble(
                f"{group}: {model}",
                f"{model}: {what} since {span(age(since))}, whoever ran dbt: './airline dbt build "
                f"--select {model}' says why and, once it is mended, takes this back"
                + (held_up if skipped else ""),
                "models and tests",
                group,
                # Not what it is built on: dbt skips what follows a failed model, and nothing fails.
                ("locks", "version"),
                RETRIED,
            )
        )
    names = [model for _, model, _, _ in failing]
    problem = ""
    if names:
        shown = ", ".join(names[:NAMED]) + (
            f" and {len(names) - NAMED} more" * (len(names) > NAMED)
        )
        problem = (
            f"{shown} failed when run last: './airline dbt build --select {names[0]}' says why"
            + (held_up if skipped else "")
        )
    return Finding(
        "",
        f"{known:,} known, {len(failing)} models with failures, last run {span(age(newest))} ago",
        problem,
        {"failing": names, "known": known, "skipped": skipped},
        troubles=troubles,
    )


def marts(settings: Settings) -> Finding:
    """The marts that are tables: whether each was built since the vault has gone on."""
    dwh = Warehouse(settings)
    [(known, oldest)] = dwh.ask(
        f"select count(*), min(succeeded_at) from dwh_control.node_result where {TABLES}"
    )
    if not known:
        return Finding("", "no table yet", values={"old": [], "known": 0})
    old = dwh.ask(OLD_MARTS)
    todo = (
        "see their DAGs in Airflow's UI; by hand: './airline dbt build --select {}'"
        if "airflow" in parts(settings)
        else "nothing in this stack builds them by itself: './airline dbt build --select {}'"
    )
    by_group: dict[str, list[str]] = {}
    for group, name, built in old:
        by_group.setdefault(group, []).append(f"{name} ({span(age(built))} old)")
    problem = ""
    if old:
        problem = f"old: {', '.join(name for _, name, _ in old)}; " + todo.format(
            " ".join(name for _, name, _ in old)
        )
    return Finding(
        "",
        f"{known} tables" + (f", the oldest built {span(age(oldest))} ago" if oldest else ""),
        problem,
        {"old": [name for _, name, _ in old], "known": known},
        troubles=[
            Trouble(
                f"old marts of {group}",
                f"built before what is loaded now: {', '.join(names)}; "
                + todo.format(" ".join(each.split(" ")[0] for each in names)),
                "marts",
                group,
                (
                    f"{group}: *",
                    "DAG vault_load*",
                    "DAG marts_refresh",
                    "DAG *_mart",
                    "load batch",
                    "locks",
                ),
                CATCHING_UP,
            )
            for group, names in by_group.items()
        ],
    )
