"""The connector `airline-connector`: registers, stops and restarts it, and reads its state."""

from __future__ import annotations

import json
import re
import string
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

import catalogue
from infra.connect import last_failure, worker
from infra.errors import AirlineError
from infra.kafka import access
from infra.kafka.access import NOTIFICATION_TOPIC, SIGNAL_TOPIC
from infra.kafka.broker import Broker
from infra.settings import PUBLICATION, Settings
from infra.settings import SLOT as SLOT
from infra.stack.waiting import wait_until

NAME = access.CONNECTOR
# Prefix of messages in the source's log that are marks, and no events.
HEARTBEAT = "airline-heartbeat"
# Settings that determine which changes are captured, and their format.
CAPTURE = frozenset(
    (
        "connector.class",
        "database.dbname",
        "decimal.handling.mode",
        "exactly.once.support",
        "plugin.name",
        "publication.autocreate.mode",
        "publication.name",
        "skipped.operations",
        "slot.name",
        "snapshot.mode",
        "table.include.list",
        "tombstones.on.delete",
        "topic.prefix",
        "provide.transaction.metadata",
    )
)
# Set by earlier versions of this project, without an effect: no change was left out by it.
FORMER = frozenset(("logical.decoding.message.prefix.exclude.list", "database.password"))
TEMPLATE = Path(__file__).with_name("connector.json")
# Debezium's messages when the slot starts after the connector's stored position, or is lost.
POSITION_GONE = "no longer available on the server"
LOST_PLACE = (
    "the slot no longer has what comes after the connector's stored position: './airline resync' "
    "reads all rows anew"
)
# How long a connector may take to run, in seconds.
PATIENCE = 120


@dataclass(frozen=True)
class State:
    """The connector's state in Connect. `task` is None where it has none; `trace` is of the
    failure.
    """

    connector: str
    task: str | None
    trace: str

    @property
    def reason(self) -> str:
        """The first line of the trace."""
        return self.trace.split("\n")[0]

    @property
    def is_running(self) -> bool:
        return self.connector == "RUNNING" and self.task == "RUNNING"

    @property
    def is_failed(self) -> bool:
        return "FAILED" in (self.connector, self.task)

    @property
    def has_lost_its_place(self) -> bool:
        """Whether the slot no longer has the changes after the stored position: a restart does not
        help.
        """
        return POSITION_GONE in self.trace

    @property
    def is_paused(self) -> bool:
        return self.connector == "PAUSED"

    @property
    def is_stopped(self) -> bool:
        return self.connector == "STOPPED" and self.task is None


def configuration(settings: Settings) -> dict[str, str]:
    """The connector's configuration. No password is in it: the worker's drivers have them."""
    template = string.Template(TEMPLATE.read_text())
    # A regular expression, in JSON.
    transactions = json.dumps(re.escape(catalogue.topic(catalogue.TRANSACTION)))
    return json.loads(
        template.substitute(
            host=settings.host,
            primary_port=settings.primary_port,
            source_db=settings.source_db,
            topic_partitions=settings.topic_partitions,
            tables=",".join(f"public.{table}" for table in catalogue.names()),
            publication=PUBLICATION,
            slot=SLOT,
            topic_prefix=catalogue.topic_prefix(),
            transaction_topic=transactions,
            bootstrap=settings.kafka_bootstrap,
            signal_topic=SIGNAL_TOPIC,
            notification_topic=NOTIFICATION_TOPIC,
            signal_group=access.SIGNAL_GROUP,
            mechanism=access.MECHANISM,
            heartbeat=HEARTBEAT,
            message_bytes=settings.message_bytes,
        )
    )


def register(settings: Settings) -> bool:
    """Registers the connector, or again where its configuration changed. Returns whether it did."""
    wanted = configuration(settings)
    # One partition each, because their order matters.
    Broker(settings).make_topics((SIGNAL_TOPIC, NOTIFICATION_TOPIC))
    there = _ask(settings, "GET", "/config", missing=None)
    if there is not None and {key: there[key] for key in there if key != "name"} == wanted:
        return False
    Broker(settings).limit_messages(f"{catalogue.topic_prefix()}.")
    _ask(settings, "PUT", "/config", wanted)
    last_failure.forget(settings)
    return True


def captures_otherwise(settings: Settings, seconds: float = 100) -> list[str]:
    """Names of its settings that make it capture other changes than ours; [] also if it is not
    registered. Ports, sizes and the like are not compared.
    """
    there = _ask(settings, "GET", "/config", missing=None, seconds=seconds)
    if there is None:
        return []
    wanted = configuration(settings)
    named = there.keys() - wanted.keys() - FORMER - {"name"}
    return sorted(
        named | {key for key in wanted if key in CAPTURE and there.get(key) != wanted[key]}
    )


def state(settings: Settings, seconds: float = 100) -> State | None:
    """Its state, or None where it is not registered. Raises AirlineError if Connect does not
    answer in so many seconds (twice as many where it has no state of the connector yet).
    """
    reply = _ask(settings, "GET", "/status", missing=None, seconds=seconds)
    if reply is None:
        # A worker that has just started, or has just been assigned the connector, has no state of
        # it yet, and may not know yet whether it is registered.
        there = _ask(settings, "GET", "", missing=None, seconds=seconds)
        return None if there is None else State("UNASSIGNED", None, "")
    tasks = reply.get("tasks", [])
    traces = [each.get("trace", "") for each in (reply["connector"], *tasks)]
    return State(
        reply["connector"]["state"],
        tasks[0]["state"] if tasks else None,
        "\n".join(trace for trace in traces if trace),
    )


def state_in_the_long_run(settings: Settings, seconds: float = 100) -> State | None:
    """As `state`; but where it fails again after each start, that of the failure, although it may
    run at the moment.
    """
    now = state(settings, seconds)
    if now is not None and now.is_running and (failed := last_failure.read(settings)):
        return State(**failed)
    return now


def wait_until_running(settings: Settings) -> None:
    """Waits for connector and task to be RUNNING; a failed one is restarted once."""
    now: State | None = None
    restarted = False

    def is_running() -> bool:
        nonlocal now, restarted
        now = state(settings)
        if now is not None and now.is_failed:
            if restarted:
                raise AirlineError(
                    f"the connector {NAME} failed (connector {now.connector}, task {now.task})",
                    LOST_PLACE
                    if now.has_lost_its_place
                    else "mend what its trace names below, then run './airline up' again; "
                    "'./airline logs connect' has more",
                    _short(now.trace),
                )
            restart_failed(settings)
            restarted = True
            time.sleep(2)
        if now is not None and now.is_stopped:
            raise AirlineError(
                f"the connector {NAME} was stopped, by a resync that did not end or by a person",
                "'./airline resync' makes source and vault equal again and starts it",
            )
        return now is not None and now.is_running

    wait_until(
        is_running,
        PATIENCE,
        lambda: AirlineError(
            f"the connector {NAME} is not running after {PATIENCE} s"
            + (f" (connector {now.connector}, task {now.task})" if now else ""),
            "see './airline logs connect'; './airline up' waits again",
        ),
    )


def restart_failed(settings: Settings, seconds: float = 100) -> None:
    """Requests a restart of the connector and its task if they failed; done asynchronously."""
    _ask(settings, "POST", "/restart?includeTasks=true&onlyFailed=true", seconds=seconds)


def position(settings: Settings) -> tuple[int, bool]:
    """(LSN up to which all events are in Kafka, whether a snapshot is in progress)."""
    reply = _ask(settings, "GET", "/offsets", missing={"offsets": []})
    for each in reply["offsets"]:
        offset: dict[str, Any] = each.get("offset") or {}
        if "lsn" in offset:
            return int(offset["lsn"]), bool(offset.get("snapshot"))
    return 0, True


def stop(settings: Settings) -> None:
    """Stops the connector and waits until its task is gone. A worker that restarts leaves it so.

    The task's last transaction is in Kafka completely or not at all.
    """
    _ask(settings, "PUT", "/stop")
    wait_until(
        lambda: (now := state(settings)) is not None and now.is_stopped,
        PATIENCE,
        lambda: AirlineError(
            f"the connector {NAME} does not stop",
            "see './airline logs connect'; the same command goes on from here",
        ),
    )


def resume(settings: Settings) -> None:
    """Starts a stopped connector again; returns when the worker has begun to."""
    last_failure.forget(settings)
    _ask(settings, "PUT", "/resume")
    wait_until(
        lambda: (now := state(settings)) is None or not now.is_stopped,
        PATIENCE,
        lambda: AirlineError(
            f"the connector {NAME} does not start",
            "see './airline logs connect'; the same command goes on from here",
        ),
    )


def forget_position(settings: Settings) -> None:
    """Deletes the stored position of a stopped connector: at its next start it takes a snapshot.

    Connect fences a former task that may still run before it does so.
    """
    _ask(settings, "DELETE", "/offsets")


def forget(settings: Settings) -> None:
    """Takes the connector off the worker, if it is there. Its offsets stay. Raises AirlineError if
    the worker still knows it after PATIENCE seconds.
    """
    _ask(settings, "DELETE", "", missing=None)
    # The worker answers before it has processed the request, so the connector still seems to run.
    wait_until(
        lambda: state(settings) is None,
        PATIENCE,
        lambda: AirlineError(
            f"Kafka Connect still has the connector {NAME} after {PATIENCE} s",
            "see './airline logs connect', then try again",
        ),
    )


def _short(trace: str) -> str:
    lines = [line for line in trace.splitlines() if not line.startswith("\tat ")]
    return "\n".join(lines[:20])


def _is_of_no_worker(answer: requests.Response) -> bool:
    """Whether this 404 comes from the web server and not from the worker, whose own 404 is JSON.
    The server listens while the worker still scans its plugins: for a minute on a busy machine.
    """
    kind = answer.headers.get("Content-Type", "")
    return answer.status_code == 404 and not kind.startswith("application/json")


def _is_of_a_worker_that_settles(answer: requests.Response) -> bool:
    """Whether the worker is taking up a changed configuration, or what it is to run: it says 409,
    and of some requests that it failed.
    """
    return answer.status_code == 409 or (
        answer.status_code == 500 and "a rebalance is expected" in answer.text
    )


def _ask(
    settings: Settings,
    method: str,
    path: str,
    body: Any = None,
    *,
    missing: Any = ...,
    # A restarted worker answers only after it has joined its group; it gives up by itself, with a
    # reason, after 90 s.
    seconds: float = 100,
) -> Any:
    """The worker's answer. `missing` is returned for a connector that is not there."""
    url = f"{settings.connect_url}/connectors/{NAME}{path}"
    answer = requests.Response()

    def is_settled() -> bool:
        nonlocal answer
        try:
            answer = requests.request(
                method, url, json=body, timeout=seconds, auth=worker.login(settings)
            )
        except requests.RequestException as error:
            raise AirlineError(
                f"Kafka Connect does not answer on {settings.connect_url}",
                "see './airline status' and './airline logs connect'",
                str(error),
            ) from None
        if answer.status_code == 401:
            raise AirlineError(
                f"Kafka Connect on {settings.connect_url} does not take the stack's password",
                "'./airline up' gives it to the worker; if another program listens there, end it",
            )
        return not _is_of_a_worker_that_settles(answer) and not _is_of_no_worker(answer)

    wait_until(is_settled, min(60, seconds), every=0.5)
    if _is_of_no_worker(answer):
        raise AirlineError(
            f"Kafka Connect is still starting on {settings.connect_url}",
            "wait a minute and try again; './airline logs connect' says how far it is",
        )
    if answer.status_code == 404 and missing is not ...:
        return missing
    if not answer.ok:
        try:
            message = answer.json().get("message", answer.text)
        except ValueError:
            message = answer.text
        raise AirlineError(
            f"Kafka Connect refuses {method} {path or NAME} of {NAME} ({answer.status_code})",
            "see its answer below and './airline logs connect'",
            _short(message),
        )
    return answer.json() if answer.content else None
