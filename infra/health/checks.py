"""All that is asked of a stack: the one list that `status`, `up`, metrics and alerts share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg2
from kafka.errors import KafkaError

from infra.cli.registry import registry
from infra.errors import AirlineError
from infra.health import (
    commands,
    connector,
    disk_space,
    incomplete_transactions,
    landing,
    loading,
    replication,
    services,
    slot,
)
from infra.health.finding import Finding
from infra.settings import Settings

# How long all checks together may take to answer, in seconds.
PATIENCE = 60.0


@dataclass(frozen=True)
class Check:
    """One line of `status`. `needs`: services without which there is nothing to ask. `settles`: it
    gets well by itself after `up`; the others are for a person to mend.
    """

    name: str
    needs: frozenset[str]
    ask: Callable[[Settings], Finding]
    settles: bool = False


def _check(
    name: str, ask: Callable[[Settings], Finding], *needs: str, settles: bool = False
) -> Check:
    return Check(name, frozenset(needs), ask, settles)


# A new check is a function in a module of this folder, and one line here.
CHECKS: tuple[Check, ...] = (
    _check("replication", replication.replication, "primary", "replica", settles=True),
    _check("slot", slot.slot, "primary", settles=True),
    _check("connector", connector.connector, "connect", settles=True),
    _check("consumer lag", landing.consumer_lag, "kafka", "dwh", settles=True),
    _check("landed", landing.landed, "dwh"),
    _check("ingesters", landing.ingesters, "ingest", settles=True),
    _check("dead letters", landing.dead_letters, "dwh"),
    _check("load batch", loading.load_batch, "dwh"),
    _check("transactions", incomplete_transactions.transactions, "dwh"),
    _check("newest mart row", loading.newest_mart_row, "dwh"),
    _check("under way", commands.under_way),
    _check("disk space", disk_space.disk_space),
)


def examine(settings: Settings, *, supervised: bool = True) -> tuple[list[Finding], list[Finding]]:
    """(the services, everything else) as they are now; for the screen and for the metrics.

    In containers the services are not `supervised`: then each is asked as if it ran.
    """
    found = services.services(settings) if supervised else []
    running = {each.name for each in found if not each.problem}
    if not supervised:
        running = {each.name for each in registry(settings)}
    return found, _ask_all(settings, running)


def settle(settings: Settings, patience: float = 60) -> list[Finding]:
    """Waits until all that `up` starts is well; returns what is not after `patience` seconds.

    A part that is ready may still be getting over the absence of another: an ingester that
    outlived Kafka asks for it again after seconds, a replica reconnects.
    """
    settling = {check.name for check in CHECKS if check.settles}
    deadline = time.monotonic() + patience
    while True:
        found, findings = examine(settings)
        wanted = found + [each for each in findings if each.name in settling]
        unwell = [each for each in wanted if each.problem]
        if not unwell or time.monotonic() > deadline:
            return unwell
        time.sleep(0.5)


def _ask_all(settings: Settings, running: set[str]) -> list[Finding]:
    """What every check finds. All at once: a server that says nothing keeps only those waiting
    that ask it, and those no longer than PATIENCE.
    """
    answers: dict[str, Finding] = {}

    def ask(check: Check) -> None:
        try:
            answers[check.name] = _ask(settings, running, check)
        except Exception as error:
            answers[check.name] = Finding(check.name, "unknown", f"{type(error).__name__}: {error}")
            raise

    # Daemons: one that hangs must not keep the program from ending.
    threads = [threading.Thread(target=ask, args=(check,), daemon=True) for check in CHECKS]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    silent = f"no answer within {PATIENCE:.0f} s from what it asks"
    return [
        answers.get(check.name) or Finding(check.name, "unknown", silent + _named(check.needs))
        for check in CHECKS
    ]


def _named(needs: frozenset[str]) -> str:
    return f" ({', '.join(sorted(needs))})" if needs else ""


def _ask(settings: Settings, running: set[str], check: Check) -> Finding:
    missing = sorted(check.needs - running)
    if missing:
        return Finding(check.name, "unknown", f"{', '.join(missing)} not running")
    try:
        finding = check.ask(settings)
    except psycopg2.errors.UndefinedTable:
        finding = Finding("", "nothing yet", "its tables are not made: './airline up'")
    except (psycopg2.Error, KafkaError, AirlineError, OSError) as error:
        said = (str(error).strip() or type(error).__name__).split("\n")[0]
        finding = Finding("", "unknown", said)
    finding.name = check.name
    return finding
