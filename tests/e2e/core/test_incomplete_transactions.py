"""An event that is really lost on its way: remembered, said, found, brought back, settled."""

from __future__ import annotations

import requests

from infra.kafka.broker import Broker
from infra.warehouse import incomplete_transactions as noted

TABLES = ("transaction", "bookings", "tickets")


def land(stack, relation: str, condition: str, count: int) -> None:
    """Waits until so many rows of staging are there."""
    stack.wait(
        lambda: (
            stack.sql("dwh", f"select count(*) from staging.{relation} where {condition}")
            == [(count,)]
        ),
        f"{count} events have landed in {relation}",
    )


def end_patience(stack) -> None:
    """Has everything landed eleven minutes earlier."""
    for table in TABLES:
        stack.sql(
            "dwh", f"update staging.{table} set landed_at = landed_at - interval '11 minutes'"
        )


def load(stack) -> None:
    stack.airline("dbt", "run", "--selector", "loading", "--quiet")


def settled(stack, transaction: int) -> list[tuple]:
    return stack.sql(
        "dwh",
        "select split_part(topic, '.', -1), events_announced, events_landed, settled_by"
        f" from {noted.TABLE} where transaction_id = %s order by 1",
        transaction,
    )


def test_a_lost_event_is_said_found_and_brought_back(stack):
    """Half a booking would be loaded, and nobody ever know that the other half was lost."""
    stack.assert_audit_clean()
    [(booking,)] = stack.sql("primary", "select min(book_ref) from bookings")
    tickets = "('0009990000001', %s, 'P1', 'LOST TICKET'), ('0009990000002', %s, 'P2', 'KEPT ONE')"
    stack.commit(
        "insert into tickets (ticket_no, book_ref, passenger_id, passenger_name) values "
        + tickets.replace("%s", f"'{booking}'")
    )
    lost = "value -> 'after' ->> 'ticket_no' = '0009990000001'"
    of_it = "value -> 'after' ->> 'ticket_no' like '000999000000_'"
    land(stack, "tickets", of_it, 2)
    [(transaction,)] = stack.sql(
        "dwh", f"select (value -> 'source' ->> 'txId')::bigint from staging.tickets where {lost}"
    )
    land(
        stack,
        "transaction",
        f"value ->> 'status' = 'END' and value ->> 'id' like '{transaction}:%'",
        1,
    )
    # Lost after Kafka and before the load, as a broken table or a hand would lose it.
    columns = "kafka_partition, kafka_offset, kafka_timestamp, key, value, landed_at"
    [gone] = stack.sql(
        "dwh",
        f"delete from staging.tickets where {lost}"
        " returning kafka_partition, kafka_offset, kafka_timestamp, key::text, value::text,"
        " landed_at",
    )
    end_patience(stack)
    load(stack)
    assert settled(stack, transaction) == [("tickets", 2, 1, None)]

    said = stack.airline("status", check=False)
    assert said.returncode == 1
    assert "./airline resync tickets" in said.stdout
    metrics = f"http://{stack.settings.host}:{stack.settings.port('metrics')}/metrics"
    stack.wait(
        lambda: "airline_incomplete_transactions 1.0" in requests.get(metrics, timeout=60).text,
        "the metrics say it",
    )

    # The audit names the row, and settles nothing where a row differs.
    found = stack.audit()
    named = {each["table"]: each["named"] for each in found["tables"] if each["named"]}
    assert named == {"tickets": ["not in the vault: ticket_no=0009990000001"]}
    assert settled(stack, transaction) == [("tickets", 2, 1, None)]

    assert "source and vault are equal" in stack.airline("resync", "tickets", "--yes").stdout
    assert settled(stack, transaction) == [("tickets", 2, 1, "resync")]
    assert stack.status()["checks"]["transactions"]["problem"] is None
    stack.commit("delete from tickets where ticket_no like '000999000000_'")
    stack.assert_audit_clean()
    # Other tests compare raw with the topics.
    stack.sql(
        "dwh", f"insert into staging.tickets ({columns}) values (%s, %s, %s, %s, %s, %s)", *gone
    )


def test_an_audit_settles_what_made_no_difference(stack):
    """A fault that is none any more would be said for ever."""
    stack.assert_audit_clean()
    number = 3_999_999_999
    key = {"id": str(number)}
    begin = {"status": "BEGIN", "id": f"{number}:1", "event_count": None, "data_collections": None}
    announced = [{"data_collection": "public.tickets", "event_count": 2}]
    end = {"status": "END", "id": f"{number}:2", "event_count": 2, "data_collections": announced}
    Broker(stack.settings).send("airline.transaction", [(key, begin), (key, end)])
    land(stack, "transaction", f"value ->> 'id' like '{number}:%'", 2)
    end_patience(stack)
    load(stack)
    assert settled(stack, number) == [("tickets", 2, 0, None)]
    assert "./airline audit" in stack.status()["checks"]["transactions"]["problem"]
    done = stack.airline("audit")
    assert "1 tables of incomplete transactions are settled" in done.stdout
    assert settled(stack, number) == [("tickets", 2, 0, "audit")]
    assert stack.status()["checks"]["transactions"]["problem"] is None
