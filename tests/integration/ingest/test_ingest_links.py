"""The way to the warehouse takes long, breaks, or says nothing: what is in hand lands once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.ingest.test_ingest_faults import events, numbers
from tests.support.proxy import Proxy


@pytest.fixture
def proxy(pipeline) -> Iterator[Proxy]:
    proxy = Proxy(pipeline.postgres.port)
    pipeline.env["AIRLINE_DWH_PORT"] = str(proxy.port)
    yield proxy
    proxy.stop()


@pytest.mark.parametrize("mode", ["cut", "half_open"])
def test_a_warehouse_out_of_reach_is_reached_again(pipeline, proxy, mode):
    """A connection that nobody closes and nobody answers on would hold landing up for ever."""
    pipeline.produce("flights", events(0, 10))
    ingester = pipeline.start(transaction_seconds=2)
    pipeline.wait_landed("flights")
    getattr(proxy, mode)()
    pipeline.produce("flights", events(10, 1000))
    pipeline.wait(lambda: ingester.events("not landed, trying again"))
    proxy.heal()
    pipeline.wait_landed("flights")
    assert numbers(pipeline, "flights") == list(range(1000))
    assert ingester.terminate() == 0


def test_a_slow_warehouse_is_no_silent_one(pipeline, proxy):
    """What only takes long would be broken off over and over, and never land."""
    proxy.delay(0.03)
    pipeline.produce("flights", events(0, 1000))
    ingester = pipeline.start(transaction_seconds=30)
    pipeline.wait_landed("flights")
    assert not ingester.events("not landed, trying again")


def test_an_ingester_without_a_warehouse_can_be_stopped(pipeline, proxy):
    """A warehouse that says nothing would keep an ingester from ending when it is told to."""
    pipeline.produce("flights", events(0, 10))
    ingester = pipeline.start(transaction_seconds=2)
    pipeline.wait_landed("flights")
    proxy.half_open()
    reads = len(ingester.events("read"))
    pipeline.produce("flights", events(10, 20))
    pipeline.wait(lambda: any(line["rows_in_hand"] for line in ingester.events("read")[reads:]))
    assert ingester.terminate() == 0
