"""Signals to the running connector: requests an ad-hoc snapshot, and waits for its notification."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Literal

from kafka import KafkaConsumer, TopicPartition

import catalogue
from infra.connect import connector
from infra.connect.connector import NOTIFICATION_TOPIC, SIGNAL_TOPIC, State
from infra.errors import AirlineError
from infra.kafka.broker import Broker
from infra.settings import Settings

# How long the connector may take to begin a requested snapshot, in seconds.
PATIENCE = 120


def snapshot(settings: Settings, tables: Iterable[str], say: Callable[[str], None]) -> None:
    """Has the running connector read the tables again; returns when all their rows are in Kafka.

    Streaming pauses meanwhile and continues from its position: nothing is missed or repeated.
    """
    before = Broker(settings).end_offsets([NOTIFICATION_TOPIC]).get((NOTIFICATION_TOPIC, 0), 0)
    collections = [f"public.{table}" for table in tables]
    signal = {
        "id": f"resync-{time.time_ns()}",
        "type": "execute-snapshot",
        "data": {"data-collections": collections, "type": "BLOCKING"},
    }

    def send() -> None:
        # The connector accepts only signals whose key is its name (topic prefix).
        Broker(settings).send(SIGNAL_TOPIC, [(catalogue.topic_prefix(), signal)])

    send()
    begun = was_away = False
    deadline = time.monotonic() + PATIENCE
    with closing(
        KafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            group_id=None,
        )
    ) as consumer:
        partition = TopicPartition(NOTIFICATION_TOPIC, 0)
        consumer.assign([partition])
        consumer.seek(partition, before)
        while True:
            for records in consumer.poll(500).values():
                for record in records:
                    notice = json.loads(record.value)
                    match notice.get("type"):
                        case "STARTED":
                            begun = True
                            say(f"reading {', '.join(collections)} anew")
                        case "COMPLETED" if begun:
                            return
                        # A starting connector also reports that it skips its initial snapshot.
                        case "ABORTED" | "SKIPPED" if begun:
                            raise AirlineError(
                                f"the connector {connector.NAME} gave the snapshot up",
                                "see './airline logs connect'; './airline resync' tries again",
                                json.dumps(notice),
                            )
            state = connector.state(settings)
            is_late = not begun and time.monotonic() > deadline
            match next_step(state, begun=begun, was_away=was_away, is_late=is_late):
                case "wait":
                    was_away |= state is not None and not state.is_running
                case "send":
                    send()
                    was_away = False
                    deadline = time.monotonic() + PATIENCE
                case "give up":
                    raise AirlineError(
                        f"the connector {connector.NAME} did not "
                        + ("finish the snapshot" if begun else "take the signal for a snapshot"),
                        "see './airline status' and './airline logs connect'; "
                        "'./airline resync' tries again",
                    )


def next_step(
    state: State | None, *, begun: bool, was_away: bool, is_late: bool
) -> Literal["wait", "send", "give up"]:
    """What the sender of a signal does next. `was_away`: since the signal was sent, the connector
    was seen starting; `is_late`: it had its time to begin.

    A connector that is starting, for its worker or the broker was lost just now, is waited for. It
    does not read what it was sent before: the signal is sent again.
    """
    if state is None or state.is_stopped or is_late:
        return "give up"
    if not state.is_running:
        return "give up" if begun else "wait"
    return "send" if was_away and not begun else "wait"
