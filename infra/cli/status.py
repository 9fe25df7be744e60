"""`status`: one screen on a stack that may be whole, half dead or not there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg2
import requests
from kafka.errors import KafkaError

from infra.cli import dead_letters, landing, packages
from infra.cli.journal import VERBS, Journal
from infra.cli.progress import aligned
from infra.cli.registry import registry
from infra.cli.services import Ingest, Primary, Replica, Warehouse
from infra.cli.supervision import RUNNING, Supervisor
from infra.connect import connector
from infra.errors import AirlineError
from infra.settings import TABLES, Settings

# A slot that keeps this share of max_slot_wal_keep_size is said before it is lost.
ALARMING_SHARE = 0.5
# An open batch, and events that nobody loads, are said after this many seconds.
LONG = 3600.0
# What gets well by itself after `up`, beside the services; the rest is for a person to mend.
SETTLING = ("replication", "slot", "connector", "consumer lag", "ingesters")


@dataclass
class Finding:
    """One line of the screen. `values` are for programs, `text` for people; `problem` '' if
    well.
    """

    name: str
    text: str = ""
    problem: str = ""
    values: dict[str, Any] = field(default_factory=dict)


def examine(settings: Settings, *, supervised: bool = True) -> tuple[list[Finding], list[Finding]]:
    """(the services, everything else) as they are now; for the screen and for the metrics.

    In containers the services are not `supervised`: then each is asked as if it ran.
    """
    services = _services(settings) if supervised else []
    running = {each.name for each in services if not each.problem}
    if not supervised:
        running = {each.name for each in registry(settings)}
    checks: list[tuple[str, set[str], Callable[[Settings], Finding]]] = [
        ("replication", {"primary", "replica"}, _replication),
        ("slot", {"primary"}, _slot),
        ("connector", {"connect"}, _connector),
        ("consumer lag", {"kafka", "dwh"}, _lag),
        ("landed", {"dwh"}, _landed),
        ("ingesters", {"ingest"}, _ingesters),
        ("dead letters", {"dwh"}, _dead_letters),
        ("load batch", {"dwh"}, load_batch),
        ("newest mart row", {"dwh"}, _newest_mart_row),
        ("under way", set(), _under_way),
    ]
    return services, [_check(settings, running, *check) for check in checks]


def settle(settings: Settings, patience: float = 60) -> list[Finding]:
    """Waits until all that `up` starts is well; returns what is not after `patience` seconds.

    A part that is ready may still be getting over the absence of another: an ingester that
    outlived Kafka asks for it again after seconds, a replica reconnects.
    """
    deadline = time.monotonic() + patience
    while True:
        services, findings = examine(settings)
        wanted = services + [each for each in findings if each.name in SETTLING]
        unwell = [each for each in wanted if each.problem]
        if not unwell or time.monotonic() > deadline:
            return unwell
        time.sleep(0.5)


def status(settings: Settings, *, as_json: bool) -> int:
    """Prints the state of everything; returns 1 where anything is unhealthy."""
    services, findings = examine(settings)
    findings.append(Finding("AutomateDV", packages.in_use(), values={"in_use": packages.in_use()}))
    healthy = not any(each.problem for each in (*services, *findings))
    if as_json:
        print(
            json.dumps(
                {
                    "healthy": healthy,
                    "home": str(settings.home),
                    "services": {each.name: _plain(each) for each in services},
                    "checks": {each.name: _plain(each) for each in findings},
                },
                default=str,
            )
        )
    else:
        _print(settings, services, findings, healthy)
    return 0 if healthy else 1


def _plain(finding: Finding) -> dict[str, Any]:
    told = asdict(finding)
    return {"problem": told["problem"] or None, **told["values"]}


def _print(
    settings: Settings, services: list[Finding], findings: list[Finding], healthy: bool
) -> None:
    rows = [
        tuple(each.values[key] for key in ("state", "pid", "uptime", "restarts", "port"))
        for each in services
    ]
    table = [
        (each.name, state, pid or "", _span(uptime) if pid else "", str(restarts), port or "")
        for each, (state, pid, uptime, restarts, port) in zip(services, rows, strict=True)
    ]
    print(aligned(table, ("service", "state", "pid", "uptime", "restarts", "port"), ""))
    print()
    for each in findings:
        print(f"{each.name:<17}{each.text}{'  ← ' + each.problem if each.problem else ''}")
    print(f"\n{'healthy' if healthy else 'not healthy'} ({settings.home})")
    if not healthy and any(each.problem for each in services):
        print("'./airline up' starts what does not run; './airline logs SERVICE' says why it ended")


def _services(settings: Settings) -> list[Finding]:
    states = Supervisor(settings).states()
    findings = []
    for service in registry(settings):
        state = states.get(service.name)
        port = settings.port(service.ports[0]) if service.ports else None
        values = {
            "state": state.state if state else "STOPPED",
            "pid": state.pid if state else 0,
            "uptime": round(state.uptime) if state else 0,
            "restarts": state.restarts if state else 0,
            "port": port,
        }
        problem = "" if values["state"] == RUNNING else "not running"
        findings.append(Finding(service.name, values["state"], problem, values))
    return findings


def _check(
    settings: Settings,
    running: set[str],
    name: str,
    needs: set[str],
    ask: Callable[[Settings], Finding],
) -> Finding:
    missing = sorted(needs - running)
    if missing:
        return Finding(name, "unknown", f"{', '.join(missing)} not running")
    try:
        finding = ask(settings)
    except psycopg2.errors.UndefinedTable:
        finding = Finding(name, "nothing yet", "its tables are not made: './airline up'")
    except (psycopg2.Error, KafkaError, AirlineError, OSError) as error:
        finding = Finding(
            name, "unknown", (str(error).strip() or type(error).__name__).split("\n")[0]
        )
    finding.name = name
    return finding


def _replication(settings: Settings) -> Finding:
    rows = Primary(settings).server.query(
        """
        select
            state,
            pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint,
            coalesce(extract(epoch from replay_lag), 0)::float
        from pg_stat_replication where application_name = 'airline_replica'
        """
    )
    if not rows:
        return Finding(
            "",
            "no replica is connected",
            "CDC waits for it; see './airline logs replica', './airline up' starts or remakes it",
        )
    state, lag_bytes, lag_seconds = rows[0]
    [(synced,)] = Replica(settings).server.query(
        f"select count(*) from pg_replication_slots where slot_name = '{connector.SLOT}' and synced"
    )
    values = {"state": state, "lag_bytes": lag_bytes, "lag_seconds": lag_seconds}
    problem = "" if state == "streaming" else "not streaming yet; see './airline logs replica'"
    text = f"{state}, {_size(lag_bytes)} behind, {lag_seconds:.1f} s"
    if synced:
        text += ", slot synchronised"
    return Finding("", text, problem, values | {"slot_synchronised": bool(synced)})


def _slot(settings: Settings) -> Finding:
    rows = Primary(settings).server.query(
        f"""
        select
            active,
            pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint,
            wal_status,
            pg_size_bytes(nullif(current_setting('max_slot_wal_keep_size'), '-1'))
        from pg_replication_slots where slot_name = '{connector.SLOT}'
        """
    )
    if not rows:
        return Finding(
            "",
            f"no slot {connector.SLOT}",
            "'./airline up' registers the connector; where it was before, './airline resync'",
        )
    active, retained, wal_status, limit = rows[0]
    share = (retained or 0) / limit if limit else 0.0
    problem = "" if active else "nobody reads it: see './airline logs connect', then './airline up'"
    if wal_status == "lost":
        problem = "its WAL is gone, changes were missed: './airline resync' finds all of them"
    elif wal_status == "unreserved" or share >= ALARMING_SHARE:
        problem = (
            f"it keeps {share:.0%} of what it may before it is lost: "
            + ("whoever reads it is slow" if active else "nobody reads it")
            + ", see './airline logs connect'"
        )
    return Finding(
        "",
        f"{connector.SLOT} {'active' if active else 'inactive'}, retains {_size(retained or 0)}"
        + (f" of at most {_size(limit)}" if limit else ""),
        problem,
        {
            "active": active,
            "retained_bytes": retained,
            "limit_bytes": limit,
            "wal_status": wal_status,
        },
    )


def _connector(settings: Settings) -> Finding:
    state = connector.state(settings)
    if state is None:
        return Finding("", "not registered", "'./airline up' registers it")
    return Finding(
        "",
        f"{state.connector}, task {state.task or 'none'}",
        _why_not(settings, state),
        {"connector": state.connector, "task": state.task},
    )


def _why_not(settings: Settings, state: connector.State) -> str:
    """Why the connector does not run, and what to do; '' where it does."""
    if state.is_running:
        return ""
    if state.is_stopped:
        return "stopped: './airline resync' makes source and vault equal and starts it"
    if "RecordTooLargeException" in state.trace:
        return (
            f"a row is larger than a message of {settings.message_mb} MiB may be: raise "
            "AIRLINE_MESSAGE_MB and run './airline up'; nothing is skipped"
        )
    said = state.reason[:120] or "not running"
    return (
        f"{said}; the service auto-restart tries again within a minute, "
        "'./airline logs connect' has more"
    )


def _lag(settings: Settings) -> Finding:
    by_topic = landing.lag(settings)
    total = sum(by_topic.values())
    late = ", ".join(f"{topic} {lag:,}" for topic, lag in sorted(by_topic.items()) if lag)
    # Lag alone is no illness: it is how much there is to do.
    return Finding(
        "", f"{total:,}{f' ({late})' if late else ''}", values={"total": total, "topics": by_topic}
    )


def _landed(settings: Settings) -> Finding:
    # Exact counts of large tables take long; the statistics are near enough for a screen.
    rows = Warehouse(settings).server.query(
        """
        select relname, n_live_tup from pg_stat_user_tables
        where schemaname = 'staging' and relname <> 'ingest_offset'
        """,
        dbname=settings.dwh_db,
    )
    counts = {name: count for name, count in rows if name in (*TABLES, "transaction")}
    newest = Warehouse(settings).server.query(
        "select max(updated_at) from staging.ingest_offset", dbname=settings.dwh_db
    )[0][0]
    total = sum(counts[name] for name in counts if name != "transaction")
    age = f", last {_span(_age(newest))} ago" if newest else ""
    return Finding("", f"about {total:,} events{age}", values={"rows": counts, "newest": newest})


def _ingesters(settings: Settings) -> Finding:
    """What each ingester says of its health; the services' lines say whether it runs at all."""
    problems: list[str] = []
    values: dict[str, Any] = {}
    stale: list[float] = []
    for ingester in Ingest.instances(settings):
        url = f"http://{settings.host}:{settings.port(ingester.ports[0])}/health"
        try:
            # 503 is an answer too: it says what is wrong.
            told = requests.get(url, timeout=5).json()
        except (requests.RequestException, ValueError):
            values[ingester.name] = None
            problems.append(f"{ingester.name} does not answer on {url}")
            continue
        values[ingester.name] = told
        problems += [f"{ingester.name}: {each}" for each in told["problems"]]
        if told["seconds_since_last_event"] is not None:
            stale.append(told["seconds_since_last_event"])
    owned = sum(len(each["partitions"]) for each in values.values() if each)
    text = f"{len(values)} with {owned} partitions"
    if stale:
        text += f", last event landed {_span(min(stale))} ago"
    return Finding("", text, "; ".join(problems), values)


def _dead_letters(settings: Settings) -> Finding:
    waiting, late = dead_letters.counts(settings)
    problems = []
    if waiting:
        problems.append("see './airline dead-letters'")
    if late:
        advice = dead_letters.advice(settings)
        problems.append(f"{late:,} replayed behind the load batches: {advice}")
    return Finding(
        "", f"{waiting:,}", "; ".join(problems), {"count": waiting, "replayed_late": late}
    )


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
    waiting = _age(since) if since else 0.0
    # Whoever has the vault loaded seldom knows that events wait.
    limit = max(LONG, 2 * 60.0 * settings.load_minutes)
    if closed is None:
        text = f"{number} open for {_span(_age(opened))}, {unread:,} offsets not loaded"
    else:
        text = f"{number} {outcome} {_span(_age(closed))} ago, {unread:,} offsets since"
    problem = ""
    if closed is None and _age(opened) > LONG:
        problem = "a load failed or was killed: './airline dbt build' says what fails, loads again"
    elif waiting > limit:
        problem = (
            f"events wait for {_span(waiting)}, so the marts are old: 'vault_load' is paused or "
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


def _newest_mart_row(settings: Settings) -> Finding:
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
    return Finding("", f"{_span(_age(newest))} old", values={"at": newest, "age": _age(newest)})


def _under_way(settings: Settings) -> Finding:
    """A command of several steps that was begun and has not ended."""
    verbs = [verb for verb in VERBS if Journal(settings, verb).read() is not None]
    problem = "; ".join(
        f"unless it runs just now, './airline {verb}' goes on from where it was" for verb in verbs
    )
    return Finding("", ", ".join(verbs) or "nothing", problem, {"verbs": verbs})


def _age(moment: datetime) -> float:
    return (datetime.now(UTC) - moment).total_seconds()


def _span(seconds: float) -> str:
    whole = max(0, int(seconds))
    for size, unit, low, sub in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // low}{sub}"
    return f"{whole}s"


def _size(count: int) -> str:
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GB"
