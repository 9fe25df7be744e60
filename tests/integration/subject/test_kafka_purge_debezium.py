"""Kafka is purged while Debezium writes: no change is missing, and the connector never stops."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from kafka import KafkaConsumer, TopicPartition

from infra.connect import connector
from infra.kafka import access
from infra.kafka.broker import Broker
from infra.stack.supervision import Supervisor
from infra.subject import kafka_purge, look
from infra.subject.needles import Needles
from tests.integration.conftest import scratch_folder, settings_in
from tests.integration.test_slot_gap_debezium import Cdc

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2700)]
TOPIC = "airline.public.airports"
SECRET = "Agafya of Nowhere"


@pytest.fixture(scope="module")
def cdc() -> Iterator[Cdc]:
    with scratch_folder("airline-purge-") as folder:
        made = None
        try:
            made = Cdc(folder)
            yield made
        finally:
            Supervisor(settings_in(folder)).stop() if made is None else made.supervisor.stop()


class Reader(threading.Thread):
    """Reads the topic as an ingester does, from its start on, and tells how far it is."""

    def __init__(self, settings) -> None:
        super().__init__(daemon=True)
        self.settings, self.done = settings, threading.Event()
        self.position, self.codes = 0, []

    def run(self) -> None:
        partition = TopicPartition(TOPIC, 0)
        with closing(
            KafkaConsumer(
                **access.client(self.settings),
                isolation_level="read_committed",
                enable_auto_commit=False,
                auto_offset_reset="none",
                group_id=None,
            )
        ) as consumer:
            consumer.assign([partition])
            consumer.seek(partition, 0)
            while not self.done.is_set():
                for records in consumer.poll(200).values():
                    for record in records:
                        after = json.loads(record.value or b"{}").get("after")
                        if after and after["timezone"] == "numbered":
                            self.codes.append(after["airport_code"])
                self.position = consumer.position(partition)


def test_no_change_is_missing_while_the_topic_is_purged(cdc):
    """An event goes with the file that it was written to, or the connector fails."""
    cdc.sql(f"insert into airports values ('ZZZ', '{SECRET}', 'Gap', 1, 2, 'UTC')")
    cdc.wait_until_sent()
    cdc.sql("delete from airports where airport_code = 'ZZZ'")
    cdc.wait_until_sent()
    needles = Needles([("name", SECRET)])
    folder = Broker(cdc.settings).data
    assert any(True for each in folder.rglob("*.log") for _ in look.look(each, needles))
    written, stop = [], threading.Event()

    def write() -> None:
        number = 0
        while not stop.wait(0.05):
            code = f"{chr(65 + number // 676)}{chr(65 + number // 26 % 26)}{chr(65 + number % 26)}"
            cdc.sql(f"insert into airports values ('{code}', 'x', 'x', 1, 2, 'numbered')")
            written.append(code)
            number += 1

    reader, writer = Reader(cdc.settings), threading.Thread(target=write)
    reader.start()
    writer.start()
    try:
        for _ in range(3):
            kafka_purge.purge(cdc.settings, [TOPIC], lambda: {(TOPIC, 0): reader.position})
            assert connector.state(cdc.settings).is_running
    finally:
        stop.set()
        writer.join()
    cdc.wait_until_sent()
    cdc.wait(lambda: len(reader.codes) >= len(written), "all that was written is read")
    reader.done.set()
    reader.join()
    assert reader.codes == written
    left = [
        each.told(folder)
        for file in folder.rglob("*")
        if file.is_file()
        for each in look.look(file, needles)
    ]
    assert left == []
