"""How far the change events have come: source → Kafka → staging."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2

from infra.connect import connector
from infra.errors import AirlineError
from infra.kafka.broker import Broker
from infra.settings import Settings
from infra.warehouse import figures_dsn

# Without any progress for this long, waiting is given up; in seconds.
PATIENCE = 180
# A failed connector is started again by itself (infra/connect/auto_restart.py). For so long that is
# waited for, in seconds: several tries of it.
FAILED_PATIENCE = 30


Offsets = dict[tuple[str, int], int]


@dataclass(frozen=True)
class Look:
    """What is seen at one moment: whether Debezium has passed the mark, and (topic, partition) ->
    offset in Kafka (`ends`, read after that) and in staging (`landed`). `state` asks Connect.
    """

    passed: bool
    ends: Offsets
    landed: Offsets
    state: Callable[[], connector.State | None]


def lag(settings: Settings, seconds: float = 30) -> dict[str, int]:
    """Topic -> offsets that are in Kafka and not in staging. Topics that exist only.

    Each answer of the broker may take so many `seconds`, or KafkaError is raised.
    """
    ends = Broker(settings).end_offsets(settings.topics, seconds)
    landed = landed_offsets(settings)
    result: dict[str, int] = {}
    for (topic, partition), end in ends.items():
        result[topic] = result.get(topic, 0) + max(0, end - landed.get((topic, partition), 0))
    return result


def landed_offsets(settings: Settings, dsn: str | None = None) -> dict[tuple[str, int], int]:
    """(topic, partition) -> next offset to land. `dsn`: of the warehouse, as any role that may read
    this.
    """
    rows = _ask(
        dsn or figures_dsn(settings),
        "select topic, kafka_partition, next_offset from staging.ingest_offset",
    )
    return {(topic, partition): offset for topic, partition, offset in rows}


def wait_until_landed(
    settings: Settings,
    say: Callable[[str], None],
    source_dsn: str | None = None,
    warehouse_dsn: str | None = None,
) -> int:
    """Waits until everything committed at the source before this call is in staging.

    The connection strings are of any role that may log in to the primary, and of one that may read
    the landed offsets.
    Returns how many offsets (events, tombstones and transaction markers) have landed in all.
    """
    # A mark in the WAL: once Debezium has passed it, everything before it is in Kafka.
    [(mark,)] = _ask(
        source_dsn or settings.dsn("primary"),
        f"select pg_logical_emit_message(false, '{connector.HEARTBEAT}', '', true) - '0/0'::pg_lsn",
    )

    def see(before: Look | None) -> Look:
        return look(
            before,
            int(mark),
            position=lambda: connector.position(settings),
            ends=lambda: Broker(settings).end_offsets(settings.topics),
            landed=lambda: landed_offsets(settings, warehouse_dsn),
            state=lambda: connector.state_in_the_long_run(settings),
        )

    return follow(see, say, lambda state, passed: _give_up(settings, state, passed))


def look(
    before: Look | None,
    mark: int,
    *,
    position: Callable[[], tuple[int, bool]],
    ends: Callable[[], Offsets],
    landed: Callable[[], Offsets],
    state: Callable[[], connector.State | None],
) -> Look:
    """One look for `mark`, an LSN, after the look `before`. `position` asks for the LSN that
    Debezium has processed and whether it is in a snapshot.
    """
    if before is not None and before.passed:
        # Later traffic does not lengthen the wait.
        return Look(True, before.ends, landed(), state)
    lsn, in_snapshot = position()
    # `ends` is asked after the position: when that is past the mark, they contain all events
    # before it.
    return Look(lsn >= mark and not in_snapshot, ends(), landed(), state)


def follow(
    look: Callable[[Look | None], Look],
    say: Callable[[str], None],
    give_up: Callable[[connector.State | None, bool], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Looks until everything before the mark has landed; returns how many offsets have in all.

    `look` gets what was seen before. `give_up` raises an error; it is called when the connector is
    gone, stopped, or failed for FAILED_PATIENCE, or when nothing has moved for PATIENCE seconds.
    """
    seen: Look | None = None
    before: object = None
    deadline = reported = clock()
    failed_since: float | None = None
    while True:
        seen = look(seen)
        done = sum(min(seen.landed.get(key, 0), end) for key, end in seen.ends.items())
        if seen.passed and done == sum(seen.ends.values()):
            return sum(seen.landed.values())
        now = clock()
        if (done, seen.ends) != before:
            before, deadline = (done, dict(seen.ends)), now + PATIENCE
        if now - reported > 5:
            reported = now
            say(f"landed {done:,} of {sum(seen.ends.values()):,}{'' if seen.passed else ' so far'}")
        state = seen.state()
        if state is None or not state.is_failed:
            failed_since = None
        elif failed_since is None:
            failed_since = now
        stays_failed = failed_since is not None and now - failed_since >= FAILED_PATIENCE
        if state is None or stays_failed or state.is_stopped or now > deadline:
            give_up(state, seen.passed)
        sleep(0.3)


def wait_until_staged(
    settings: Settings, ends: dict[tuple[str, int], int], say: Callable[[str], None]
) -> None:
    """Waits until staging has everything before `ends`; the connector need not run."""
    before = -1
    deadline = reported = time.monotonic()
    while True:
        landed = landed_offsets(settings)
        done = sum(min(landed.get(key, 0), end) for key, end in ends.items())
        if done == sum(ends.values()):
            return
        now = time.monotonic()
        if done != before:
            before, deadline = done, now + PATIENCE
        if now - reported > 5:
            reported = now
            say(f"landed {done:,} of {sum(ends.values()):,}")
        if now > deadline:
            raise _no_progress("staging is behind Kafka", "ingest")
        time.sleep(0.3)


def _ask(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    """Its rows, by a session of its own."""
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def _give_up(settings: Settings, state: connector.State | None, passed: bool) -> None:
    if state is None:
        raise AirlineError(
            f"the connector {connector.NAME} is gone", "'./airline up' registers it again"
        )
    if state.is_stopped:
        raise AirlineError(
            f"the connector {connector.NAME} is stopped, so no change comes",
            "'./airline resync' makes source and vault equal and starts it",
        )
    if state.is_failed:
        raise AirlineError(
            f"the connector {connector.NAME} failed while events were on their way",
            connector.LOST_PLACE
            if state.has_lost_its_place
            else "mend what its trace names, then './airline up'; nothing is lost",
            "\n".join(state.trace.splitlines()[:12]),
        )
    if passed:
        raise _no_progress("staging is behind Kafka", "ingest")
    raise _no_progress("Debezium is behind the source", "connect")


def _no_progress(where: str, service: str) -> AirlineError:
    return AirlineError(
        f"no change event came further for {PATIENCE} s ({where})",
        f"see './airline status' and './airline logs {service}'; './airline up' goes on from there",
    )
