"""What landed goes from Kafka's disk, with a real broker and a real ingester."""

from __future__ import annotations

from contextlib import closing, suppress

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from infra.errors import AirlineError
from infra.kafka import segments
from infra.subject import kafka_purge
from infra.subject.look import look
from infra.subject.needles import Needles

SECRET = "RU 7712345678"


@pytest.fixture
def kafka(pipeline):
    """The settings of the stack that the broker is of."""
    return pipeline.kafka.broker.settings


def produce(pipeline, table: str, first: int, last: int, secret: str = SECRET) -> None:
    pipeline.produce(
        table,
        [
            (b'{"id": %d}' % n, b'{"n": %d, "who": "%s"}' % (n, secret.encode()))
            for n in range(first, last)
        ],
    )


def on_disk(pipeline, table: str) -> list[str]:
    needles = Needles([("document", SECRET)])
    return [
        found.told(file.parent)
        for folder in pipeline.kafka.broker.data.glob(f"{pipeline.topic(table)}-*")
        for file in sorted(folder.iterdir())
        for found in look(file, needles)
    ]


def stored(pipeline):
    return lambda: {
        (topic, number): offset
        for topic, number, offset in pipeline.sql(
            "select topic, kafka_partition, next_offset from staging.ingest_offset"
        )
    }


def purge(pipeline, kafka, *tables: str):
    return kafka_purge.purge(kafka, [pipeline.topic(each) for each in tables], stored(pipeline))


def numbers(pipeline, table: str) -> list[int]:
    return [value["n"] for *_, value in pipeline.landed(table)]


def test_what_landed_is_on_no_disk_and_landing_goes_on(pipeline, kafka):
    """The bytes stay, or the ingester refuses a log that begins later."""
    produce(pipeline, "flights", 0, 50)
    produce(pipeline, "seats", 0, 5)
    ingester = pipeline.start()
    pipeline.wait_landed("flights")
    pipeline.wait_landed("seats")
    # The search can fail.
    assert on_disk(pipeline, "flights")
    end = pipeline.end_offset("flights")
    counts = purge(pipeline, kafka, "flights")
    assert on_disk(pipeline, "flights") == []
    assert on_disk(pipeline, "seats")
    assert counts[f"Kafka: {pipeline.topic('flights')}"] >= end
    assert segments.left_short(kafka) == []
    produce(pipeline, "flights", 50, 60)
    pipeline.wait_landed("flights")
    # A new one, and one that goes on behind a broker that was killed.
    assert ingester.terminate() == 0
    pipeline.forget_producers()
    pipeline.kafka.kill()
    pipeline.kafka.start()
    produce(pipeline, "flights", 60, 65)
    pipeline.start()
    pipeline.wait_landed("flights")
    assert numbers(pipeline, "flights") == list(range(65))
    assert pipeline.sql("select topic from staging.ingest_offset where refusal is not null") == []


def test_what_has_not_landed_stays(pipeline, kafka, monkeypatch):
    """An event that only Kafka has would be lost."""
    produce(pipeline, "flights", 0, 20)
    ingester = pipeline.start()
    pipeline.wait_landed("flights")
    assert ingester.terminate() == 0
    produce(pipeline, "flights", 20, 30)
    monkeypatch.setattr(kafka_purge, "PATIENCE", 15)
    with pytest.raises(AirlineError, match="has landed up to"):
        purge(pipeline, kafka, "flights")
    assert on_disk(pipeline, "flights")
    pipeline.start()
    pipeline.wait_landed("flights")
    monkeypatch.setattr(kafka_purge, "PATIENCE", 180)
    purge(pipeline, kafka, "flights")
    assert on_disk(pipeline, "flights") == []
    assert numbers(pipeline, "flights") == list(range(30))


def test_an_event_in_a_transaction_that_is_open_lands(pipeline, kafka):
    """A purge between its event and its commit takes it away."""
    produce(pipeline, "flights", 0, 5)
    pipeline.start()
    pipeline.wait_landed("flights")
    producer = pipeline.producer(transactional_id=pipeline.name)
    producer.init_transactions()
    producer.begin_transaction()
    topic = pipeline.topic("flights")
    producer.send(topic, key=b'{"id": 5}', value=b'{"n": 5, "who": "%s"}' % SECRET.encode()).get(30)
    asked = []

    def landed():
        asked.append(stored(pipeline)())
        if len(asked) == 5:
            producer.commit_transaction()
        return asked[-1]

    kafka_purge.purge(kafka, [topic], landed)
    assert len(asked) > 5
    assert on_disk(pipeline, "flights") == []
    assert numbers(pipeline, "flights") == list(range(6))


def test_whoever_is_killed_leaves_what_the_next_one_mends(pipeline, kafka, monkeypatch):
    """Files stay short for ever, or a transaction that was left open holds landing up."""
    produce(pipeline, "flights", 0, 5)
    pipeline.start()
    pipeline.wait_landed("flights")
    topic = pipeline.topic("flights")

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    monkeypatch.setattr(segments.KafkaProducer, "abort_transaction", killed)
    with pytest.raises(Killed):
        purge(pipeline, kafka, "flights")
    monkeypatch.undo()
    assert segments.left_short(kafka) == [topic]
    assert setting(kafka, topic) == str(segments.SHORT)
    produce(pipeline, "flights", 5, 8)
    purge(pipeline, kafka, "flights")
    assert on_disk(pipeline, "flights") == []
    assert segments.left_short(kafka) == []
    assert setting(kafka, topic) != str(segments.SHORT)
    produce(pipeline, "flights", 8, 10)
    pipeline.wait_landed("flights")
    assert numbers(pipeline, "flights") == list(range(10))


def test_a_broker_that_is_killed_meanwhile(pipeline, kafka):
    """An event is lost or landed twice, or the bytes stay."""
    produce(pipeline, "flights", 0, 200)
    pipeline.start()
    pipeline.wait_landed("flights")
    asked = []

    def landed():
        asked.append(True)
        if len(asked) == 2:
            pipeline.forget_producers()
            pipeline.kafka.kill()
            pipeline.kafka.start()
        return stored(pipeline)()

    with suppress(KafkaError, OSError, AssertionError):
        kafka_purge.purge(kafka, [pipeline.topic("flights")], landed)
    produce(pipeline, "flights", 200, 210)
    pipeline.wait_landed("flights")
    purge(pipeline, kafka, "flights")
    assert on_disk(pipeline, "flights") == []
    assert numbers(pipeline, "flights") == list(range(210))


def setting(kafka, topic: str) -> str | None:
    from infra.kafka import access

    resource = ConfigResource(ConfigResourceType.TOPIC, topic, {segments.SETTING: None})
    with closing(KafkaAdminClient(**access.client(kafka))) as admin:
        told = admin.describe_configs([resource], config_filter="all")
    values = next(iter(told.values()))[topic]
    return values[segments.SETTING]["value"]
