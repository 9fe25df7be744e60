"""All checks of a stack: the one list that `status`, `up`, metrics and alerts share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Set
from dataclasses import dataclass

import psycopg2
from kafka.errors import KafkaError

from infra.errors import AirlineError
from infra.health import (
    audits,
    blocking,
    commands,
    connector,
    dags,
    disk_space,
    forgetting,
    incomplete_transactions,
    landing,
    loading,
    log_continuity,
    messages,
    replication,
    results,
    resyncs,
    services,
    set_aside,
    slot,
    slot_continuity,
    source_tables,
    version,
    volume,
)
from infra.health.asking import ASKER
from infra.health.finding import Finding
from infra.parts.registry import parts
from infra.postgres import sessions
from infra.settings import Settings
from infra.stack.redaction import redacted
from infra.stack.waiting import wait_until

# How long a check may take, in seconds. All run concurrently, and only on services that answer:
# a longer one waits for a lock, or the machine is busy.
PATIENCE = 20.0
# How long a service may take to be well again before its owner is told, in seconds.
SETTLING = 120.0


@dataclass(frozen=True)
class Check:
    """One line of `status`. `needs`: services that must answer for the check to run. `settles`: it
    becomes healthy by itself after `up`; others need a person. `part`: an optional part of the
    stack, without which the line is left out. `because`: causes (patterns) of which a problem here
    is a mere consequence, besides the services that it needs.
    """

    name: str
    needs: frozenset[str]
    ask: Callable[[Settings], Finding]
    settles: bool = False
    part: str = "core"
    because: tuple[str, ...] = ()


def _check(
    name: str,
    ask: Callable[[Settings], Finding],
    *needs: str,
    settles: bool = False,
    part: str = "core",
    because: tuple[str, ...] = (),
) -> Check:
    return Check(name, frozenset(needs), ask, settles, part, because)


# What carries changes; where one of them is ill, others have nothing to do.
_WAY = ("service primary", "service replica", "service kafka", "service connect", "service dwh")
_INGESTERS = "service ingest*"


# A new check is a function in a module of this folder, and one line here.
CHECKS: tuple[Check, ...] = (
    _check("source tables", source_tables.source_tables, "primary"),
    _check("replication", replication.replication, "primary", "replica", settles=True),
    _check("slot", slot.slot, "primary", settles=True, because=(*_WAY, "connector", "replication")),
    _check("slot continuity", slot_continuity.slot_continuity, "primary", "kafka"),
    _check("resync due", resyncs.due, because=("connector", "source tables", "slot*")),
    _check("connector", connector.connector, "connect", settles=True, because=_WAY),
    _check("version", version.version, "dwh"),
    _check(
        "consumer lag",
        landing.consumer_lag,
        "kafka",
        "dwh",
        settles=True,
        because=("log continuity",),
    ),
    _check("log continuity", log_continuity.log_continuity, "dwh"),
    _check("landed", landing.landed, "dwh"),
    _check(
        "ingesters",
        landing.ingesters,
        settles=True,
        because=(*_WAY, _INGESTERS, "log continuity"),
    ),
    _check("dead letters", landing.dead_letters, "dwh"),
    _check("set aside", set_aside.set_aside, "dwh"),
    _check(
        "load batch",
        loading.load_batch,
        "dwh",
        because=("version", "data_vault: *", "DAG vault_load*", "DAGs", "locks"),
    ),
    _check(
        "transactions",
        incomplete_transactions.transactions,
        "dwh",
        because=(*_WAY, _INGESTERS, "ingesters", "connector"),
    ),
    _check("models and tests", results.models_and_tests, "dwh"),
    _check("marts", results.marts, "dwh"),
    _check("data as of", loading.data_as_of, "dwh"),
    _check("volume", volume.volume, "dwh", because=(*_WAY, _INGESTERS, "connector", "load batch")),
    _check("audit", audits.audit, "dwh", because=("source tables", "slot continuity")),
    _check("forgetting", forgetting.forgetting, "dwh"),
    _check("locks", blocking.blocking, "dwh", "primary"),
    _check("DAGs", dags.dags, "airflow-api-server", part="airflow"),
    _check("under way", commands.under_way),
    _check("disk space", disk_space.disk_space),
    _check(messages.NAME, messages.messages),
)


def examine(settings: Settings) -> tuple[list[Finding], list[Finding]]:
    """(findings of the services, of all other checks); for the screen and for the metrics."""
    found = services.services(settings)
    answering = {each.name for each in found if each.values["answers"]}
    return found, findings(settings, answering)


def findings(settings: Settings, answering: Set[str]) -> list[Finding]:
    """What each check says, where the services named `answering` can be asked."""
    checks = [check for check in CHECKS if check.part in parts(settings)]
    asked = {check.name: check for check in checks if check.needs <= answering}
    answers = ASKER.ask(
        {name: functools.partial(_ask, settings, check) for name, check in asked.items()}, PATIENCE
    )
    found = []
    for check in checks:
        if answer := answers.get(check.name):
            [finding] = answer
        elif check.name in asked:
            finding = _unknown(f"no answer within {PATIENCE:.0f} s")
        else:
            missing = tuple(sorted(check.needs - answering))
            finding = _unknown(f"{', '.join(missing)} not running or not answering")
            finding.awaits = missing
        finding.name = check.name
        found.append(finding)
    return found


def settle(settings: Settings, patience: float = 60) -> list[Finding]:
    """Waits until everything that `up` starts is healthy; returns what is not after `patience`
    seconds.

    A part that is ready may still be reconnecting to a service that restarted: an ingester to
    Kafka, a replica to the primary.
    """
    settling = {check.name for check in CHECKS if check.settles}
    unwell: list[Finding] = []

    def is_well() -> bool:
        found, others = examine(settings)
        wanted = found + [each for each in others if each.name in settling]
        unwell[:] = [each for each in wanted if each.problem]
        return not unwell

    wait_until(is_well, patience, every=0.5)
    return unwell


def _unknown(why: str) -> Finding:
    return Finding("", "unknown", why, is_known=False)


def _ask(settings: Settings, check: Check) -> Finding:
    try:
        return check.ask(settings)
    except psycopg2.errors.UndefinedTable:
        return Finding("", "nothing yet", "its tables are not made: './airline up'")
    except psycopg2.Error as error:
        return _unknown(sessions.reason(error))
    except (KafkaError, AirlineError, OSError) as error:
        return _unknown((str(error).strip() or type(error).__name__).split("\n")[0])
    except Exception as error:
        # A bug in a check must not hide the results of the others.
        return _unknown(f"the check failed: {redacted(repr(error))}")
