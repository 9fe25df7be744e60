"""The ingesters' own metrics on the stack's one endpoint."""

from __future__ import annotations

import socket
from contextlib import ExitStack

from prometheus_client import CollectorRegistry, Counter, start_http_server

from infra.health.exporter import _ingesters
from infra.settings import Settings


def first_of_free_ports(count: int) -> int:
    """A port of which the next ones are free too."""
    for first in range(20_000, 32_000, count):
        with ExitStack() as probes:
            try:
                for port in range(first, first + count):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise AssertionError("no free ports")


def test_the_metrics_of_all_ingesters_are_passed_on():
    """One ingester that answers ends all metrics of the stack, or hides those of the others."""
    first = first_of_free_ports(3)
    settings = Settings.from_environment(
        {"AIRLINE_INGESTERS": "3", "AIRLINE_INGEST_METRICS_PORT": str(first)}
    )
    servers = []
    for port in (first, first + 1):
        own = CollectorRegistry()
        Counter("landed_events", "Events landed", registry=own).inc(5)
        servers.append(start_http_server(port, "127.0.0.1", registry=own))
    try:
        up, *others = _ingesters(settings, ["ingest", "ingest-2", "ingest-3"])
    finally:
        for server, _ in servers:
            server.shutdown()
            server.server_close()
    assert [sample.value for sample in up.samples] == [1, 1, 0]
    [landed] = [each for each in others if each.name == "landed_events"]
    totals = [each for each in landed.samples if each.name == "landed_events_total"]
    assert [(each.labels["ingester"], each.value) for each in totals] == [
        ("ingest", 5),
        ("ingest-2", 5),
    ]
