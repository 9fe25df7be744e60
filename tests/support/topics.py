"""What is in the topics, read anew and by nothing of the project's own."""

from __future__ import annotations

from contextlib import closing

from kafka import KafkaConsumer, TopicPartition

from infra.kafka import access
from infra.settings import Settings


def topic_of(table: str) -> str:
    """The topic of a table of `staging`."""
    return "airline.transaction" if table == "transaction" else f"airline.public.{table}"


def first_offset(settings: Settings, table: str) -> int:
    """Where a topic's log begins."""
    with closing(KafkaConsumer(**access.client(settings), group_id=None)) as consumer:
        partition = TopicPartition(topic_of(table), 0)
        return consumer.beginning_offsets([partition])[partition]


def topic_offsets(settings: Settings, table: str) -> set[int]:
    """Offsets of the committed events and tombstones in a topic, read anew from its start.

    Markers of Kafka's own transactions take offsets too, and are no events.
    """
    topic = topic_of(table)
    with closing(
        KafkaConsumer(
            **access.client(settings),
            isolation_level="read_committed",
            enable_auto_commit=False,
            group_id=None,
            max_partition_fetch_bytes=16 << 20,
        )
    ) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek(partition, consumer.beginning_offsets([partition])[partition])
        end = consumer.end_offsets([partition])[partition]
        offsets: set[int] = set()
        while consumer.position(partition) < end:
            for records in consumer.poll(1000).values():
                offsets.update(record.offset for record in records)
    return {offset for offset in offsets if offset < end}
