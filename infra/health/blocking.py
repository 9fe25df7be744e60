"""Sessions that others wait for, in the warehouse and in the source."""

from __future__ import annotations

from infra.health.finding import Finding, span
from infra.settings import Settings
from infra.source.servers import Primary
from infra.warehouse.service import Warehouse

# Shorter waits are not reported, in seconds: a build holds its locks for less.
WORTH_A_LINE = 10

# Waiting sessions, and the session at the head of the queue: the one that waits for no other.
WAITING = f"""
with recursive waiting as (
    select pid as waiter, unnest(pg_blocking_pids(pid)) as blocker
    from pg_stat_activity
    where
        wait_event_type = 'Lock'
        and state_change < clock_timestamp() - interval '{WORTH_A_LINE} s'
), chain as (
    select waiter, blocker from waiting
    union
    select chain.waiter, waiting.blocker
    from chain inner join waiting on waiting.waiter = chain.blocker
)
select
    holder.pid,
    holder.usename,
    coalesce(nullif(holder.application_name, ''), 'no name'),
    extract(epoch from clock_timestamp() - holder.xact_start)::float8,
    array_agg(distinct waiter.usename || ' (' || waiter.pid || ')')
from chain
inner join pg_stat_activity as holder on holder.pid = chain.blocker
inner join pg_stat_activity as waiter on waiter.pid = chain.waiter
where not exists (select from waiting where waiting.waiter = chain.blocker)
group by 1, 2, 3, 4
order by 4 desc nulls last
"""


def blocking(settings: Settings) -> Finding:
    """Names each session that others wait for, how long its transaction is open, and who waits."""
    found = []
    for name, server in (("dwh", Warehouse(settings)), ("primary", Primary(settings))):
        for pid, user, program, seconds, waiters in server.server.query(WAITING):
            since = "" if seconds is None else f", its transaction open for {span(seconds)}"
            who = f"session {pid} of {name} ({user}, {program}{since})"
            found.append(f"{who} holds up {', '.join(waiters)}")
    problem = ""
    if found:
        end = "let it end its transaction, or end it: select pg_terminate_backend(pid)"
        problem = f"{'; '.join(found)}; {end}"
    return Finding("", f"{len(found)} sessions hold others up", problem, {"count": len(found)})
