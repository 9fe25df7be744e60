"""What is asked of the broker beside the events: which topic a name means now, and its end.

On a connection of its own: the consumer has one for events, and what it knows of topics may be
seconds old.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterable

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaConnectionError, KafkaError

_TIMEOUT = 5.0  # seconds


class Broker:
    """Answers questions of any thread, one at a time; KafkaError if the broker is away."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._client: KafkaAdminClient | None = None
        self._one_at_a_time = threading.Lock()

    def topic_ids(self, topics: Iterable[str]) -> dict[str, uuid.UUID]:
        """{topic: id} of those that exist. A recreated topic has another id, never an old one."""
        described = self._ask(lambda client: client.describe_topics(sorted(topics)))
        return {
            topic["name"]: uuid.UUID(str(topic["topic_id"]))
            for topic in described
            if not topic["error_code"]
        }

    def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """{partition: where a committed reader stands after the last event}."""
        asked = dict.fromkeys(partitions, OffsetSpec.LATEST)
        if not asked:
            return {}
        found = self._ask(
            lambda client: client.list_partition_offsets(
                asked, isolation_level="read_committed", timeout_ms=int(_TIMEOUT * 1000)
            )
        )
        return {partition: each.offset for partition, each in found.items()}

    def close(self) -> None:
        with self._one_at_a_time:
            self._drop()

    def _ask(self, question):
        with self._one_at_a_time:
            try:
                if self._client is None:
                    self._client = KafkaAdminClient(
                        bootstrap_servers=self._bootstrap.split(","),
                        client_id="airline-ingest-watch",
                        request_timeout_ms=int(_TIMEOUT * 1000),
                        bootstrap_timeout_ms=int(_TIMEOUT * 1000),
                        reconnect_backoff_max_ms=1000,
                    )
                return question(self._client)
            except KafkaError:
                # A fresh client next time: whatever state this one is in.
                self._drop()
                raise
            except (OSError, AssertionError) as error:
                # What the client lets through when a connection breaks at the wrong moment.
                self._drop()
                raise KafkaConnectionError(str(error)) from error

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close()
