"""What `status` says of who reads what, and of a topic that Kafka has no more."""

from __future__ import annotations

import dataclasses
import socket

import pytest

from infra.health import landing
from infra.settings import Settings


def events(count: int) -> list[tuple[bytes, bytes]]:
    return [(b'{"id": %d}' % n, b'{"n": %d}' % n) for n in range(count)]


@pytest.fixture
def ports() -> list[int]:
    """Two free ports, one after the other: those of two ingesters."""
    for _ in range(100):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return [port, port + 1]
    pytest.fail("no two ports side by side are free")


@pytest.fixture
def settings(pipeline, ports, monkeypatch) -> Settings:
    """The pipeline's servers and topics, as `status` asks them of a stack of two ingesters."""
    topics = [pipeline.topic("flights"), pipeline.topic("bookings")]
    monkeypatch.setattr(Settings, "topics", property(lambda self: topics))
    # What landed belongs to the admin here.
    monkeypatch.setattr("infra.loading.landing.figures_dsn", lambda settings: settings.dsn("dwh"))
    return dataclasses.replace(
        pipeline.kafka.broker.settings,
        dwh_port=pipeline.postgres.port,
        dwh_db=pipeline.name,
        ingesters=2,
        ingest_metrics_port=ports[0],
    )


def test_a_partition_that_nobody_reads_is_said(pipeline, settings, ports):
    """Ingesters that were given nothing to read, or refuse it, are well."""
    pipeline.create_topic("flights")
    pipeline.create_topic("bookings")
    found = landing.ingesters(settings)
    assert "2 of 2 partitions are read by nobody" in found.problem
    assert "ingest-2 does not answer" in found.problem

    first = pipeline.start(metrics_port=ports[0])
    second = pipeline.start(metrics_port=ports[1])
    found = landing.ingesters(settings)

    def unassigned() -> list[str] | None:
        """None where Kafka does not answer in time."""
        nonlocal found
        found = landing.ingesters(settings)
        return found.values.get("unassigned")

    pipeline.wait(lambda: unassigned() == [] and found.problem == "")
    # Frozen, it says nothing, and Kafka gives its partition to the other one.
    second.freeze()
    pipeline.wait(lambda: unassigned() == [])
    assert "ingest-2 does not answer" in found.problem
    second.thaw()
    pipeline.wait(lambda: landing.ingesters(settings).problem == "")
    first.kill()
    second.kill()
    found = landing.ingesters(settings)
    assert "2 of 2 partitions are read by nobody" in found.problem
    assert "ingest does not answer" in found.problem


def test_a_topic_that_is_gone_is_said(pipeline, settings):
    """No lag is shown for what cannot be read at all, and all looks well."""
    pipeline.produce("flights", events(3))
    pipeline.produce("bookings", events(3))
    ingester = pipeline.start()
    pipeline.wait_landed("flights")
    pipeline.wait_landed("bookings")
    assert landing.consumer_lag(settings).problem == ""
    ingester.terminate()
    pipeline.delete_topic("bookings")
    pipeline.wait(lambda: pipeline.topic("bookings") in landing.consumer_lag(settings).problem)
    assert landing.consumer_lag(settings).values["missing_topics"] == [pipeline.topic("bookings")]
