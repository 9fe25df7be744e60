"""Events on their way from Kafka into `staging`, and the ingesters that bring them."""

from __future__ import annotations

from typing import Any

import requests

from infra.cli import dead_letters as kept
from infra.cli import landing
from infra.cli.services import Ingest, Warehouse
from infra.health.finding import Finding, age, span
from infra.settings import TABLES, Settings


def consumer_lag(settings: Settings) -> Finding:
    by_topic = landing.lag(settings)
    total = sum(by_topic.values())
    late = ", ".join(f"{topic} {lag:,}" for topic, lag in sorted(by_topic.items()) if lag)
    # Lag alone is no illness: it is how much there is to do.
    return Finding(
        "", f"{total:,}{f' ({late})' if late else ''}", values={"total": total, "topics": by_topic}
    )


def landed(settings: Settings) -> Finding:
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
    last = f", last {span(age(newest))} ago" if newest else ""
    return Finding("", f"about {total:,} events{last}", values={"rows": counts, "newest": newest})


def ingesters(settings: Settings) -> Finding:
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
        text += f", last event landed {span(min(stale))} ago"
    return Finding("", text, "; ".join(problems), values)


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
