"""The connector's stored position, read from a real broker as Connect writes it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from infra.connect import connector, slot_gap
from infra.connect.slot_gap import Slot
from tests.integration.conftest import PATIENCE

OURS = [connector.NAME, {"server": "airline"}]
PARTITION = 3


@pytest.fixture
def topic(kafka_broker, monkeypatch) -> str:
    """An offsets topic of the test's own, with five partitions as Connect makes it."""
    name = f"offsets-{time.time_ns()}"
    monkeypatch.setattr(slot_gap, "OFFSETS_TOPIC", name)
    with closing(KafkaAdminClient(**kafka_broker.client)) as admin:
        admin.create_topics([NewTopic(name, 5, 1)])
        admin.wait_for_topics([name])
    return name


@contextmanager
def transaction(
    kafka_broker, topic: str, *offsets: dict | None, key=OURS
) -> Iterator[KafkaProducer]:
    """An open transaction of Kafka's in which a connector stores these positions; over where `with`
    ends, if it was committed or aborted by then.
    """
    with closing(
        KafkaProducer(
            **kafka_broker.client,
            transactional_id=f"connect-{time.time_ns()}",
        )
    ) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        for offset in offsets:
            value = None if offset is None else json.dumps(offset).encode()
            producer.send(topic, key=json.dumps(key).encode(), value=value, partition=PARTITION)
        producer.flush()
        yield producer
    # Kafka says that it is over before its marker is there.
    deadline = time.monotonic() + PATIENCE
    while _end(kafka_broker, topic, "read_committed") < _end(
        kafka_broker, topic, "read_uncommitted"
    ):
        assert time.monotonic() < deadline, "the transaction's marker does not come"
        time.sleep(0.05)


def _end(kafka_broker, topic: str, isolation_level: str) -> int:
    """Offset after the last event, as a reader of this kind sees it."""
    partition = TopicPartition(topic, PARTITION)
    with closing(
        KafkaConsumer(
            **kafka_broker.client,
            isolation_level=isolation_level,
        )
    ) as consumer:
        return consumer.end_offsets([partition])[partition]


def store(kafka_broker, topic: str, *offsets: dict | None, key=OURS) -> None:
    with transaction(kafka_broker, topic, *offsets, key=key) as producer:
        producer.commit_transaction()


def at(lsn: int, commit: int | None = None, **more) -> dict:
    return {"lsn": lsn, "lsn_proc": lsn, "lsn_commit": commit or lsn, "txId": 7, **more}


def test_the_newest_committed_position_is_read(kafka_broker, topic):
    """What was never committed counts as stored, and a gap before it is hidden;
    or a position is not found behind others' and markers, and a gap is said that is none.
    """
    settings = kafka_broker.broker.settings
    assert slot_gap._stored(settings) == (None, 0)
    store(kafka_broker, topic, at(100), at(200))
    assert slot_gap._stored(settings) == (200, 0)
    # A transaction that began before a commit that is done.
    store(kafka_broker, topic, at(250), at(210, commit=250))
    assert slot_gap._stored(settings) == (250, 0)
    with transaction(kafka_broker, topic, at(900)) as producer:
        assert slot_gap._stored(settings) == (250, 900)
        producer.abort_transaction()
    assert slot_gap._stored(settings) == (250, 0)
    others = [at(number) for number in range(10_000, 10_000 + 2 * slot_gap.FIRST_LOOK)]
    store(kafka_broker, topic, *others, key=["other", {"server": "other"}])
    assert slot_gap._stored(settings) == (250, 0)


def test_without_a_position_nothing_is_compared(kafka_broker, topic):
    """A resync, or the first snapshot, is called a gap."""
    settings = kafka_broker.broker.settings
    store(kafka_broker, topic, at(100), at(110, snapshot="INITIAL"))
    assert slot_gap._stored(settings) == (None, 0)
    store(kafka_broker, topic, at(120))
    assert slot_gap._stored(settings) == (120, 0)
    store(kafka_broker, topic, None)
    assert slot_gap._stored(settings) == (None, 0)


def test_a_gap_is_kept_until_it_is_forgotten(kafka_broker, topic, monkeypatch):
    """The connector goes on, and nobody remembers that changes were skipped; or
    a commit that others cannot read yet is called a gap.

    A real slot cannot be put at a place of choice.
    """
    settings = kafka_broker.broker.settings
    slot_gap.forget(settings)
    confirmed = {"now": 100}
    monkeypatch.setattr(slot_gap, "COMMIT_PATIENCE", 0.5)
    monkeypatch.setattr(slot_gap, "slot", lambda _: Slot(None, confirmed["now"]))
    store(kafka_broker, topic, at(100))
    assert slot_gap.look(settings) is None
    confirmed["now"] = 150
    with transaction(kafka_broker, topic, at(150)) as producer:
        # Committed for its producer, it may say so to the slot before we see it.
        assert slot_gap.look(settings) is None
        producer.abort_transaction()
    found = slot_gap.look(settings)
    assert (found.stored, found.confirmed) == (100, 150)
    assert "./airline resync" in str(found)
    store(kafka_broker, topic, at(200))
    assert slot_gap.look(settings) == found
    slot_gap.forget(settings)
    assert slot_gap.look(settings) is None


def test_the_watch_compares_whenever_a_gap_may_have_come(monkeypatch, kafka_broker):
    """A connector that goes on hides a gap, or Kafka is asked every two seconds
    for days.
    """
    looks: list[Slot] = []
    now = {"slot": Slot(7, 100)}
    monkeypatch.setattr(slot_gap, "slot", lambda _: now["slot"])
    monkeypatch.setattr(slot_gap, "look", lambda _: looks.append(now["slot"]))
    watch = slot_gap.Watch(kafka_broker.broker.settings)
    # At the first look, when nobody reads it, when that moves, and when somebody reads again.
    for slot in (Slot(7, 100), Slot(None, 100), Slot(None, 120), Slot(8, 120)):
        now["slot"] = slot
        watch.look()
        watch.look()
        assert looks[-1] == slot
    assert len(looks) == 4
    now["slot"] = Slot(8, 300)
    watch.look()
    assert len(looks) == 4
