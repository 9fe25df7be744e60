"""Nothing lost and nothing doubled, whoever dies or interferes."""

from __future__ import annotations

import contextlib
import random
import threading
import time

import psycopg2
import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from infra.warehouse import layout
from ingest import config, land, metrics, watch
from ingest.broker import Broker

# How long anything may take; nothing is asserted about speed.
PATIENCE = 300.0


def events(first: int, after: int) -> list[tuple[bytes, bytes]]:
    return [(b'{"id": %d}' % n, b'{"n": %d}' % n) for n in range(first, after)]


def numbers(pipeline, table: str) -> list[int]:
    return [value["n"] for *_, value in pipeline.landed(table)]


def test_a_restart_goes_on_where_the_warehouse_is(pipeline):
    """A stop and start would lose or repeat events."""
    for round in range(3):
        pipeline.produce("flights", events(round * 100, round * 100 + 100))
        ingester = pipeline.start()
        pipeline.wait_landed("flights")
        assert ingester.terminate() == 0
    assert numbers(pipeline, "flights") == list(range(300))


def test_kill_9_at_any_moment_loses_and_doubles_nothing(pipeline):
    """A crash between landing and noting the offset would lose or repeat events."""
    tables, total, moments = ("flights", "ticket_flights"), 0, random.Random(3)
    kills = 0

    def produce() -> None:
        nonlocal total
        # Longer where an ingester takes long to start: some must be killed meanwhile.
        while total < 6000 or (kills < 3 and total < 200_000):
            for table in tables:
                pipeline.produce(table, events(total, total + 200))
            total += 200
            time.sleep(0.2)

    producing = threading.Thread(target=produce, daemon=True)
    producing.start()
    while producing.is_alive():
        # A new group each time: the positions are the warehouse's, and no session to sit out.
        ingester = pipeline.start(flush_seconds=0.02, group=f"{pipeline.name}-{kills}")
        before = sum(map(pipeline.stored, tables))
        pipeline.wait(
            lambda before=before: (
                sum(map(pipeline.stored, tables)) > before or not producing.is_alive()
            )
        )
        time.sleep(moments.uniform(0, 0.6))
        ingester.kill()
        kills += 1
    producing.join()
    pipeline.start(group=f"{pipeline.name}-last")
    for table in tables:
        pipeline.wait_landed(table)
        assert numbers(pipeline, table) == list(range(total))
    assert kills >= 3


def test_a_killed_ingester_is_replaced_within_the_same_group(pipeline):
    """After a crash the dead member would keep its partitions from the restarted ingester."""
    pipeline.produce("flights", events(0, 100))
    first = pipeline.start()
    pipeline.wait_landed("flights")
    first.kill()
    pipeline.produce("flights", events(100, 200))
    pipeline.start()
    pipeline.wait_landed("flights")
    assert numbers(pipeline, "flights") == list(range(200))


def test_a_position_that_a_person_moved_is_taken_up(pipeline):
    """A position set while the ingester runs would be overwritten, or end the ingester."""
    pipeline.produce("flights", events(0, 10))
    ingester = pipeline.start()
    pipeline.wait_landed("flights")
    pipeline.sql("UPDATE staging.ingest_offset SET next_offset = next_offset + 4")
    pipeline.produce("flights", events(10, 20))
    pipeline.wait_landed("flights")
    # Once for each batch that it had handed on by then.
    fenced, *_ = ingester.events("fenced: nothing of the partition was landed")
    assert "flights partition 0" in fenced["why"]
    assert "land from offset 10, the warehouse stands at 14" in fenced["why"]
    assert numbers(pipeline, "flights") == [*range(10), *range(14, 20)]
    assert ingester.terminate() == 0


def test_a_position_that_was_moved_back_is_an_error_that_says_so(pipeline):
    """Events would be landed twice, or the ingester try for ever without saying why."""
    pipeline.produce("flights", events(0, 10))
    ingester = pipeline.start()
    pipeline.wait_landed("flights")
    pipeline.sql("UPDATE staging.ingest_offset SET next_offset = next_offset - 4")
    pipeline.produce("flights", events(10, 20))
    assert ingester.wait() == 1
    (failed,) = ingester.events("failed")
    assert "have landed before" in failed["error"]
    assert "--set-position" in failed["error"]
    assert numbers(pipeline, "flights") == list(range(10))


def test_a_rival_in_another_group_doubles_nothing(pipeline):
    """An ingester started by mistake with another group would double every event."""
    pipeline.create_topic("flights")
    rivals = [pipeline.start(group=f"{pipeline.name}-{n}") for n in range(2)]
    for rival in rivals:
        pipeline.wait(lambda rival=rival: rival.events("assigned"))
    total = 0
    deadline = time.monotonic() + PATIENCE
    while all(rival.is_alive() for rival in rivals):
        assert time.monotonic() < deadline, "both go on: nobody notices that they are two"
        pipeline.produce("flights", events(total, total + 50))
        total += 50

    def is_landed() -> bool:
        # What the one had handed on when it gave up may have been once too often for the other.
        if not any(rival.is_alive() for rival in rivals):
            rivals.append(pipeline.start(group=f"{pipeline.name}-{len(rivals)}"))
        return pipeline.stored("flights") >= total

    pipeline.wait(is_landed)
    assert numbers(pipeline, "flights") == list(range(total))
    losers = [rival for rival in rivals if not rival.is_alive()]
    assert losers
    for loser in losers:
        assert loser.wait() == 1
        (failed,) = loser.events("failed")
        assert failed["kind"] == "Fenced"
        assert "AIRLINE_INGEST_GROUP" in failed["error"]


def test_kafkas_own_offsets_are_only_a_hint(pipeline):
    """A warehouse restored from a backup would miss everything Kafka believes to be landed."""
    pipeline.produce("flights", events(0, 50))
    consumer = KafkaConsumer(
        **pipeline.kafka.client,
        group_id=pipeline.name,
        enable_auto_commit=False,
    )
    partition = TopicPartition(pipeline.topic("flights"), 0)
    with contextlib.closing(consumer):
        consumer.assign([partition])
        consumer.commit({partition: OffsetAndMetadata(40, "", -1)})
    ingester = pipeline.start()
    pipeline.wait_landed("flights")
    assert numbers(pipeline, "flights") == list(range(50))
    assert ingester.terminate() == 0
    with contextlib.closing(
        KafkaConsumer(**pipeline.kafka.client, group_id=pipeline.name)
    ) as lag_tool:
        assert lag_tool.committed(partition) == 50


def refusal(pipeline, ingester) -> str:
    """Why it lands nothing of flights; it stays up and says so until somebody repairs."""
    pipeline.wait(lambda: ingester.events("refused"))
    assert ingester.is_alive()
    stored = "SELECT refusal FROM staging.ingest_offset WHERE topic = %s AND kafka_partition = 0"
    pipeline.wait(lambda: pipeline.sql(stored, pipeline.topic("flights"))[0][0])
    return pipeline.sql(stored, pipeline.topic("flights"))[0][0]


def test_a_position_beyond_the_end_names_both(pipeline):
    """After a topic was recreated its events would be skipped or collide without a word."""
    pipeline.produce("flights", events(0, 10))
    assert pipeline.start("--init-only").wait() == 0
    position = f"{pipeline.topic('flights')}:0=500"
    assert pipeline.start("--set-position", position).wait() == 0
    why = refusal(pipeline, pipeline.start())
    assert "next offset is 500, the broker has [0,10)" in why
    assert "recreated" in why
    assert pipeline.stored("flights") == 500
    assert pipeline.count("flights") == 0


def test_events_lost_to_retention_need_a_decision(pipeline):
    """Events that retention removed before they landed would be skipped without a word."""
    pipeline.produce("flights", events(0, 10))
    pipeline.delete_records("flights", before=6)
    why = refusal(pipeline, pipeline.start())
    assert "next offset is 0, the broker has [6,10)" in why
    flag = f"--set-position {pipeline.topic('flights')}:0=6"
    assert flag in why
    assert pipeline.start(*flag.split()).wait() == 0
    pipeline.wait_landed("flights")
    assert numbers(pipeline, "flights") == [6, 7, 8, 9]


def test_retention_that_overtakes_a_running_ingester_stops_it(pipeline):
    """Events that retention took from under a stalled ingester would be skipped without a word.

    Whoever holds its tables does not keep it from starting, in a warehouse with all its roles.
    """
    for role in ("airline_dbt", "airline_monitor"):
        pipeline.sql(
            f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
    pipeline.produce("flights", events(0, 10))
    assert pipeline.start("--init-only").wait() == 0
    with contextlib.closing(psycopg2.connect(pipeline.dsn)) as blocker:
        # Holds up the look-up of positions until the events are gone.
        blocker.cursor().execute("LOCK staging.ingest_offset")
        ingester = pipeline.start()
        pipeline.wait(lambda: ingester.events("started"))
        pipeline.delete_records("flights", before=5)
    assert "has [5,10)" in refusal(pipeline, ingester)


def test_a_recreated_topic_is_refused_even_when_it_has_grown(pipeline):
    """The new topic's first events would be skipped without a word, as landed before."""
    pipeline.produce("flights", events(0, 10))
    ingester = pipeline.start()
    pipeline.wait_landed("flights")
    assert ingester.terminate() == 0
    pipeline.delete_topic("flights")
    pipeline.produce("flights", events(100, 130))
    why = refusal(pipeline, pipeline.start())
    assert "deleted and created again" in why
    assert "./airline resync" in why
    assert numbers(pipeline, "flights") == list(range(10))
    assert pipeline.stored("flights") == 10


def test_a_recreated_topic_is_refused_where_a_partition_is_new(pipeline):
    """One partition that nothing has landed from yet would hide that the topic is another one."""
    pipeline.create_topic("flights", partitions=2)
    pipeline.produce("flights", events(0, 10))
    ingester = pipeline.start()
    pipeline.wait_landed("flights")
    assert ingester.terminate() == 0
    pipeline.delete_topic("flights")
    pipeline.create_topic("flights", partitions=2)
    for partition in range(2):
        pipeline.produce("flights", events(100, 130), partition)
    assert "deleted and created again" in refusal(pipeline, pipeline.start())
    assert numbers(pipeline, "flights") == list(range(10))


def test_a_topic_recreated_under_a_running_ingester_is_refused(pipeline):
    """Events of the new topic from the old one's offset on would land as if nothing was missing."""
    pipeline.produce("flights", events(0, 10))
    ingester = pipeline.start(flush_seconds=0.5)
    pipeline.wait_landed("flights")
    pipeline.delete_topic("flights")
    # At once and well past the stored offset: the client's own knowledge of topics is older.
    pipeline.produce("flights", events(100, 1000))
    assert "deleted and created again" in refusal(pipeline, ingester)
    assert numbers(pipeline, "flights") == list(range(10))
    assert pipeline.stored("flights") == 10


def test_positions_of_an_earlier_version_take_up_the_topics_id(pipeline):
    """A stack that was made before topic ids were stored could not land any more."""
    pipeline.produce("flights", events(0, 10))
    assert pipeline.start("--init-only").wait() == 0
    pipeline.sql("ALTER TABLE staging.ingest_offset DROP COLUMN topic_id")
    ingester = pipeline.start()
    pipeline.wait(lambda: ingester.events("failed"))
    assert "infra/warehouse/migrations" in ingester.events("failed")[0]["error"]
    ingester.terminate()
    for migration in layout.migrations():
        pipeline.sql(migration.statements)
    ingester = pipeline.start()
    pipeline.wait_landed("flights")
    assert ingester.terminate() == 0
    assert pipeline.sql("SELECT count(topic_id) FROM staging.ingest_offset") == [(1,)]
    assert numbers(pipeline, "flights") == list(range(10))


@pytest.fixture
def lander(pipeline):
    """A Lander of this process, not running: its transactions are called one by one."""
    assert pipeline.start("--init-only").wait() == 0
    settings, measured = (
        config.read(["--topic-prefix", pipeline.name], pipeline.env),
        metrics.Metrics(),
    )
    broker = Broker(settings.kafka())
    return land.Lander(
        settings, threading.Event(), broker, measured, watch.Watch(broker, measured, 60)
    )


def test_a_commit_whose_answer_was_lost_is_recognised(pipeline, lander):
    """A connection lost at COMMIT would end in a false alarm, or in doubled rows."""
    done, other = (TopicPartition(pipeline.topic(name), 0) for name in ("flights", "seats"))
    lander._until_done(lander._look_up, land.Positions([done, other], 1))

    def batch(**tables: int) -> land.Batch:
        moves = {TopicPartition(pipeline.topic(name), 0): (0, to) for name, to in tables.items()}
        return land.Batch(moves=moves)

    lander._until_done(lander._land, batch(flights=5))

    def again(batch: land.Batch) -> land.Batch:
        with psycopg2.connect(pipeline.dsn) as connection, connection.cursor() as cursor:
            lander._land(cursor, batch, True)
        return batch

    assert not again(batch(flights=5)).fenced
    # Without a lost connection the same is a second ingester.
    second = batch(flights=5)
    lander._until_done(lander._land, second)
    assert second.fenced.keys() == {done}
    # A transaction is committed whole: what is half there was someone else's, the rest is ours.
    both = again(batch(flights=5, seats=3))
    assert both.fenced.keys() == {done}
    assert both.moves == {other: (0, 3)}
    assert (pipeline.stored("flights"), pipeline.stored("seats")) == (5, 3)
