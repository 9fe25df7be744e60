"""Files of a topic's log: where each begins, and how a new one is begun.

Kafka removes whole files, and never the one it writes to. A new file is begun by the first message
after `segment.ms`; a message that was never there, in a transaction that is aborted, is enough.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from infra.kafka import access
from infra.kafka.broker import Broker
from infra.settings import Settings
from infra.stack.journal import Journal

# Milliseconds after which a file is old enough, while new ones are begun.
SHORT = 100
SETTING = "segment.ms"
TRANSACTIONAL_ID = "airline-purge"
# The readers wait for an open transaction: one whose writer was killed ends after so long.
TRANSACTION_MS = 10_000


def begins(settings: Settings, partition: TopicPartition) -> list[int]:
    """The first offsets of the files with messages that a partition has on disk, in order; one that
    is being removed counts as long as it is there.
    """
    folder = Broker(settings).data / f"{partition.topic}-{partition.partition}"
    return sorted({int(file.name[:20]) for file in folder.glob("[0-9]" * 20 + ".log*")})


def begin_new(settings: Settings, partitions: Iterable[TopicPartition]) -> None:
    """Begins a new file of each partition, at or after its end. Nothing is read of what this
    writes.
    """
    wanted = list(partitions)
    topics = sorted({each.topic for each in wanted})
    _journal(settings).write(topics=topics)
    with closing(KafkaAdminClient(**access.client(settings))) as admin:
        admin.alter_configs(_topics(topics, {SETTING: str(SHORT)}))
    time.sleep(2 * SHORT / 1000)
    with closing(
        KafkaProducer(
            **access.client(settings),
            acks="all",
            transactional_id=TRANSACTIONAL_ID,
            transaction_timeout_ms=TRANSACTION_MS,
        )
    ) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        try:
            sent = [
                producer.send(each.topic, partition=each.partition, value=b"") for each in wanted
            ]
            for each in sent:
                each.get(timeout=TRANSACTION_MS / 1000)
        finally:
            producer.abort_transaction()
    restore(settings)


def left_short(settings: Settings) -> list[str]:
    """Topics of which somebody who was killed left the files short."""
    return (_journal(settings).read() or {}).get("topics", [])


def restore(settings: Settings) -> None:
    """Gives the topics that `begin_new` changed their files back as they were."""
    if topics := left_short(settings):
        with closing(KafkaAdminClient(**access.client(settings))) as admin:
            there = set(admin.list_topics())
            if known := [each for each in topics if each in there]:
                admin.reset_configs(_topics(known, {SETTING: None}))
        _journal(settings).end()


def _topics(names: Iterable[str], values: Mapping[str, Any]) -> list[ConfigResource]:
    return [ConfigResource(ConfigResourceType.TOPIC, name, dict(values)) for name in names]


def _journal(settings: Settings) -> Journal:
    return Journal(settings, "kafka-segments")
