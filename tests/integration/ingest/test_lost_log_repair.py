"""A log that lost its end is repaired: landing goes on, and raw keeps what it has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infra.errors import AirlineError
from infra.kafka import lost_log
from infra.settings import Settings
from tests.integration.ingest.test_ingest_lost_log import (
    events,
    lose_tail,
    numbers,
    produce_one_by_one,
    refusals,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(pipeline, monkeypatch) -> Settings:
    """Of a stack that has the test's broker and warehouse."""
    # What landed belongs to the admin here.
    monkeypatch.setattr(lost_log, "_dsn", lambda settings: settings.dsn("dwh"))
    server = pipeline.postgres
    return replace(
        pipeline.kafka.broker.settings,
        dwh_port=server.port,
        dwh_db=pipeline.name,
        admin_user=server.admin_user,
        admin_password=server.admin_password,
    )


def ranges(pipeline) -> list[tuple]:
    return pipeline.sql("SELECT from_offset, to_offset FROM staging.lost_log ORDER BY to_offset")


def test_what_the_new_log_has_lands_once_behind_what_landed(pipeline, settings, monkeypatch):
    """Events of the new log are lost or land twice, raw loses its own, or a
    repair that was killed cannot be repeated.
    """
    produce_one_by_one(pipeline, "flights", 0, 30)
    ingester = pipeline.start()
    pipeline.wait_landed("flights")
    end = lose_tail(pipeline, "flights")
    pipeline.produce("flights", [*events(100, 120), (b'{"id": 1}', None)])
    assert pipeline.end_offset("flights") > 30
    pipeline.wait(lambda: refusals(pipeline))

    def killed(*_) -> None:
        raise AirlineError("killed", "")

    with monkeypatch.context() as patched:
        # All is written, and the position has not moved.
        patched.setattr(lost_log, "_go_on", killed)
        with pytest.raises(AirlineError):
            lost_log.repair(settings, print)
    assert pipeline.stored("flights") == 30
    assert lost_log.repair(settings, print) == 1
    pipeline.wait_landed("flights")
    landed = [value and value["n"] for _, _, _, value in pipeline.landed("flights")]
    assert landed == [*range(30), *range(100, 120), None]
    [(first, after)] = ranges(pipeline)
    assert (first, pipeline.landed("flights")[30][1]) == (end, after)
    pipeline.wait(lambda: not refusals(pipeline))
    assert lost_log.repair(settings, print) == 0
    # And a second time.
    end = lose_tail(pipeline, "flights", 300)
    pipeline.wait(lambda: refusals(pipeline))
    assert lost_log.repair(settings, print) == 1
    pipeline.produce("flights", events(200, 205))
    pipeline.wait_landed("flights")
    landed = [value and value["n"] for _, _, _, value in pipeline.landed("flights")]
    assert landed == [*range(30), *range(100, 120), None, *range(200, 205)]
    assert ranges(pipeline)[1][0] == end
    assert ingester.is_alive()


def test_a_transaction_whose_end_is_lost_is_ended(pipeline, settings):
    """Nobody reads past it any more, and the log stands still for ever."""
    producer = pipeline.producer(transactional_id=pipeline.name)
    producer.init_transactions()
    topic = pipeline.create_topic("flights")
    for key, value in events(0, 10):
        producer.begin_transaction()
        producer.send(topic, key=key, value=value)
        producer.commit_transaction()
    pipeline.start()
    pipeline.wait_landed("flights")
    lose_tail(pipeline, "flights", size=20)
    pipeline.produce("flights", events(100, 110))
    pipeline.wait(lambda: refusals(pipeline))
    assert lost_log.repair(settings, print) == 1
    pipeline.wait_landed("flights")
    assert numbers(pipeline, "flights") == [*range(10), *range(100, 110)]


def test_a_topic_that_was_made_again_goes_on_behind_what_landed(pipeline, settings):
    """Only a reset helps, and the history is lost."""
    pipeline.produce("flights", events(0, 10))
    pipeline.produce("seats", events(0, 10))
    pipeline.start()
    pipeline.wait_landed("flights")
    pipeline.wait_landed("seats")
    for table in ("flights", "seats"):
        pipeline.delete_topic(table)
    # The other one is not there (yet).
    pipeline.produce("flights", events(100, 105))
    pipeline.wait(lambda: refusals(pipeline))
    lost_log.make_missing_topics(settings)
    assert lost_log.repair(settings, print) == 2
    pipeline.produce("seats", events(100, 105))
    for table in ("flights", "seats"):
        pipeline.wait_landed(table)
        assert numbers(pipeline, table) == [*range(10), *range(100, 105)]
