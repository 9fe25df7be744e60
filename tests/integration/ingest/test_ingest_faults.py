"""Bad events become dead letters; bad circumstances are waited for or reported."""

from __future__ import annotations

import time
from contextlib import closing
from types import SimpleNamespace

import psycopg2
import pytest

from ingest import poison


def events(first: int, after: int) -> list[tuple[bytes, bytes]]:
    return [(b'{"id": %d}' % n, b'{"n": %d}' % n) for n in range(first, after)]


def numbers(pipeline, table: str) -> list[int]:
    return [value["n"] for *_, value in pipeline.landed(table)]


POISON = [
    (b'{"id": 1}', rb'{"text": "\u0000"}'),
    (b'{"id": 2}', b'{"text": "\xff\xfe"}'),
    (b'{"id": 3}', b"no json"),
    (b'{"id": 4}', b""),
    (b'{"id": 5}', b'{"text": "nul byte \x00"}'),
    (b'{"id": 6}', b"[" * 100_000 + b"]" * 100_000),
    (b'{"id": 7}', b'{"number": 1e200000}'),
    (b'{"id": 8}', rb'{"text": "\ud800"}'),
    (b"no json either", b'{"n": 1}'),
    (b"\xff", None),
    (b"no", b"no"),
]


def test_poison_is_set_aside_and_its_neighbours_land(pipeline):
    """One bad event would stop the landing of all, or take good ones with it."""
    mixed = []
    for n, bad in enumerate(POISON):
        mixed += [*events(n * 10, n * 10 + 10), bad]
    pipeline.produce("flights", mixed)
    pipeline.produce("seats", events(0, 20))
    ingester = pipeline.start()
    pipeline.wait_landed("flights")
    pipeline.wait_landed("seats")
    assert numbers(pipeline, "flights") == list(range(len(POISON) * 10))
    assert numbers(pipeline, "seats") == list(range(20))
    letters = pipeline.sql(
        "SELECT topic, kafka_offset, key, value, error FROM staging.dead_letter"
        " ORDER BY kafka_offset"
    )
    kept = [
        (topic, offset, bytes(key), None if value is None else bytes(value))
        for topic, offset, key, value, _ in letters
    ]
    topic = pipeline.topic("flights")
    assert kept == [(topic, n * 11 + 10, *bad) for n, bad in enumerate(POISON)]
    assert all(error for *_, error in letters)
    assert [line["offset"] for line in ingester.events("dead letter")] == [row[1] for row in kept]
    assert ingester.terminate() == 0


def test_too_much_poison_stops_the_ingester(pipeline):
    """A producer that writes no JSON at all would be drained into the dead letters."""
    pipeline.produce("flights", [*events(0, 50), *[(b"1", b"no json")] * 60, *events(50, 60)])
    ingester = pipeline.start(max_dead_letters=100)
    assert ingester.wait() == 1
    (failed,) = ingester.events("failed")
    assert failed["kind"] == "TooManyDeadLetters"
    assert "AIRLINE_INGEST_MAX_DEAD_LETTERS" in failed["error"]
    assert pipeline.count("flights") == pipeline.count("dead_letter") == 0
    assert pipeline.stored("flights") == 0
    pipeline.start(max_dead_letters=1000)
    pipeline.wait_landed("flights")
    assert pipeline.count("dead_letter") == 60


def test_many_refused_events_do_not_take_the_servers_locks(pipeline):
    """A flush of them would leave no lock to anybody, fail, and be tried again for ever."""
    assert pipeline.start("--init-only").wait() == 0
    records = [
        SimpleNamespace(
            topic="flights", key=b"1", value=b"no json", timestamp=0, partition=0, offset=n
        )
        for n in range(300)
    ]
    refused: list[poison.Refused] = []
    with closing(psycopg2.connect(pipeline.dsn)) as connection, connection.cursor() as cursor:
        poison.copy_bisecting(cursor, "flights", records, refused, len(records))
        poison.bury(cursor, refused)
        cursor.execute(
            "SELECT count(*) FROM pg_locks"
            " WHERE pid = pg_backend_pid() AND locktype = 'transactionid'"
        )
        assert cursor.fetchone()[0] < 10
    assert [record for record, _ in refused] == records


@pytest.mark.parametrize(
    ("damage", "repair", "said"),
    [
        (
            "ALTER TABLE staging.flights OWNER TO admin",
            "ALTER TABLE staging.flights OWNER TO ingest_under_test",
            "permission denied for table flights",
        ),
        (
            "ALTER TABLE staging.flights RENAME TO flights_away",
            "ALTER TABLE staging.flights_away RENAME TO flights",
            'relation "staging.flights" does not exist',
        ),
    ],
)
def test_a_fault_of_the_installation_is_no_dead_letter(pipeline, damage, repair, said):
    """A missing table or right would turn good events into dead letters."""
    pipeline.create_topic("flights")
    ingester = pipeline.start()
    pipeline.wait(lambda: ingester.events("assigned"))
    pipeline.sql(damage)
    pipeline.produce("flights", events(0, 10))
    assert ingester.wait() == 1
    assert said in ingester.events("failed")[0]["error"]
    assert pipeline.count("dead_letter") == pipeline.stored("flights") == 0
    pipeline.sql(repair)
    pipeline.start()
    pipeline.wait_landed("flights")
    assert numbers(pipeline, "flights") == list(range(10))


def test_a_wrong_password_is_said_and_not_shown(pipeline):
    """The ingester would try a wrong password for ever, or print the password."""
    ingester = pipeline.start(password="mistyped")
    assert ingester.wait() == 1
    (failed,) = ingester.events("failed")
    assert "AIRLINE_INGEST_PASSWORD" in failed["error"]
    assert "mistyped" not in ingester.log_file.read_text()


def test_without_crc32c_it_refuses_to_start(pipeline):
    """Landing would be eight times slower, and nobody would know why."""
    blocked = (
        "import runpy, sys; sys.modules['crc32c'] = None;"
        " runpy.run_module('ingest', run_name='__main__')"
    )
    ingester = pipeline.start(python=("-c", blocked))
    assert ingester.wait() == 1
    assert "pip install 'kafka-python[crc32c]'" in ingester.events("failed")[0]["error"]


def test_the_warehouse_may_go_away_for_longer_than_the_group_waits(pipeline):
    """An outage of the warehouse would lose events, double them, or cost the group membership."""
    pipeline.produce("flights", events(0, 1000))
    ingester = pipeline.start(flush_rows=100, flush_bytes=2000, poll_seconds=7)
    pipeline.wait_landed("flights")
    pipeline.postgres.kill()
    try:
        pipeline.produce("flights", events(1000, 20_000))
        pipeline.wait(lambda: ingester.events("warehouse is away, trying again"))
        time.sleep(10)  # the session is 6 seconds, the longest time between polls 7
    finally:
        pipeline.postgres.start()
    pipeline.wait_landed("flights")
    assert numbers(pipeline, "flights") == list(range(20_000))
    assert len(ingester.events("assigned")) == 1
    assert ingester.terminate() == 0


def test_stopping_while_the_warehouse_is_away_loses_nothing(pipeline):
    """A stop during an outage would hang, or forget events that were read but not landed."""
    pipeline.produce("flights", events(0, 10))
    ingester = pipeline.start()
    pipeline.wait_landed("flights")
    pipeline.postgres.stop()
    try:
        pipeline.produce("flights", events(10, 20))
        pipeline.wait(lambda: ingester.events("warehouse is away, trying again"))
        assert ingester.terminate() == 0
    finally:
        pipeline.postgres.start()
    pipeline.start()
    pipeline.wait_landed("flights")
    assert numbers(pipeline, "flights") == list(range(20))


def test_the_broker_may_go_away(pipeline):
    """A restart of Kafka would end the ingester or leave it deaf."""
    pipeline.produce("flights", events(0, 100))
    ingester = pipeline.start()
    pipeline.wait_landed("flights")
    pipeline.kafka.stop()
    try:
        pipeline.wait(lambda: ingester.events("kafka is away, trying again"))
    finally:
        pipeline.kafka.start()
    pipeline.produce("flights", events(100, 200))
    pipeline.wait_landed("flights")
    assert numbers(pipeline, "flights") == list(range(200))
    assert ingester.terminate() == 0
