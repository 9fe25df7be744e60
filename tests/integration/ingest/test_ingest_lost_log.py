"""The broker lost the end of a log, and goes on with other events at the same offsets."""

from __future__ import annotations

import json

import pytest

from infra.warehouse import layout
from tests.support.power_cut import cut_tail

pytestmark = pytest.mark.slow


def events(first: int, last: int) -> list[tuple[bytes, bytes]]:
    return [
        (b'{"id": %d}' % n, b'{"n": %d, "long": "%s"}' % (n, b"x" * 90)) for n in range(first, last)
    ]


def numbers(pipeline, table: str) -> list[int]:
    return [value["n"] for _, _, _, value in pipeline.landed(table)]


def lose_tail(pipeline, table: str, size: int = 1000) -> int:
    """Ends the broker as a power cut would; starts it again and returns where the log ends now."""
    before = pipeline.end_offset(table)
    # It would count on its events that are lost, and be refused.
    pipeline.forget_producers()
    pipeline.kafka.kill()
    cut_tail(pipeline.kafka.broker.data, pipeline.topic(table), size)
    pipeline.kafka.start()
    after = pipeline.end_offset(table)
    assert 0 < after < before
    return after


def refusals(pipeline) -> dict[str, str]:
    return dict(
        pipeline.sql("SELECT topic, refusal FROM staging.ingest_offset WHERE refusal IS NOT NULL")
    )


def produce_one_by_one(pipeline, table: str, first: int, last: int) -> None:
    """A batch each, so that a cut leaves most of them."""
    for event in events(first, last):
        pipeline.produce(table, [event])


@pytest.mark.parametrize("is_running", [True, False])
def test_a_log_that_lost_its_end_is_refused_also_when_it_has_grown(pipeline, is_running):
    """Events of the new log would be skipped without a word, or the other tables stand still."""
    produce_one_by_one(pipeline, "flights", 0, 30)
    pipeline.produce("ticket_flights", events(0, 5))
    ingester = pipeline.start(metrics_port=19464)
    pipeline.wait_landed("flights")
    pipeline.wait_landed("ticket_flights")
    if not is_running:
        assert ingester.terminate() == 0
    lose_tail(pipeline, "flights")
    pipeline.produce("flights", events(100, 150))
    assert pipeline.end_offset("flights") > 30
    if not is_running:
        ingester = pipeline.start(metrics_port=19464)
    pipeline.wait(lambda: refusals(pipeline))
    pipeline.produce("ticket_flights", events(5, 10))
    pipeline.wait_landed("ticket_flights")
    topic = pipeline.topic("flights")
    # The second where the running ingester looked before the log had grown.
    said = refusals(pipeline)[topic]
    assert "lost events" in said or (is_running and "lost the end of this log" in said)
    assert list(refusals(pipeline)) == [topic]
    assert numbers(pipeline, "flights") == list(range(30))
    assert pipeline.stored("flights") == 30
    assert ingester.is_alive()
    code, body = ingester.ask("/health")
    assert code == 503
    assert topic in json.loads(body)["problems"][0]
    assert (
        f'airline_ingest_refused{{partition="0",topic="{topic}"}} 1.0'
        in ingester.ask("/metrics")[1]
    )
    # Somebody decides.
    pipeline.sql(
        "UPDATE staging.ingest_offset SET next_offset = %s, leader_epoch = NULL,"
        " last_offset = NULL WHERE topic = %s",
        pipeline.end_offset("flights"),
        topic,
    )
    pipeline.produce("flights", events(200, 205))
    pipeline.wait_landed("flights")
    assert numbers(pipeline, "flights") == [*range(30), *range(200, 205)]
    assert refusals(pipeline) == {}
    pipeline.wait(lambda: ingester.ask("/health")[0] == 200)


def test_a_log_that_lost_its_end_is_known_by_its_events_alone(pipeline):
    """Where Kafka's own notes of its leaders are lost as well, the log would pass for the same."""
    produce_one_by_one(pipeline, "flights", 0, 30)
    ingester = pipeline.start()
    pipeline.wait_landed("flights")
    assert ingester.terminate() == 0
    lose_tail(pipeline, "flights")
    pipeline.produce("flights", events(100, 150))
    pipeline.sql("UPDATE staging.ingest_offset SET leader_epoch = 1000")
    ingester = pipeline.start()
    pipeline.wait(lambda: refusals(pipeline))
    assert "is not the one that landed" in refusals(pipeline)[pipeline.topic("flights")]


def test_a_log_that_lost_markers_only_is_known_by_its_leaders(pipeline):
    """New events would come where markers of transactions were, and be skipped without a word."""
    producer = pipeline.producer(transactional_id=pipeline.name)
    producer.init_transactions()
    topic = pipeline.create_topic("flights")
    for key, value in events(0, 10):
        producer.begin_transaction()
        producer.send(topic, key=key, value=value)
        producer.commit_transaction()
    ingester = pipeline.start()
    # With the last marker, of which Kafka tells late.
    pipeline.wait_landed("flights", 20)
    assert ingester.terminate() == 0
    lose_tail(pipeline, "flights", size=20)
    pipeline.produce("flights", events(100, 150))
    ingester = pipeline.start()
    pipeline.wait(lambda: refusals(pipeline))
    assert numbers(pipeline, "flights") == list(range(10))


def test_a_broker_that_is_killed_and_lost_nothing_is_read_on(pipeline):
    """A power cut that cost nothing would stop landing until a resync."""
    producer = pipeline.producer(transactional_id=pipeline.name)
    producer.init_transactions()
    topic = pipeline.create_topic("flights")
    ingester = pipeline.start()
    pipeline.wait(lambda: ingester.events("assigned"))
    for first in range(0, 40, 10):
        producer.begin_transaction()
        for key, value in events(first, first + 10):
            producer.send(topic, key=key, value=value)
        producer.commit_transaction()
        # The topic's end is late: Kafka says that a transaction is committed before it is.
        pipeline.wait(lambda first=first: pipeline.count("flights") == first + 10)
        pipeline.kafka.kill()
        pipeline.kafka.start()
    pipeline.wait(lambda: len(ingester.events("assigned")) > 1)
    assert ingester.terminate() == 0
    assert ingester.events("refused") == []
    assert numbers(pipeline, "flights") == list(range(40))


def test_positions_of_an_earlier_version_gain_the_proof(pipeline):
    """A stack that was made before would be refused, or never know its log again."""
    produce_one_by_one(pipeline, "flights", 0, 10)
    assert pipeline.start("--init-only").wait() == 0
    pipeline.sql(
        "ALTER TABLE staging.ingest_offset DROP COLUMN leader_epoch, DROP COLUMN last_offset,"
        " DROP COLUMN last_timestamp, DROP COLUMN last_checksum, DROP COLUMN refusal"
    )
    for migration in layout.migrations():
        pipeline.sql(migration.statements)
    pipeline.sql("INSERT INTO staging.ingest_offset VALUES (%s, 0, 0)", pipeline.topic("flights"))
    ingester = pipeline.start()
    pipeline.wait_landed("flights")
    assert ingester.terminate() == 0
    [(epoch, last, checksum)] = pipeline.sql(
        "SELECT leader_epoch, last_offset, length(last_checksum) FROM staging.ingest_offset"
    )
    assert (epoch is not None, last, checksum) == (True, 9, 8)
