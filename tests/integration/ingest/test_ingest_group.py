"""Several ingesters share the topics: whoever joins, leaves, dies or comes back from the dead."""

from __future__ import annotations

import contextlib
import itertools
import threading

import psycopg2

PARTITIONS = 4
FENCED = "fenced: nothing of the partition was landed"


def events(first: int, after: int) -> list[tuple[bytes, bytes]]:
    return [(b'{"id": %d}' % n, b'{"n": %d}' % n) for n in range(first, after)]


class Traffic:
    """Goes on producing to every partition of two tables, until stopped."""

    tables = ("flights", "ticket_flights")

    def __init__(self, pipeline) -> None:
        self._pipeline = pipeline
        self._stopping = threading.Event()
        self.produced = 0  # to each partition
        for table in self.tables:
            pipeline.create_topic(table, PARTITIONS)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        for first in itertools.count(step=50):
            if self._stopping.wait(0.05):
                return
            for table, partition in itertools.product(self.tables, range(PARTITIONS)):
                self._pipeline.produce(table, events(first, first + 50), partition)
            self.produced = first + 50

    def wait_for_more(self) -> None:
        """Waits until what is produced by now has landed."""
        wanted = self.produced
        for table, partition in itertools.product(self.tables, range(PARTITIONS)):
            self._pipeline.wait(lambda t=table, p=partition: self._pipeline.stored(t, p) >= wanted)

    def assert_landed_once(self) -> None:
        for table, partition in itertools.product(self.tables, range(PARTITIONS)):
            landed = [
                value["n"]
                for number, _, _, value in self._pipeline.landed(table)
                if number == partition
            ]
            assert landed == list(range(self.produced)), f"{table}, partition {partition}"


def owned(ingester) -> set[str]:
    """Partitions of its newest assignment."""
    assigned = ingester.events("assigned")
    return set(assigned[-1]["partitions"]) if assigned else set()


def test_a_group_that_changes_under_load_loses_and_doubles_nothing(pipeline):
    """Events would be lost or doubled when an ingester joins, leaves, dies, hangs or comes back."""
    with Traffic(pipeline) as traffic:
        first = pipeline.start()
        pipeline.wait(lambda: len(owned(first)) == 2 * PARTITIONS)
        traffic.wait_for_more()
        second, third = pipeline.start(), pipeline.start()
        for each in (first, second, third):
            pipeline.wait(lambda each=each: 0 < len(owned(each)) < 2 * PARTITIONS)
        traffic.wait_for_more()
        assert second.terminate() == 0
        traffic.wait_for_more()
        fourth = pipeline.start()
        pipeline.wait(lambda: owned(fourth))
        third.kill()
        traffic.wait_for_more()
        first.freeze()
        pipeline.wait(lambda: len(owned(fourth)) == 2 * PARTITIONS)
        traffic.wait_for_more()
        assignments = len(first.events("assigned"))
        first.thaw()
        pipeline.wait(lambda: len(first.events("assigned")) > assignments)
        traffic.wait_for_more()
    traffic.wait_for_more()
    traffic.assert_landed_once()
    for each in (first, fourth):
        assert each.terminate() == 0
        assert not each.events("failed")


def test_topics_of_one_partition_are_shared_too(pipeline):
    """A second ingester would have nothing to do, and the first one do everything."""
    tables = ("airports", "flights", "seats", "ticket_flights")
    for table in tables:
        pipeline.produce(table, events(0, 10))
    pair = [pipeline.start(), pipeline.start()]
    for each in pair:
        pipeline.wait(lambda each=each: len(owned(each)) == 2)
    for table in tables:
        pipeline.wait_landed(table)


def test_a_zombie_gives_up_what_it_lost_and_goes_on(pipeline):
    """An ingester back from a long pause would land again what its successor has landed."""
    pipeline.produce("flights", events(0, 10))
    zombie = pipeline.start(flush_seconds=5)
    pipeline.wait_landed("flights")
    reads = len(zombie.events("read"))
    pipeline.produce("flights", events(10, 200))
    pipeline.wait(lambda: any(line["rows_in_hand"] for line in zombie.events("read")[reads:]))
    zombie.freeze()
    held = pipeline.stored("flights")
    successor = pipeline.start()
    pipeline.wait_landed("flights")
    zombie.thaw()
    pipeline.wait(lambda: zombie.events(FENCED))
    assert f"stands at {pipeline.stored('flights')}" in zombie.events(FENCED)[0]["why"]
    assert f"from offset {held}" in zombie.events(FENCED)[0]["why"]
    assert successor.terminate() == 0
    pipeline.produce("flights", events(200, 300))
    pipeline.wait_landed("flights")
    assert [value["n"] for *_, value in pipeline.landed("flights")] == list(range(300))
    assert zombie.terminate() == 0


def test_a_zombie_in_a_transaction_holds_up_nobody_for_ever(pipeline):
    """The locks of an ingester that hangs in a transaction would stop its successor as well."""
    pipeline.produce("flights", events(0, 10))
    zombie = pipeline.start(transaction_seconds=15)
    pipeline.wait_landed("flights")
    with contextlib.closing(psycopg2.connect(pipeline.dsn)) as blocker:
        blocker.cursor().execute("LOCK staging.flights")
        pipeline.produce("flights", events(10, 200))
        # It has locked its offsets and waits with its COPY.
        pipeline.wait(
            lambda: pipeline.sql(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                " AND wait_event_type = 'Lock' AND query LIKE 'COPY%'"
            )
        )
        zombie.freeze()
    successor = pipeline.start(transaction_seconds=15)
    pipeline.wait_landed("flights")
    zombie.thaw()
    pipeline.wait(lambda: owned(zombie) or owned(successor))
    pipeline.produce("flights", events(200, 300))
    pipeline.wait_landed("flights")
    assert [value["n"] for *_, value in pipeline.landed("flights")] == list(range(300))
    assert zombie.terminate() == 0
    assert successor.terminate() == 0
