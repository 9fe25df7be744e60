"""Kafka loses the end of a topic in a power cut."""

from __future__ import annotations

import pytest

from infra.kafka.broker import Broker
from infra.loading import landing
from tests.e2e.faults.proof import prove
from tests.support.power_cut import cut_power
from tests.support.traffic import Traffic

pytestmark = pytest.mark.timeout(2400)

FLIGHTS = "airline.public.flights"


def end_of(stack, topic: str) -> int:
    return Broker(stack.settings).end_offsets([topic])[(topic, 0)]


def position_of(stack, topic: str) -> int:
    return landing.landed_offsets(stack.settings)[(topic, 0)]


def grow_past(stack, offset: int) -> None:
    """Changes flights until their topic has more events than before."""

    def has_grown() -> bool:
        stack.commit(
            "update flights set status = status where flight_id in"
            " (select flight_id from flights limit 20)"
        )
        return end_of(stack, FLIGHTS) > offset + 50

    stack.wait(has_grown, "the topic has grown past where the warehouse is")


def refused(stack) -> dict[str, str]:
    return stack.status()["checks"]["log continuity"]["refused"]


def test_a_log_that_lost_its_end_is_refused_said_and_repaired(stack):
    """Events of the new log are skipped in silence, or only a reset helps."""
    with Traffic(rate=100, seed=14) as traffic:
        before = position_of(stack, FLIGHTS)
        stack.wait(lambda: position_of(stack, FLIGHTS) > before + 30, "flights have changed")
        traffic.stop()
    stack.assert_audit_clean()
    position = position_of(stack, FLIGHTS)
    rows = stack.sql("dwh", "select count(*), max(kafka_offset) from staging.flights")
    cut_power(stack, FLIGHTS, 4000)
    first_lost = end_of(stack, FLIGHTS)
    assert first_lost < position
    grow_past(stack, position)

    stack.wait(lambda: refused(stack), "status says that the log is another one")
    shown = stack.airline("status", check=False)
    assert shown.returncode == 1
    assert "Kafka lost" in shown.stdout
    assert "./airline resync" in shown.stdout
    assert list(refused(stack)) == [f"{FLIGHTS}:0"]
    # Nothing lands from there; the others do.
    stack.commit("update airports set city = city where airport_code = 'LED'")
    airports = position_of(stack, "airline.public.airports")
    stack.wait(
        lambda: position_of(stack, "airline.public.airports") > airports, "other tables land"
    )
    assert position_of(stack, FLIGHTS) == position
    assert stack.sql("dwh", "select count(*), max(kafka_offset) from staging.flights") == rows

    one = stack.airline("resync", "flights", "--yes", check=False)
    assert one.returncode == 1
    assert "without a table" in one.stderr
    asked = stack.airline("resync", check=False)
    assert asked.returncode == 1
    assert "Kafka lost" in asked.stdout
    done = stack.airline("resync", "--yes")
    assert "source and vault are equal" in done.stdout
    stack.wait(lambda: stack.status()["healthy"], "everything is well again")
    # What had landed is history that stays.
    [(kept,)] = stack.sql(
        "dwh",
        "select count(*) from staging.flights where kafka_offset >= %s and kafka_offset < %s",
        first_lost,
        position,
    )
    assert kept > 0
    proof = prove(stack)
    assert proof.holds, proof
