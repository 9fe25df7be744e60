"""Transactions that are loaded although events of them are missing: waited for, then remembered.

What a batch takes is decided when it is opened, so these tests open and close batches, and load
nothing; tests/e2e/core/test_incomplete_transactions.py loads.
"""

from __future__ import annotations

import time
from contextlib import closing

import psycopg2
import pytest

from infra import warehouse as infra_warehouse
from infra.audit import audit
from infra.audit.results import TableResult
from infra.cli import retention as retention_command
from infra.health import incomplete_transactions as health
from infra.postgres import roles
from infra.repair import cut_transactions, settlement
from infra.settings import Settings
from infra.warehouse import incomplete_transactions as noted
from tests.integration.conftest import PATIENCE
from tests.support.events import booking, ticket
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(1800)

NOTED = (
    "select split_part(topic, '.', -1), events_announced, events_landed, settled_by"
    " from dwh_control.incomplete_transaction where transaction_id = %s order by 1"
)


class Batches(Warehouse):
    """A warehouse of which nothing but the cuts of the load batches is wanted."""

    def take(self, *arguments: str) -> None:
        """Lands what is pending at the source, opens a batch and closes it as loaded."""
        self.source.land()
        self.take_landed(*arguments)

    def take_landed(self, *arguments: str) -> None:
        """The same with what has landed."""
        done = self.dbt("run", "--select", "stg_bookings", *arguments)
        assert done.success, messages(done)
        self.rows(
            "update dwh_control.load_batch set closed_at = now(), outcome = 'loaded'"
            " where closed_at is null"
        )

    def settle(self, *tables: str, upto: int = 1_000_000, by: str = "audit") -> int:
        """Settles as dbt's role; how many rows it did."""
        with (
            closing(psycopg2.connect(infra_warehouse.dbt_dsn(self.settings))) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            return noted.settle(cursor, tables, upto, by)


@pytest.fixture(scope="module")
def warehouse(postgres_server, tmp_path_factory) -> Batches:
    """A warehouse with one batch."""
    made = Batches(postgres_server, "incomplete", tmp_path_factory.mktemp("dbt"))
    made.source.snapshot("bookings", booking("FIRST0"))
    made.take()
    return made


@pytest.fixture(autouse=True)
def all_taken(warehouse):
    """Each test begins with all that landed taken, and no incomplete transaction open."""
    yield
    overdue(warehouse)
    warehouse.take()
    warehouse.settle("bookings", "tickets", noted.ANY)
    assert found(warehouse).problem == ""


def book(source, reference: str, *numbers: str) -> int:
    """A booking with these tickets, in one transaction; its number."""
    source.commit(
        ("c", "bookings", booking(reference)),
        *(("c", "tickets", ticket(number, book_ref=reference)) for number in numbers),
    )
    return source.next_transaction - 1


def overdue(warehouse) -> None:
    """Has everything landed eleven minutes earlier: the patience with it is over."""
    for table in ("transaction", "bookings", "tickets"):
        warehouse.rows(f"update staging.{table} set landed_at = landed_at - interval '11 minutes'")


def taken(warehouse, reference: str) -> int:
    """How many events of a booking batches have taken: the booking's and its tickets'."""
    [(count,)] = warehouse.rows(
        "select count(*) from (select 'bookings' as place, * from staging.bookings"
        " union all select 'tickets', * from staging.tickets) as event"
        " inner join dwh_control.load_batch_range as part"
        " on part.topic = 'airline.public.' || event.place"
        " and event.kafka_offset >= part.from_offset and event.kafka_offset < part.to_offset"
        " inner join dwh_control.load_batch using (load_batch_id)"
        " where not is_full_refresh and event.value -> 'after' ->> 'book_ref' = %s",
        reference,
    )
    return count


def found(warehouse):
    """What `status` finds, asked as the metrics ask."""
    return health.transactions(
        Settings.from_environment(
            warehouse.settings.environment()
            | {
                "AIRLINE_ADMIN_USER": roles.MONITOR,
                "AIRLINE_ADMIN_PASSWORD": warehouse.settings.secret(roles.MONITOR),
            }
        )
    )


def test_what_never_landed_is_remembered_until_it_does(warehouse):
    """END says two tickets, one landed: half a booking would be loaded, and nobody know of it."""
    source = warehouse.source
    number = book(source, "HALF01", "0000000000101", "0000000000102")
    late = source.pending.pop(-2)
    warehouse.take()
    assert taken(warehouse, "HALF01") == 0
    assert warehouse.rows(NOTED, number) == []

    overdue(warehouse)
    warehouse.take()
    assert taken(warehouse, "HALF01") == 2
    assert warehouse.rows(NOTED, number) == [("tickets", 2, 1, None)]
    said = found(warehouse)
    assert said.values["incomplete"] == 1 and said.values["tables"] == ["tickets"]
    assert "./airline audit" in said.problem and "./airline resync tickets" in said.problem
    # A load that brings nothing of it changes nothing.
    book(source, "WHOLE1", "0000000000103")
    warehouse.take()
    assert taken(warehouse, "WHOLE1") == 2
    assert warehouse.rows(NOTED, number) == [("tickets", 2, 1, None)]

    source.pending.append(late)
    warehouse.take()
    assert taken(warehouse, "HALF01") == 3
    assert warehouse.rows(NOTED, number) == [("tickets", 2, 2, "arrived")]
    assert found(warehouse).problem == ""


def test_progress_is_waited_for(warehouse):
    """A transaction that lands for longer than the patience would be split while it lands."""
    source = warehouse.source
    number = book(source, "SLOW01", "0000000000111", "0000000000112")
    # BEGIN, the booking; long after them a ticket; long after that the rest.
    for upto in (2, 1):
        source.land(upto)
        warehouse.take_landed()
        assert taken(warehouse, "SLOW01") == 0
        if upto == 2:
            overdue(warehouse)
    source.land()
    warehouse.take_landed()
    assert taken(warehouse, "SLOW01") == 3
    assert warehouse.rows(NOTED, number) == []


def test_a_late_end_is_not_waited_for_twice(warehouse):
    """What was taken without its END would, once that is there, hold back all tables again."""
    source = warehouse.source
    number = book(source, "LATE01", "0000000000121", "0000000000122")
    end, second = source.pending.pop(), source.pending.pop()
    source.land()
    warehouse.take_landed()
    assert taken(warehouse, "LATE01") == 0
    overdue(warehouse)
    warehouse.take_landed()
    assert taken(warehouse, "LATE01") == 2
    assert warehouse.rows(NOTED, number) == [
        ("bookings", None, 1, None),
        ("tickets", None, 1, None),
        ("transaction", None, 0, None),
    ]
    assert "END of some" in found(warehouse).text

    # The END says that a ticket is missing; what comes after it is loaded at once.
    source.pending.append(end)
    book(source, "NEXT01", "0000000000123")
    warehouse.take()
    assert taken(warehouse, "NEXT01") == 2
    assert warehouse.rows(NOTED, number) == [
        ("bookings", 1, 1, "arrived"),
        ("tickets", 2, 1, None),
        ("transaction", None, 0, "arrived"),
    ]
    source.pending.append(second)
    warehouse.take()
    assert ("tickets", 2, 2, "arrived") in warehouse.rows(NOTED, number)


def test_a_late_end_of_what_was_taken_whole_settles_it(warehouse):
    """A transaction that lacks nothing but its END would stay a fault for ever."""
    source = warehouse.source
    number = book(source, "LATE02", "0000000000131")
    end = source.pending.pop()
    source.land()
    overdue(warehouse)
    warehouse.take_landed()
    assert taken(warehouse, "LATE02") == 2
    source.pending.append(end)
    warehouse.take()
    assert {settled for *_, settled in warehouse.rows(NOTED, number)} == {"arrived"}


def test_a_transaction_of_which_only_begin_or_only_end_landed_is_remembered(warehouse):
    """All events of a transaction would be lost without a word."""
    source = warehouse.source
    first = book(source, "LOST01", "0000000000141")
    begin, *_ = source.pending
    source.pending = [begin]
    second = book(source, "LOST02", "0000000000142")
    source.pending = [begin, source.pending[1], source.pending[-1]]
    source.land()
    warehouse.take_landed()
    assert warehouse.rows(NOTED, first) == [] == warehouse.rows(NOTED, second)
    overdue(warehouse)
    warehouse.take_landed()
    assert warehouse.rows(NOTED, first) == [("transaction", None, 0, None)]
    assert warehouse.rows(NOTED, second) == [("bookings", 1, 0, None), ("tickets", 1, 0, None)]


def test_what_follows_an_awaited_begin_is_not_split(warehouse):
    """The next transaction's tickets would wait behind the first one's, its booking would not."""
    source = warehouse.source
    book(source, "CUTA01", "0000000000151")
    end, begun = source.pending.pop(), source.pending
    source.pending = begun[:1] + begun[2:]  # BEGIN and the ticket
    book(source, "CUTB01", "0000000000152")
    warehouse.take()
    assert taken(warehouse, "CUTB01") == 0
    source.pending += [begun[1], end]
    warehouse.take()
    assert (taken(warehouse, "CUTA01"), taken(warehouse, "CUTB01")) == (2, 2)


def test_a_dead_letter_counts_when_it_was_taken_and_no_second_time(warehouse):
    """A refused event would count as missing, or twice, and hide one that is."""
    source = warehouse.source
    number = book(source, "DEAD01", *(f"000000000016{n}" for n in range(3)))
    end, last = source.pending.pop(), source.pending.pop()
    source.land()
    refused = source.next_offset["tickets", 0] - 1
    warehouse.rows(
        "with refused as (delete from staging.tickets where kafka_offset = %s returning *)"
        " insert into staging.dead_letter"
        " (topic, kafka_partition, kafka_offset, kafka_timestamp, key, value, error)"
        " select 'airline.public.tickets', kafka_partition, kafka_offset, kafka_timestamp,"
        " convert_to(key::text, 'UTF8'), convert_to(value::text, 'UTF8'), 'refused' from refused",
        refused,
    )
    overdue(warehouse)
    warehouse.take_landed()
    assert ("tickets", None, 2, None) in warehouse.rows(NOTED, number)
    source.pending.append(end)
    warehouse.take()
    assert ("tickets", 3, 2, None) in warehouse.rows(NOTED, number)
    source.pending.append(last)
    warehouse.take()
    assert ("tickets", 3, 3, "arrived") in warehouse.rows(NOTED, number)


def test_what_comes_again_does_not_stand_for_what_is_missing(warehouse):
    """A connector that sends the landed half again would settle the half that is lost."""
    source = warehouse.source
    number = book(source, "AGAIN1", "0000000000171", "0000000000172")
    events = list(source.pending)
    late = source.pending.pop(-2)
    source.land()
    overdue(warehouse)
    warehouse.take_landed()
    source.pending = [event for event in events if event is not late]
    warehouse.take()
    assert warehouse.rows(NOTED, number) == [("tickets", 2, 1, None)]
    source.pending = events
    warehouse.take()
    assert warehouse.rows(NOTED, number) == [("tickets", 2, 2, "arrived")]


def test_an_end_that_a_resync_wrote_is_no_fault_and_settles_none(warehouse):
    """What was ended on purpose would be a fault for ever; or what lacks events be settled."""
    source = warehouse.source
    given_up = book(source, "ENDA01", "0000000000181")
    source.pending.pop()
    source.land()
    overdue(warehouse)
    warehouse.take_landed()
    fresh = book(source, "ENDB01", "0000000000182")
    source.pending.pop()
    source.land()
    ends = cut_transactions.find(warehouse.settings)
    source.pending += [("transaction", key, end) for key, end in ends]
    warehouse.take()
    assert taken(warehouse, "ENDB01") == 2
    assert warehouse.rows(NOTED, fresh) == []
    assert {settled for *_, settled in warehouse.rows(NOTED, given_up)} == {None}


def test_who_compared_settles_what_was_loaded_by_then(warehouse):
    """What a batch takes in part during an audit would be settled by it, unseen."""
    source = warehouse.source
    numbers = []
    for reference, tickets in (("AUDIT1", (191, 192)), ("AUDIT2", (193, 194))):
        numbers.append(book(source, reference, *(f"0000000000{each}" for each in tickets)))
        source.pending.pop(-2)
        source.land()
        overdue(warehouse)
        warehouse.take_landed()
        if reference == "AUDIT1":
            with closing(psycopg2.connect(warehouse.dsn)) as connection:
                batch = noted.newest_load_batch(connection.cursor(), loaded=True)
    assert warehouse.settle("bookings", noted.ANY, upto=batch) == 0
    assert warehouse.settle("tickets", upto=batch) == 1
    assert [warehouse.rows(NOTED, each) for each in numbers] == [
        [("tickets", 2, 1, "audit")],
        [("tickets", 2, 1, None)],
    ]


def without_end(warehouse, reference: str, number: str) -> int:
    """A booking whose END never comes, taken by a batch; its number."""
    transaction = book(warehouse.source, reference, number)
    warehouse.source.pending.pop()
    warehouse.source.land()
    overdue(warehouse)
    warehouse.take_landed()
    return transaction


def test_an_audit_settles_the_tables_that_it_found_equal(warehouse):
    """It would settle a table that differs; or a missing END although a table differs."""
    number = without_end(warehouse, "EQUAL1", "0000000000195")
    dsn = infra_warehouse.dbt_dsn(warehouse.settings)
    results = [
        TableResult("bookings", ["book_ref"], load_batch=1_000_000),
        TableResult("tickets", ["ticket_no"], load_batch=1_000_000, missing=1),
    ]
    assert audit.settle(dsn, results) == 1
    assert [settled for *_, settled in warehouse.rows(NOTED, number)] == ["audit", None, None]
    results[1].missing = 0
    assert audit.settle(dsn, results) == 2
    assert [settled for *_, settled in warehouse.rows(NOTED, number)] == ["audit"] * 3
    # Nothing can be settled by a role that only reads.
    reader = warehouse.settings.dsn(
        "dwh", user=roles.MONITOR, password=warehouse.settings.secret(roles.MONITOR)
    )
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        audit.settle(reader, results)


def test_a_resync_settles_its_table_once_that_is_loaded(warehouse):
    """It would settle other tables, what came after it began, or what is not in the vault yet."""
    number = without_end(warehouse, "READ01", "0000000000196")
    tickets = ("airline.public.tickets", 0)
    [(landed,)] = warehouse.rows(
        "select next_offset from staging.ingest_offset where topic = %s", tickets[0]
    )
    journal = {"table": "tickets", "load_batch": 1_000_000}
    settlement.settle(warehouse.settings, journal, {tickets: landed + 1})
    settlement.settle(warehouse.settings, journal | {"load_batch": 1}, {tickets: landed})
    assert {settled for *_, settled in warehouse.rows(NOTED, number)} == {None}
    settlement.settle(warehouse.settings, journal, {tickets: landed})
    assert [settled for *_, settled in warehouse.rows(NOTED, number)] == [None, "resync", None]
    settlement.settle(warehouse.settings, journal | {"table": None}, {tickets: landed + 1})
    assert [settled for *_, settled in warehouse.rows(NOTED, number)] == ["resync", "resync", None]
    settlement.settle(warehouse.settings, journal | {"table": None}, {tickets: landed})
    assert [settled for *_, settled in warehouse.rows(NOTED, number)] == ["resync"] * 3


def test_a_full_refresh_forgets_nothing_and_opens_nothing_again(warehouse):
    """It would count every event twice, forget what is open, or ask again for what was settled."""
    source = warehouse.source
    settled = book(source, "FULL01", "0000000000201", "0000000000202")
    source.pending.pop(-2)
    source.land()
    overdue(warehouse)
    warehouse.take_landed()
    warehouse.settle("tickets", by="resync")
    is_open = book(source, "FULL02", "0000000000203", "0000000000204")
    late = source.pending.pop(-2)
    for _ in range(2):
        source.land()
        overdue(warehouse)
        warehouse.take_landed("--full-refresh")
        assert warehouse.rows(NOTED, settled) == [("tickets", 2, 1, "resync")]
        assert warehouse.rows(NOTED, is_open) == [("tickets", 2, 1, None)]
    before = warehouse.rows("select count(*) from dwh_control.incomplete_transaction")

    # What lies behind the batches (a replayed dead letter) is read by a full refresh only.
    source.pending.append(late)
    source.land()
    warehouse.take_landed("--full-refresh")
    assert warehouse.rows(NOTED, is_open) == [("tickets", 2, 2, "arrived")]
    assert warehouse.rows("select count(*) from dwh_control.incomplete_transaction") == before


def sessions_are_over(warehouse) -> None:
    """Waits until no session but this one is there: what one has read counts when it ends."""
    others = (
        "select 1 from pg_stat_activity where datname = current_database()"
        " and backend_type in ('client backend', 'parallel worker') and pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + PATIENCE
    while warehouse.rows(others):
        assert time.monotonic() < deadline, "a session does not end"
        time.sleep(0.05)


def test_a_batch_costs_what_landed_and_not_what_is_remembered(warehouse):
    """Opening a batch would read all markers of the past, and all that was ever remembered."""
    warehouse.rows(
        "insert into dwh_control.incomplete_transaction (transaction_id, topic, events_announced,"
        " events_landed, events_refused, first_progress_at, last_progress_at, load_batch_id,"
        " settled_at, settled_by)"
        " select 1000000 + n, 'airline.public.tickets', 2, 1, 0, now(), now(), 1, now(), 'audit'"
        " from generate_series(1, 50000) as n"
    )
    warehouse.rows(
        "insert into staging.transaction (kafka_partition, kafka_offset, value)"
        " select 0, -n, jsonb_build_object('status', 'BEGIN', 'id', 2000000 + n || ':1')"
        " from generate_series(1, 50000) as n"
    )
    warehouse.rows("analyze staging.transaction, dwh_control.incomplete_transaction")
    read = (
        "select sum(seq_tup_read) from pg_stat_user_tables"
        " where relname in ('incomplete_transaction', 'transaction')"
    )
    number = book(warehouse.source, "COST01", "0000000000211", "0000000000212")
    warehouse.source.pending.pop(-2)
    warehouse.source.land()
    # by offset: this must not read the past either
    newest = warehouse.source.next_offset["transaction", 0] - 2
    warehouse.rows(
        "update staging.transaction set landed_at = landed_at - interval '11 minutes'"
        " where kafka_partition = 0 and kafka_offset >= %s",
        newest,
    )
    for table in ("bookings", "tickets"):
        warehouse.rows(f"update staging.{table} set landed_at = landed_at - interval '11 minutes'")
    sessions_are_over(warehouse)
    before = warehouse.rows(read)
    warehouse.take_landed()
    assert warehouse.rows(NOTED, number) == [("tickets", 2, 1, None)]
    sessions_are_over(warehouse)
    assert warehouse.rows(read) == before
    warehouse.rows("delete from dwh_control.incomplete_transaction where transaction_id > 1000000")
    warehouse.rows("delete from staging.transaction where kafka_offset < 0")


def test_to_find_the_cut_ones_costs_what_the_markers_do(warehouse):
    """A resync gives up: "a database does not answer", with some tens of thousands in raw."""
    took = []
    with closing(psycopg2.connect(warehouse.dsn)) as connection, connection.cursor() as ask:
        for number in (500, 8_000):
            # Nobody else sees them, and nothing counts them for the planner.
            ask.execute(
                "insert into staging.transaction (kafka_partition, kafka_offset, key, value)"
                " select 0, -10 * n - length(status), '{}',"
                " jsonb_build_object('status', status, 'id', n || ':1')"
                " from generate_series(1, %s) as n, unnest(array['BEGIN', 'END']) as status",
                (number,),
            )
            ask.execute(f"explain (analyze, format json) {cut_transactions.CUT}")
            [([plan],)] = ask.fetchall()
            took.append(plan["Execution Time"])
            connection.rollback()
    # 16 times the markers; compared each with each it is 256 times the work.
    assert took[1] < 64 * took[0], took


def test_what_retention_removed_is_not_missing(warehouse):
    """A full refresh of what retention left would remember transactions that were loaded whole."""
    source = warehouse.source
    for number in range(221, 225):
        book(source, f"RET{number}", f"0000000000{number}", f"0000000001{number}")
        warehouse.take()
    before = warehouse.rows("select count(*) from dwh_control.incomplete_transaction")
    retention_command.main(warehouse.settings, ["--keep-days", "0", "--above-gb", "0"])
    overdue(warehouse)
    warehouse.take_landed("--full-refresh", "--vars", "{accept_lost_history: true}")
    assert warehouse.rows("select count(*) from dwh_control.incomplete_transaction") == before
