"""What lands, and how it looks: real Kafka, real PostgreSQL, real ingester processes."""

from __future__ import annotations

import json

import pytest
from kafka.errors import MessageSizeTooLargeError

import catalogue

# How long anything may take; nothing is asserted about speed.
PATIENCE = 120.0


def event(**fields) -> bytes:
    return json.dumps(fields).encode()


AWKWARD = [
    'quotes " and \' and ""',
    "tab\tnewline\ncarriage return\r",
    "backslashes \\ \\\\ \\N \\. \\n \\t",
    "Кириллица: Домодедово",
    "emoji 🛫 and \u2028 and \x7f",
    "",
    " ",
    "x" * 5_000_000,
]


def test_every_event_lands_once_as_it_was(pipeline):
    """Text would be mangled, nulls invented, or events lost, doubled or out of order."""
    raw = [event(text=text) for text in AWKWARD]
    raw += [json.dumps({"text": text}, ensure_ascii=False).encode() for text in AWKWARD]
    events = [(event(id=n), value) for n, value in enumerate(raw)]
    events += [(event(id=1), None), (None, event(op="t"))]
    pipeline.create_topic("airports", partitions=2)
    pipeline.produce("airports", events, partition=1)
    pipeline.produce("transaction", [(event(id="7"), event(status="BEGIN"))])

    ingester = pipeline.start()
    pipeline.wait(lambda: pipeline.stored("airports", 1) == len(events))
    pipeline.wait_landed("transaction")

    def parsed(content):
        return None if content is None else json.loads(content)

    assert pipeline.landed("airports") == [
        (1, offset, parsed(key), parsed(value)) for offset, (key, value) in enumerate(events)
    ]
    assert pipeline.landed("transaction") == [(0, 0, {"id": "7"}, {"status": "BEGIN"})]
    assert pipeline.count("dead_letter") == 0
    assert ingester.terminate() == 0


def test_a_message_of_10_mb_lands_beside_small_ones(pipeline):
    """A large row would block its partition, or all of them, for ever."""
    pipeline.create_topic("ticket_flights", partitions=2)
    large = event(contact_data="x" * 10_000_000)
    for partition in range(2):
        small = [(event(id=n), event(n=n)) for n in range(50)]
        pipeline.produce("ticket_flights", [*small, (event(id=50), large), *small], partition)
    ingester = pipeline.start(max_dead_letters=0)
    for partition in range(2):
        pipeline.wait(
            lambda partition=partition: pipeline.stored("ticket_flights", partition) == 101
        )
    sizes = pipeline.sql(
        "SELECT max(length(value->>'contact_data')), count(*) FROM staging.ticket_flights"
    )
    assert sizes == [(10_000_000, 202)]
    assert ingester.terminate() == 0


def test_a_message_above_the_limit_is_refused_by_the_broker(pipeline):
    """The limit that the docs name would be another one, or what is too large end the ingester."""
    topic = pipeline.create_topic("ticket_flights")
    producer = pipeline.producer(max_request_size=32 << 20)
    producer.send(topic, value=b"x" * (15 << 20)).get(PATIENCE)
    with pytest.raises(MessageSizeTooLargeError):
        producer.send(topic, value=b"x" * (16 << 20)).get(PATIENCE)


def test_kafka_timestamp_is_the_record_time(pipeline):
    """kafka_timestamp would be off by an epoch, a unit or a time zone."""
    topic = pipeline.create_topic("seats")
    producer = pipeline.producer()
    for ms in (0, 946_684_800_000, 1_700_000_000_123):
        producer.send(topic, value=b"{}", timestamp_ms=ms)
    producer.flush()
    pipeline.start()
    pipeline.wait_landed("seats")
    times = pipeline.sql(
        "SELECT (extract(epoch FROM kafka_timestamp) * 1000)::bigint FROM staging.seats"
        " ORDER BY kafka_offset"
    )
    assert times == [(0,), (946_684_800_000,), (1_700_000_000_123,)]


def test_topics_that_appear_later_are_picked_up(pipeline):
    """On a fresh stack, where the connector comes after the ingester, nothing would ever land."""
    ingester = pipeline.start()
    pipeline.wait(lambda: ingester.events("started"))
    for table in ("flights", "bookings"):
        pipeline.produce(table, [(event(id=n), event(n=n)) for n in range(10)])
        pipeline.wait_landed(table)
        assert pipeline.count(table) == 10
    # The second topic's rebalance moved the first one's positions nowhere.
    pipeline.produce("flights", [(event(id=n), event(n=n)) for n in range(10, 20)])
    pipeline.wait_landed("flights", 20)
    assert [row[1] for row in pipeline.landed("flights")] == list(range(20))


def test_aborted_transactions_do_not_land(pipeline):
    """Changes that the source connector took back would appear in the warehouse."""
    topic = pipeline.create_topic("ticket_flights")
    producer = pipeline.producer(transactional_id=f"{pipeline.name}-connector")
    producer.init_transactions()
    for number, keep in enumerate((True, False, True, False)):
        producer.begin_transaction()
        for n in range(3):
            producer.send(topic, value=event(transaction=number, n=n), partition=0)
        if keep:
            producer.commit_transaction()
        else:
            producer.flush()
            producer.abort_transaction()
    ingester = pipeline.start()
    # At rest the stored offset is past the last marker, so that lag shows as none. Not
    # `end_offset`: Kafka says that a transaction is over before its marker is there.
    pipeline.wait_landed("ticket_flights", 16)
    landed = pipeline.landed("ticket_flights")
    assert [(value["transaction"], value["n"]) for *_, value in landed] == [
        (0, 0), (0, 1), (0, 2), (2, 0), (2, 1), (2, 2)
    ]  # fmt: skip
    assert pipeline.stored("ticket_flights") == pipeline.end_offset("ticket_flights") == 16
    assert ingester.terminate() == 0


def test_sigterm_lands_what_is_in_hand(pipeline):
    """A stop would leave read events behind, or look like a failure to the supervisor."""
    pipeline.create_topic("bookings")
    ingester = pipeline.start(flush_seconds=3600)
    pipeline.wait(lambda: ingester.events("assigned"))
    pipeline.produce("bookings", [(event(id=n), event(n=n)) for n in range(700)])
    pipeline.wait(lambda: any(line["rows_in_hand"] == 700 for line in ingester.events("read")))
    assert pipeline.count("bookings") == 0
    assert ingester.terminate() == 0
    assert pipeline.count("bookings") == pipeline.stored("bookings") == 700
    assert ingester.log()[-1]["event"] == "stopped"


@pytest.mark.parametrize(("flag", "value"), [("--flush-rows", "100"), ("--flush-bytes", "2000")])
def test_a_full_batch_does_not_wait_for_its_time(pipeline, flag, value):
    """Under load batches would grow without bound until the flush time is over."""
    ingester = pipeline.start(flag, value, flush_seconds=3600)
    pipeline.wait(lambda: ingester.events("started"))
    pipeline.produce("bookings", [(event(id=n), event(n=n)) for n in range(300)])
    pipeline.wait(lambda: pipeline.stored("bookings") > 0)


def test_staging_explains_itself_and_dbt_may_read(pipeline):
    """dbt could not read a landed table, or a second --init-only would fail or change something."""
    pipeline.sql(
        "DO $$ BEGIN CREATE ROLE airline_dbt LOGIN; EXCEPTION WHEN duplicate_object THEN END $$"
    )
    for _ in range(2):
        assert pipeline.start("--init-only").wait() == 0
    undescribed = pipeline.sql(
        "SELECT attrelid::regclass, attname FROM pg_attribute JOIN pg_class ON oid = attrelid"
        " WHERE relnamespace = 'staging'::regnamespace AND relkind = 'r' AND attnum > 0"
        " AND col_description(attrelid, attnum) IS NULL"
    )
    assert undescribed == []
    tables = pipeline.sql(
        "SELECT relname, has_table_privilege('airline_dbt', oid, 'SELECT'),"
        " has_table_privilege('airline_dbt', oid, 'INSERT') FROM pg_class"
        " WHERE relnamespace = 'staging'::regnamespace AND relkind = 'r' ORDER BY 1"
    )
    names = [*catalogue.names(), "dead_letter", "ingest_offset", "lost_log", "transaction"]
    assert tables == [(name, True, False) for name in sorted(names)]
