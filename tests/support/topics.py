"""What is in the topics, read anew and by nothing of the project's own."""

from __future__ import annotations

from contextlib import closing

from kafka import KafkaConsumer, TopicPartition

from infra.kafka import access
from infra.settings import Settings


def topic_of(table: str) -> str:
    """The topic of a table of `staging`."""
    return "airline.transaction" if table == "transaction" else f"airline.public.{table}"


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
        consumer.seek(partition, 0)
        end = consumer.end_offsets([partition])[partition]
        offsets: set[int] = set()
        while consumer.position(partition) < end:
            for records in consumer.poll(1000).values():
                offsets.update(record.offset for record in records)
    return {offset for offset in offsets if offset < end}
