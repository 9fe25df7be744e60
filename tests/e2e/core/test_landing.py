"""What a person sees and does of landing on a whole stack."""

from __future__ import annotations

import json

import requests
from kafka import KafkaProducer

from infra.kafka import access
from infra.loading.ingesters import Ingest

TOPIC = "airline.public.seats"


def test_a_dead_letter_is_seen_and_decided(stack):
    """A bad message would stop the stack, or nobody would be told of it and what to do."""
    producer = KafkaProducer(**access.client(stack.settings))
    sent = producer.send(TOPIC, key=b'{"aircraft_code": "SU9"}', value=b"no json \x00").get(60)
    producer.close()
    event = f"{TOPIC}:{sent.partition}:{sent.offset}"
    stack.wait(
        lambda: stack.status()["checks"]["dead letters"]["count"] == 1, "status counts the letter"
    )
    shown = stack.airline("status", check=False)
    assert shown.returncode == 1
    assert "./airline dead-letters" in shown.stdout
    (letter,) = json.loads(stack.airline("dead-letters", "list", "--json").stdout)
    assert letter["event"] == event
    assert event in stack.airline("dead-letters").stdout
    assert "6e 6f 20 6a 73 6f 6e 20 00" in stack.airline("dead-letters", "show", event).stdout
    stack.airline("dead-letters", "discard", event)
    assert stack.status()["checks"]["dead letters"]["count"] == 0
    stack.assert_audit_clean()


def test_ingesters_share_the_topics(stack):
    """A second ingester would have nothing to do, or both would do everything."""
    settings = stack.settings
    ports = [settings.port(port) for each in Ingest.instances(settings) for port in each.ports]
    assert len(ports) == settings.ingesters > 1

    def are_shared() -> bool:
        answers = [requests.get(f"http://{settings.host}:{port}/health").json() for port in ports]
        shares = [set(answer["partitions"]) for answer in answers]
        together = set.union(*shares)
        return all(shares) and len(together) >= 8 and sum(map(len, shares)) == len(together)

    stack.wait(are_shared, "each partition is one ingester's, and each has some")
