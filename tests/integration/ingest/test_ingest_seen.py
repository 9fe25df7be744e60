"""What an ingester shows of itself: metrics, health, and that it notices when nothing lands."""

from __future__ import annotations

import contextlib
import json
import socket

import psycopg2
import pytest


def events(first: int, after: int) -> list[tuple[bytes, bytes]]:
    return [(b'{"id": %d}' % n, b'{"n": %d}' % n) for n in range(first, after)]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def value(ingester, name: str, *labels: str) -> float | None:
    """Value of a metric whose labels contain all of `labels`; None if there is none."""
    for line in ingester.ask("/metrics")[1].splitlines():
        head, _, number = line.rpartition(" ")
        if head.split("{")[0] == f"airline_ingest_{name}" and all(each in head for each in labels):
            return float(number)
    return None


def test_metrics_count_what_happened(pipeline, port):
    """A dashboard or an alert would show another number than what landed."""
    pipeline.create_topic("flights", partitions=2)
    good, bad = events(0, 90), [(b"1", b"no json")] * 10
    pipeline.produce("flights", good[:60])
    pipeline.produce("flights", [*good[60:], *bad], partition=1)
    ingester = pipeline.start(metrics_port=port)
    pipeline.wait(lambda: (pipeline.stored("flights"), pipeline.stored("flights", 1)) == (60, 40))
    # What was refused is counted last.
    pipeline.wait(
        lambda: (value(ingester, "rows_total"), value(ingester, "dead_letters_total")) == (90, 10)
    )
    topic = f'topic="{pipeline.topic("flights")}"'
    assert value(ingester, "rows_total", topic) == 90
    assert value(ingester, "bytes_total", topic) == sum(len(v) for _, v in [*good, *bad])
    assert value(ingester, "dead_letters_total", topic) == 10
    assert value(ingester, "next_offset", topic, 'partition="1"') == 40
    pipeline.wait(lambda: value(ingester, "lag", topic, 'partition="1"') == 0)
    assert value(ingester, "flushes_total") == value(ingester, "flush_seconds_count") >= 1
    assert value(ingester, "flush_seconds_bucket", 'le="+Inf"') >= 1
    assert value(ingester, "seconds_since_last_event") >= 0
    assert value(ingester, "healthy") == 1
    code, body = ingester.ask("/health")
    assert code == 200
    assert json.loads(body)["partitions"][f"{pipeline.topic('flights')}:1"]["next_offset"] == 40
    assert ingester.ask("/")[0] == 404


def test_lag_without_progress_is_unhealthy(pipeline, port):
    """An ingester that hangs would look healthy until somebody misses the data."""
    pipeline.produce("flights", events(0, 10))
    ingester = pipeline.start(metrics_port=port, stall_seconds=3)
    pipeline.wait_landed("flights")
    pipeline.wait(lambda: ingester.ask("/health")[0] == 200)
    with contextlib.closing(psycopg2.connect(pipeline.dsn)) as blocker:
        blocker.cursor().execute("LOCK staging.flights")
        pipeline.produce("flights", events(10, 20))
        pipeline.wait(lambda: ingester.ask("/health")[0] == 503)
        (problem,) = json.loads(ingester.ask("/health")[1])["problems"]
        assert problem.startswith("lag but no progress")
        assert f"{pipeline.topic('flights')}:0 at 10 of 20" in problem
        assert value(ingester, "healthy") == 0
        assert value(ingester, "lag", 'partition="0"') == 10
        pipeline.wait(lambda: ingester.events("unhealthy"))
    pipeline.wait(lambda: ingester.ask("/health")[0] == 200)
    pipeline.wait(lambda: ingester.events("healthy again"))
    pipeline.wait_landed("flights")


def test_a_broker_that_is_away_is_unhealthy(pipeline, port):
    """An ingester that reads nothing because Kafka is down would look healthy: it knows no lag."""
    pipeline.produce("flights", events(0, 10))
    ingester = pipeline.start(metrics_port=port, stall_seconds=3)
    pipeline.wait_landed("flights")
    pipeline.kafka.stop()
    try:
        pipeline.wait(lambda: ingester.ask("/health")[0] == 503)
        assert "kafka has not answered" in ingester.ask("/health")[1]
    finally:
        pipeline.kafka.start()
    pipeline.wait(lambda: ingester.ask("/health")[0] == 200)


def test_a_taken_port_is_named(pipeline, port):
    """Two ingesters on one port: one would be invisible, or fail with a riddle."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        ingester = pipeline.start(metrics_port=port)
        assert ingester.wait() == 1
    (failed,) = ingester.events("failed")
    assert f"127.0.0.1:{port}" in failed["error"]
    assert "AIRLINE_INGEST_METRICS_PORT" in failed["error"]
