"""What somebody else may write into a topic: no load stops."""

from __future__ import annotations

import json

import pytest
from kafka import KafkaProducer

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module", autouse=True)
def odd(stack):
    """The stack, source and vault equal before and after."""
    clean_up(stack)  # what a run that failed in here left on a kept stack
    stack.assert_audit_clean()
    yield
    clean_up(stack)
    stack.assert_audit_clean()


def clean_up(stack) -> None:
    stack.commit("delete from bookings where book_ref = 'NETDAY'")


def set_aside(stack) -> list[dict]:
    """What waits for a decision."""
    return json.loads(stack.airline("dead-letters", "list", "--json").stdout)


def differing(stack) -> dict[str, tuple[int, int]]:
    """table -> (rows that differ, events set aside), of those that audit says anything of."""
    return {
        each["table"]: (len(each["named"]), each["set_aside"])
        for each in stack.audit()["tables"]
        if each["named"] or each["set_aside"]
    }


def test_json_that_is_no_change_event_stops_no_load(stack):
    """One message of somebody else's in a topic would stop all loads of all tables, for good."""
    producer = KafkaProducer(bootstrap_servers=stack.settings.kafka_bootstrap)
    topic = "airline.public.airports"
    value = b'{"source": {"txId": "x"}, "transaction": {}}'
    sent = producer.send(topic, key=b'{"airport_code": "XXX"}', value=value).get(60)
    producer.close()
    event = f"{topic}:{sent.partition}:{sent.offset}"
    stack.wait(
        lambda: stack.sql(
            "dwh",
            "select 1 from staging.airports where (kafka_partition, kafka_offset) = (%s, %s)",
            *(sent.partition, sent.offset),
        ),
        "the message has landed",
    )
    stack.commit("insert into bookings values ('NETDAY', '2026-01-01', 1)")
    assert differing(stack) == {"airports": (0, 1)}, "loads do not go on"
    [letter] = set_aside(stack)
    assert (letter["event"], letter["found_at"]) == (event, "loading")
    said = stack.airline("status", check=False)
    assert said.returncode == 1 and "set aside" in said.stdout
    assert stack.status()["checks"]["set aside"]["tables"] == {"airports": 1}
    replayed = stack.airline("dead-letters", "replay", event, check=False)
    assert replayed.returncode == 1 and "stays set aside" in replayed.stderr
    stack.airline("dead-letters", "discard", event)
    assert stack.status()["checks"]["set aside"]["count"] == 0
    assert set_aside(stack) == []
    assert differing(stack) == {}
