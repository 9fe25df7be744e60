"""Landing: consumer lag, deleted topics, and the health of the ingesters."""

from __future__ import annotations

import functools
from typing import Any

import requests
from kafka.errors import KafkaError

import catalogue
from infra.health.asking import ASKER
from infra.health.finding import Finding, age, span
from infra.kafka.broker import Broker
from infra.loading import landing
from infra.loading.ingesters import Ingest
from infra.repair import dead_letters as kept
from infra.settings import Settings
from infra.warehouse.service import Warehouse

# How long Kafka or an ingester may take for an answer, in seconds.
PATIENCE = 7.0


def consumer_lag(settings: Settings) -> Finding:
    by_topic = landing.lag(settings, PATIENCE)
    total = sum(by_topic.values())
    late = ", ".join(f"{topic} {lag:,}" for topic, lag in sorted(by_topic.items()) if lag)
    gone = sorted(
        {
            topic
            for (topic, _), offset in landing.landed_offsets(settings).items()
            if offset and topic in settings.topics and topic not in by_topic
        }
    )
    problem = ""
    if gone:
        problem = (
            f"Kafka has no topic {', '.join(gone)} any more, of which events have landed: its next "
            "events would get offsets that are taken; './airline reset', then 'up'"
        )
    # Lag alone is no problem: it is the amount of work left.
    return Finding(
        "",
        f"{total:,}{f' ({late})' if late else ''}",
        problem,
        {"total": total, "topics": by_topic, "missing_topics": gone},
    )


def landed(settings: Settings) -> Finding:
    # Exact counts of large tables take long; the statistics are near enough for a screen.
    rows = Warehouse(settings).ask("""
        select relname, n_live_tup from pg_stat_user_tables
        where schemaname = 'staging' and relname <> 'ingest_offset'
        """)
    counts = {name: count for name, count in rows if name in catalogue.landed()}
    newest = Warehouse(settings).ask("select max(updated_at) from staging.ingest_offset")[0][0]
    total = sum(counts[name] for name in counts if name != "transaction")
    last = f", last {span(age(newest))} ago" if newest else ""
    return Finding("", f"about {total:,} events{last}", values={"rows": counts, "newest": newest})


def ingesters(settings: Settings) -> Finding:
    """The health that each ingester reports, and whether each partition is assigned."""
    urls = {
        each.name: f"http://{settings.host}:{settings.port(each.ports[0])}/health"
        for each in Ingest.instances(settings)
    }
    answers = ASKER.ask(
        {f"health of {name}": functools.partial(_health, url) for name, url in urls.items()}
        | {"partitions": lambda: _partitions(settings)},
        PATIENCE + 1,
    )
    problems: list[str] = []
    health: dict[str, Any] = {}
    stale: list[float] = []
    for name, url in urls.items():
        [says] = answers[f"health of {name}"] or (None,)
        health[name] = says
        if says is None:
            problems.append(f"{name} does not answer on {url}")
            continue
        problems += [f"{name}: {each}" for each in says["problems"]]
        if says["seconds_since_last_event"] is not None:
            stale.append(says["seconds_since_last_event"])
    owned = {name: set(each["partitions"]) for name, each in health.items() if each}
    [there] = answers["partitions"] or (None,)
    taken = set().union(*owned.values())
    values: dict[str, Any] = {"partitions": len(taken), **health}
    if there is not None:
        values["unassigned"] = sorted(there - taken)
        problems += _unread(owned, there, taken, len(health))
    text = f"{len(health)} with {len(taken)} partitions"
    if there is not None:
        text = f"{len(health)} with {len(taken)} of {len(there)} partitions"
    if stale:
        text += f", last event landed {span(min(stale))} ago"
    return Finding("", text, "; ".join(problems), values)


def _health(url: str) -> dict[str, Any] | None:
    """An ingester's answer to /health; None if it does not answer."""
    try:
        # 503 is a valid answer: it names the problems.
        return requests.get(url, timeout=PATIENCE).json()
    except (requests.RequestException, ValueError):
        return None


def _partitions(settings: Settings) -> set[str] | None:
    """`topic:partition` of all partitions to be read, in the ingesters' format; None if Kafka does
    not answer.
    """
    try:
        ends = Broker(settings).end_offsets(settings.topics, PATIENCE)
    except (KafkaError, OSError, AssertionError):
        return None
    return {f"{topic}:{number}" for topic, number in ends}


def _unread(
    owned: dict[str, set[str]], there: set[str], taken: set[str], ingesters: int
) -> list[str]:
    """Problems of the assignment: partitions without an ingester, ingesters without a partition.
    During a rebalance, for seconds, some partitions are unassigned: that is reported too.
    """
    problems = []
    if missing := sorted(there - taken):
        named = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        problems.append(
            f"{len(missing)} of {len(there)} partitions are read by nobody ({named}): where that "
            "stays, './airline logs ingest' says why"
        )
    elif ingesters <= len(there):
        problems += [
            f"{name} has none of {len(there)} partitions, others have them all"
            for name, partitions in owned.items()
            if not partitions
        ]
    return problems


def dead_letters(settings: Settings) -> Finding:
    waiting, late = kept.counts(settings)
    problems = []
    if waiting:
        problems.append("see './airline dead-letters'")
    if late:
        advice = kept.advice(settings)
        problems.append(f"{late:,} replayed behind the load batches: {advice}")
    return Finding(
        "", f"{waiting:,}", "; ".join(problems), {"count": waiting, "replayed_late": late}
    )
