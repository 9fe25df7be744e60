"""Queries to the broker: topic ids, log bounds, leader epochs, single records.

On a connection of its own: the consumer's metadata may be seconds old.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    OffsetOutOfRangeError,
    for_code,
)
from kafka.protocol.consumer import OffsetForLeaderEpochRequest

_TIMEOUT = 5.0  # seconds


class Broker:
    """Thread-safe; runs one query at a time. Raises KafkaError if the broker does not answer."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        """`client`: where Kafka is, and the login there, as kafka-python takes them."""
        self._access = client
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
        """{partition: end offset for a read_committed consumer}."""
        asked = dict.fromkeys(partitions, OffsetSpec.LATEST)
        if not asked:
            return {}
        found = self._ask(
            lambda client: client.list_partition_offsets(
                asked, isolation_level="read_committed", timeout_ms=int(_TIMEOUT * 1000)
            )
        )
        return {partition: each.offset for partition, each in found.items()}

    def bounds(
        self, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, tuple[int, int, int]]:
        """{partition: (first offset, end for a read_committed consumer, leader epoch)}."""
        asked = list(partitions)
        if not asked:
            return {}
        first, last = (
            self._ask(
                lambda client, spec=spec: client.list_partition_offsets(
                    dict.fromkeys(asked, spec),
                    isolation_level="read_committed",
                    timeout_ms=int(_TIMEOUT * 1000),
                )
            )
            for spec in (OffsetSpec.EARLIEST, OffsetSpec.LATEST)
        )
        return {
            each: (first[each].offset, last[each].offset, _number(last[each].leader_epoch))
            for each in asked
        }

    def epoch_ends(self, epochs: dict[TopicPartition, int]) -> dict[TopicPartition, int | None]:
        """{partition: offset at which the given leader epoch ended (the log's end if it has not)};
        None where the broker does not know the epoch.
        """
        if not epochs:
            return {}
        Topic = OffsetForLeaderEpochRequest.OffsetForLeaderTopic
        Partition = Topic.OffsetForLeaderPartition

        def ask(client: KafkaAdminClient) -> dict[TopicPartition, int | None]:
            # kafka-python sends this request for its consumers and has no public method for it.
            async def send() -> dict[TopicPartition, int | None]:
                found: dict[TopicPartition, int | None] = {}
                leaders = await client._async_get_leader_for_partitions(list(epochs))
                for leader, partitions in leaders.items():
                    topics = [
                        Topic(
                            topic=each.topic,
                            partitions=[
                                Partition(
                                    partition=each.partition,
                                    current_leader_epoch=-1,
                                    leader_epoch=epochs[each],
                                )
                            ],
                        )
                        for each in partitions
                    ]
                    answer = await client._manager.send(
                        OffsetForLeaderEpochRequest(replica_id=-1, topics=topics), node_id=leader
                    )
                    for topic in answer.topics:
                        for part in topic.partitions:
                            if part.error_code:
                                raise for_code(part.error_code)(topic.topic)
                            known = part.end_offset >= 0 and part.leader_epoch >= 0
                            found[TopicPartition(topic.topic, part.partition)] = (
                                part.end_offset if known else None
                            )
                return found

            return client._manager.run(send)

        return self._ask(ask)

    def records(
        self, offsets: dict[TopicPartition, int]
    ) -> dict[TopicPartition, ConsumerRecord | None]:
        """{partition: its record at the offset}; None where there is no record (any more)."""
        if not offsets:
            return {}
        found: dict[TopicPartition, ConsumerRecord | None] = {}
        try:
            with contextlib.closing(
                KafkaConsumer(
                    **self._access,
                    client_id="airline-ingest-proof",
                    group_id=None,
                    enable_auto_commit=False,
                    auto_offset_reset="none",
                    max_partition_fetch_bytes=64 << 10,
                    max_poll_records=1000,
                    bootstrap_timeout_ms=int(_TIMEOUT * 1000),
                )
            ) as consumer:
                consumer.assign(list(offsets))
                for partition, offset in offsets.items():
                    consumer.seek(partition, offset)
                deadline = time.monotonic() + _TIMEOUT
                while len(found) < len(offsets):
                    got = consumer.poll(100)
                    for partition in offsets.keys() - found.keys():
                        if records := got.get(partition):
                            is_it = records[0].offset == offsets[partition]
                            found[partition] = records[0] if is_it else None
                        elif consumer.position(partition) > offsets[partition]:
                            found[partition] = None  # Kafka's own transaction markers
                    consumer.pause(*found)
                    if time.monotonic() > deadline:
                        raise KafkaTimeoutError("the newest landed events cannot be read again")
        except OffsetOutOfRangeError as error:
            # The log was truncated after its bounds were read.
            raise KafkaConnectionError(str(error)) from error
        except (OSError, AssertionError) as error:
            raise KafkaConnectionError(str(error)) from error
        return found

    def close(self) -> None:
        with self._one_at_a_time:
            self._drop()

    def _ask(self, question):
        with self._one_at_a_time:
            try:
                if self._client is None:
                    self._client = KafkaAdminClient(
                        **self._access,
                        client_id="airline-ingest-watch",
                        request_timeout_ms=int(_TIMEOUT * 1000),
                        bootstrap_timeout_ms=int(_TIMEOUT * 1000),
                        reconnect_backoff_max_ms=1000,
                    )
                return question(self._client)
            except KafkaError:
                # The client's state is unknown: the next query makes a new one.
                self._drop()
                raise
            except (OSError, AssertionError) as error:
                # kafka-python raises these when a connection breaks at certain moments.
                self._drop()
                raise KafkaConnectionError(str(error)) from error

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close()


def _number(epoch: int | None) -> int:
    return -1 if epoch is None else epoch
