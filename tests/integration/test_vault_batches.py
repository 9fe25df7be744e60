"""Whatever is selected, fails or is repeated: each load batch is loaded completely or again."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, timedelta

import psycopg2
import pytest

import catalogue
from infra.cli import retention
from infra.health import loading
from infra.loading import load_loop
from infra.postgres import roles
from infra.repair import cut_transactions, dead_letters
from infra.settings import Settings
from infra.warehouse import event_retention
from infra.warehouse.pending import pending
from tests.support.events import KEYS, aircraft, airport, booking, segment, ticket
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def warehouse(postgres_server, tmp_path_factory) -> Warehouse:
    """A warehouse with one loaded batch."""
    made = Warehouse(postgres_server, "vault_batches", tmp_path_factory.mktemp("dbt"))
    made.source.snapshot("airports", airport("AAA"))
    made.load()
    return made


@pytest.fixture(autouse=True)
def nothing_open(warehouse):
    """Each test starts and ends with all that landed loaded, and equal to the source."""
    yield
    # An open batch is loaded first; what landed after it was opened comes with the next.
    if warehouse.open_batches():
        warehouse.load()
    warehouse.load()
    assert warehouse.open_batches() == []
    assert warehouse.differences() == []


def test_failed_run_is_repeated_without_a_trace(warehouse):
    """A run that fails half-way would lose the batch for models that did not run, or double it."""
    warehouse.source.commit(("u", "airports", airport("AAA", city="before the failure")))
    warehouse.source.land()
    # A satellite that cannot be written to, while hubs and other satellites are.
    warehouse.rows(
        "alter table dwh_detailed.sat_airport_details"
        " add constraint refused check (false) not valid"
    )
    failed = warehouse.dbt("run", "--selector", "loading")
    assert not failed.success
    assert len(warehouse.open_batches()) == 1
    warehouse.rows("alter table dwh_detailed.sat_airport_details drop constraint refused")

    # More lands in between; the repeated run still reads the batch that failed.
    (opened,) = warehouse.open_batches()
    warehouse.source.commit(("u", "airports", airport("AAA", city="after the failure")))
    warehouse.load()
    assert warehouse.rows(
        "select outcome from dwh_control.load_batch where load_batch_id = %s", opened
    ) == [("loaded",)]

    warehouse.load()
    stepwise = warehouse.vault()
    done = warehouse.dbt("run", "--full-refresh", "--selector", "loading")
    assert done.success, messages(done)
    assert warehouse.vault() == stepwise


def test_one_model_leaves_the_batch_open(warehouse):
    """A run of one model would close a batch that the other models never read."""
    warehouse.source.commit(("c", "airports", airport("BBB")))
    warehouse.source.land()
    done = warehouse.dbt("run", "--select", "+hub_airports")
    assert done.success, messages(done)
    assert len(warehouse.open_batches()) == 1


def test_load_of_nothing_is_cheap_and_clean(warehouse):
    """A second run would load the last batch again, or fail without one."""
    before = warehouse.vault()
    warehouse.load()
    assert warehouse.rows("select count(*) from dwh_stage.vst_airports") == [(0,)]
    assert warehouse.vault() == before


def test_data_tests_read_what_was_loaded(warehouse):
    """`dbt test` after `dbt run` would open a batch, or test an empty one."""
    warehouse.source.commit(("u", "airports", airport("AAA", city="tested")))
    warehouse.load()
    done = warehouse.dbt("test", "--selector", "vault")
    assert done.success, messages(done)
    assert warehouse.open_batches() == []
    assert warehouse.rows("select count(*) from dwh_stage.stg_airports") == [(1,)]


def test_a_load_that_does_not_come_is_said(warehouse, monkeypatch):
    """Events would wait for days with every figure well, where nobody loads them any more."""
    has = ["core", "airflow"]
    monkeypatch.setattr(loading, "parts", lambda settings: has)
    asked = Settings.from_environment(
        warehouse.settings.environment()
        | {
            # as the metrics ask
            "AIRLINE_ADMIN_USER": roles.MONITOR,
            "AIRLINE_ADMIN_PASSWORD": warehouse.settings.secret(roles.MONITOR),
        }
    )

    found = loading.load_batch(asked)
    assert (found.problem, found.values["unread_age"]) == ("", 0)
    warehouse.source.commit(("u", "airports", airport("AAA", city="waits")))
    warehouse.source.land()
    found = loading.load_batch(asked)
    assert found.problem == "" and found.values["unread_age"] > 0
    newest = "(select max(kafka_offset) from staging.airports)"
    earlier = "set landed_at = landed_at - interval '{} minutes'"
    move = f"update staging.airports {earlier} where kafka_offset = {newest}"
    warehouse.rows(move.format(21))
    assert "vault_load" in loading.load_batch(asked).problem
    # In a stack that loads by hand that is no time.
    has.remove("airflow")
    assert loading.load_batch(asked).problem == ""
    warehouse.rows(move.format(40))
    assert "load-loop" in loading.load_batch(asked).problem
    has.append("airflow")

    # Begun, and left.
    done = warehouse.dbt("run", "--select", "+hub_airports")
    assert done.success, messages(done)
    assert "vault_load" in loading.load_batch(asked).problem
    warehouse.rows(
        "update dwh_control.load_batch set opened_at = now() - interval '61 minutes'"
        " where closed_at is null"
    )
    assert "a load failed or was killed" in loading.load_batch(asked).problem

    warehouse.load()
    found = loading.load_batch(asked)
    assert (found.problem, found.values["unread_age"]) == ("", 0)


def test_status_says_up_to_when_the_data_is(warehouse):
    """`status` says another time than the dashboards, or takes a load that did not end for one."""
    asked = Settings.from_environment(
        warehouse.settings.environment()
        | {
            "AIRLINE_ADMIN_USER": roles.MONITOR,
            "AIRLINE_ADMIN_PASSWORD": warehouse.settings.secret(roles.MONITOR),
        }
    )
    warehouse.source.commit(("u", "airports", airport("AAA", city="as of")))
    warehouse.load()
    done = warehouse.dbt("run", "--select", "load_batches data_freshness airport_data_freshness")
    assert done.success, messages(done)

    def shown() -> list[tuple]:
        return warehouse.rows(
            "select data_as_of from dwh_marts.data_freshness"
            " union all select data_as_of from dwh_marts.airport_data_freshness"
        )

    found = loading.data_as_of(asked)
    moment = found.values["as_of"]
    assert (found.problem, shown()) == ("", [(moment,), (moment,)])
    assert f"{moment.astimezone(UTC):%H:%M} UTC" in found.text

    warehouse.source.commit(("u", "airports", airport("AAA", city="not yet")))
    warehouse.source.land()
    done = warehouse.dbt("run", "--select", "+hub_airports")
    assert done.success, messages(done)
    assert loading.data_as_of(asked).values["as_of"] == moment
    assert shown() == [(moment,), (moment,)]
    warehouse.load()
    assert loading.data_as_of(asked).values["as_of"] > moment
    assert shown() == [(loading.data_as_of(asked).values["as_of"],)] * 2


def test_empty_run_is_no_load(warehouse):
    """`dbt run --empty` would count as the load of a batch of which nothing was read."""
    warehouse.source.commit(("c", "airports", airport("EMP")))
    warehouse.source.land()
    batches = warehouse.rows("select count(*) from dwh_control.load_batch")
    warehouse.dbt("run", "--empty", "--selector", "loading")
    assert warehouse.rows("select count(*) from dwh_control.load_batch") == batches


def test_first_event_of_a_topic_is_waited_for(warehouse):
    """Half a booking would be loaded: a topic of which nothing has landed was not asked for any."""
    source = warehouse.source
    topic = "select 1 from staging.ingest_offset where topic = 'airline.public.ticket_flights'"
    assert warehouse.rows(topic) == []
    source.commit(
        ("c", "bookings", booking("NEWTOP")),
        ("c", "tickets", ticket("0000000000005", book_ref="NEWTOP")),
        ("c", "ticket_flights", segment("0000000000005", 1)),
    )
    begin, book, pass_, first, end = source.pending
    source.pending = [begin, book, pass_, end, first]
    source.land(upto=4)
    done = warehouse.dbt("run", "--selector", "loading")
    assert done.success, messages(done)
    known = "select count(*) from dwh_business.current_bookings where book_ref = 'NEWTOP'"
    assert warehouse.rows(known) == [(0,)]
    warehouse.load()
    assert warehouse.rows(known) == [(1,)]


def test_half_landed_transaction_waits(warehouse):
    """A mart would show half a booking: its total without its segments."""
    warehouse.source.commit(
        ("c", "bookings", booking("HALFHA", total_amount="200.00")),
        ("c", "tickets", ticket("0000000000007", book_ref="HALFHA")),
        ("c", "ticket_flights", segment("0000000000007", 1)),
        ("c", "ticket_flights", segment("0000000000007", 2)),
    )
    source = warehouse.source
    # BEGIN, booking, ticket and one segment; then the END, before the other segment.
    begin, book, pass_, first, second, end = source.pending
    source.pending = [begin, book, pass_, first, end, second]
    source.land(upto=5)
    done = warehouse.dbt("run", "--selector", "loading")
    assert done.success, messages(done)
    known = "select count(*) from dwh_business.current_bookings where book_ref = 'HALFHA'"
    assert warehouse.rows(known) == [(0,)]

    # Until the rest lands there is nothing to read: load-loop must not run dbt without a pause.
    assert not load_loop.read_nothing(warehouse.settings)
    done = warehouse.dbt("run", "--selector", "loading")
    assert done.success, messages(done)
    assert pending(warehouse.settings.dsn("dwh"))
    assert load_loop.read_nothing(warehouse.settings)

    warehouse.load()
    assert not load_loop.read_nothing(warehouse.settings)
    assert warehouse.rows(
        "select flight_id from dwh_business.current_ticket_flights"
        " where ticket_no = '0000000000007' order by 1"
    ) == [(1,), (2,)]


def book_two_segments(source, number: str, reference: str) -> None:
    """A booking of one ticket, in one transaction."""
    source.commit(
        ("c", "bookings", booking(reference)),
        ("c", "tickets", ticket(number, book_ref=reference)),
        ("c", "ticket_flights", segment(number, 1)),
        ("c", "ticket_flights", segment(number, 2)),
    )


def test_dead_letter_holds_nothing_back(warehouse):
    """Its transaction would never be whole, and every table wait for the patience."""
    source = warehouse.source
    for number, reference in (("0000000000021", "DEADAA"), ("0000000000022", "DEADBB")):
        book_two_segments(source, number, reference)
    # Of each the first segment is refused; the second booking's other one is still on its way.
    late = source.pending.pop(-2)
    source.land()
    refused = [source.next_offset["ticket_flights", 0] - back for back in (3, 1)]
    warehouse.rows(
        "with refused as"
        " (delete from staging.ticket_flights where kafka_offset = any(%s) returning *)"
        " insert into staging.dead_letter"
        " (topic, kafka_partition, kafka_offset, kafka_timestamp, key, value, error)"
        " select 'airline.public.ticket_flights', kafka_partition, kafka_offset, kafka_timestamp,"
        " convert_to(key::text, 'UTF8'), convert_to(value::text, 'UTF8'), 'refused' from refused",
        refused,
    )
    for number in ("0000000000021", "0000000000022"):
        del source.rows["ticket_flights"][number, 1]
    done = warehouse.dbt("run", "--selector", "loading")
    assert done.success, messages(done)
    known = "select book_ref from dwh_business.current_bookings where book_ref like 'DEAD%%'"
    assert warehouse.rows(known) == [("DEADAA",)]

    # The letter of a transaction that waited lies before the batch in which the rest comes.
    source.pending.append(late)
    warehouse.load()
    assert warehouse.rows(f"{known} order by 1") == [("DEADAA",), ("DEADBB",)]


def test_what_others_wrote_into_a_topic_makes_up_for_nothing(warehouse):
    """A message that is no event would stand for one that has not landed: half a booking."""
    source = warehouse.source
    book_two_segments(source, "0000000000023", "DEADCC")
    late = source.pending.pop(-2)
    warehouse.rows(
        "insert into staging.dead_letter"
        " (topic, kafka_partition, kafka_offset, kafka_timestamp, value, error)"
        " values ('airline.public.ticket_flights', 0, %s, now(), 'not an event', 'not JSON')",
        source.next_offset["ticket_flights", 0],
    )
    source.next_offset["ticket_flights", 0] += 1
    warehouse.load()
    known = "select book_ref from dwh_business.current_bookings where book_ref = 'DEADCC'"
    assert warehouse.rows(known) == []

    source.pending.append(late)
    warehouse.load()
    assert warehouse.rows(known) == [("DEADCC",)]


def test_deletes_of_a_resync_do_not_depend_on_the_batch(warehouse):
    """They are of no transaction: their load date would be another when loaded from raw again."""
    source = warehouse.source
    gone = [airport("MIA"), airport("MIB"), airport("MIC"), airport("MID")]
    source.commit(*[("c", "airports", each) for each in gone])
    warehouse.load()
    for each in gone:
        source.missed_delete("airports", each, source.clock - timedelta(seconds=30))
    # Each batch begins with another of them; one with a tombstone.
    for upto in (2, 1, 3, None):
        source.land(upto)
        warehouse.load_landed()
    source.commit(("c", "airports", airport("MIA", city="again")))
    warehouse.load()
    stepwise = warehouse.vault()
    done = warehouse.dbt("run", "--full-refresh", "--selector", "loading")
    assert done.success, messages(done)
    assert warehouse.vault() == stepwise


def test_truncation_comes_in_another_partition(warehouse):
    """Offsets of two partitions say nothing: rows put in after it would be dead, others alive."""
    source = warehouse.source

    def seat(number: str) -> dict:
        return {"aircraft_code": "320", "seat_no": number, "fare_conditions": "Economy"}

    source.commit(*[("c", "seats", seat(number)) for number in ("1A", "1B")])
    warehouse.load()
    source.truncates_in = 1
    # Its offset is far before those of the rows ...
    source.commit(("c", "seats", seat("1C")), ("t", "seats", None), ("c", "seats", seat("1A")))
    warehouse.load()
    assert warehouse.differences() == []
    # ... and far behind.
    source.next_offset["seats", 1] = 1_000
    source.commit(("c", "seats", seat("1B")), ("t", "seats", None), ("c", "seats", seat("1A")))
    warehouse.load()
    assert warehouse.differences() == []
    stepwise = warehouse.vault()
    done = warehouse.dbt("run", "--full-refresh", "--selector", "loading")
    assert done.success, messages(done)
    assert warehouse.vault() == stepwise


def test_a_transaction_that_was_counted_anew_is_not_split(warehouse):
    """Debezium, killed within a transaction, would have its rest wait for ten minutes: END counts
    from where it began again, so that less than all would be as many as it says.
    """
    source = warehouse.source
    source.commit(*(("c", "bookings", booking(f"ANEW0{n}")) for n in range(5)))
    begin, *events, (topic, key, end) = source.pending
    for order, (_, _, value) in zip((1, 2, 1, 2, 3), events, strict=True):
        value["transaction"] |= {"total_order": order, "data_collection_order": order}
    end["data_collections"][0]["event_count"] = 3
    source.pending = [begin, *events[:4], (topic, key, end), events[4]]
    loaded = "select count(*) from dwh_detailed.hub_bookings where book_ref like 'ANEW0%%'"
    for upto, expected in ((6, 0), (None, 5)):
        source.land(upto)
        done = warehouse.dbt("run", "--selector", "loading")
        assert done.success, messages(done)
        assert warehouse.rows(loaded) == [(expected,)]


def test_a_transaction_that_was_cut_off_holds_nothing_back(warehouse):
    """After a resync its tables stand still, and the audit finds differences."""
    source = warehouse.source
    source.commit(
        ("c", "bookings", booking("CUTOFF", total_amount="200.00")),
        ("c", "tickets", ticket("0000000000008", book_ref="CUTOFF")),
        ("c", "ticket_flights", segment("0000000000008", 1)),
        ("c", "ticket_flights", segment("0000000000008", 2)),
    )
    # BEGIN, booking, ticket and one segment; then the connector forgot where it was.
    source.pending = source.pending[:4]
    for table, rows in source.rows.items():
        source.snapshot(table, *list(rows.values()))
    source.land()
    assert warehouse.dbt("run", "--selector", "loading").success
    assert len(warehouse.differences()) == 4

    [(key, end)] = cut_transactions.find(warehouse.settings)
    source.pending.append(("transaction", key, end))
    warehouse.load()
    assert warehouse.differences() == []
    assert cut_transactions.find(warehouse.settings) == []


def test_what_lands_while_a_batch_is_opened_waits_for_the_next(warehouse):
    """A transaction would be split: the batch would end beyond the events it was cut by."""
    warehouse.source.commit(
        ("c", "bookings", booking("LATEAA", total_amount="100.00")),
        ("c", "tickets", ticket("0000000000009", book_ref="LATEAA")),
        ("c", "ticket_flights", segment("0000000000009", 1)),
    )
    # BEGIN and the booking; the rest of the transaction is still on its way.
    warehouse.source.land(upto=2)
    # The booking lands at the worst moment: after opening has looked at the events.
    offset = "topic = 'airline.public.bookings'"
    warehouse.rows(
        "create table late as select * from staging.bookings order by kafka_offset desc limit 1;"
        "delete from staging.bookings where kafka_offset = (select kafka_offset from late);"
        f"update staging.ingest_offset set next_offset = next_offset - 1 where {offset};"
        "create function land_late() returns trigger language plpgsql security definer as $$ begin"
        " insert into staging.bookings select * from late;"
        f" update staging.ingest_offset set next_offset = next_offset + 1 where {offset};"
        " return null; end $$;"
        "create trigger land_late before insert on dwh_control.repeated_event"
        " for each statement execute function land_late()"
    )
    bookings = warehouse.rows("select count(*) from dwh_detailed.hub_bookings")
    try:
        done = warehouse.dbt("run", "--selector", "loading")
    finally:
        warehouse.rows("drop function land_late cascade; drop table late")
    assert done.success, messages(done)
    assert warehouse.rows("select count(*) from dwh_detailed.hub_bookings") == bookings
    warehouse.load()
    assert warehouse.rows("select 1 from dwh_business.current_bookings where book_ref = 'LATEAA'")


def test_what_a_batch_before_had_makes_no_history_when_it_comes_again(warehouse):
    """Old states would come again as the newest ones, where nothing in the batch itself repeats."""
    warehouse.source.commit(("c", "airports", airport("REP", city="first")))
    warehouse.source.commit(("u", "airports", airport("REP", city="second")))
    warehouse.load()
    before = warehouse.vault()
    noted = "select count(*) from dwh_control.repeated_event where topic like '%.airports'"
    [(known,)] = warehouse.rows(noted)
    # All of the last two transactions: BEGIN, event, END of each.
    warehouse.source.repeat(6)
    warehouse.load()
    assert warehouse.rows(noted) == [(known + 2,)]
    assert warehouse.vault() == before


def test_partial_full_refresh_is_refused(warehouse):
    """`--full-refresh --select hub_airports` would keep the newest batch and drop the history."""
    warehouse.source.commit(("c", "airports", airport("PFR")))
    warehouse.source.land()
    before = warehouse.rows("select count(*) from dwh_detailed.hub_airports")
    done = warehouse.dbt("run", "--full-refresh", "--select", "hub_airports")
    assert not done.success
    assert "--full-refresh --select +hub_airports" in messages(done)
    assert warehouse.rows("select count(*) from dwh_detailed.hub_airports") == before


def test_full_refresh_of_one_branch_is_complete(warehouse):
    """The documented way to rebuild one table would lose history."""
    before = warehouse.vault()
    done = warehouse.dbt("run", "--full-refresh", "--select", "+sat_airport_details")
    assert done.success, messages(done)
    assert warehouse.vault() == before


def test_dropped_table_is_not_made_without_its_history(warehouse):
    """A vault table that went missing would come back with the newest batch alone."""
    before = warehouse.vault()
    warehouse.rows("drop table dwh_detailed.sat_airport_status cascade")
    done = warehouse.dbt("run", "--selector", "loading")
    assert not done.success
    assert "--full-refresh --select +sat_airport_status" in messages(done)

    done = warehouse.dbt("run", "--full-refresh", "--select", "+sat_airport_status")
    assert done.success, messages(done)
    assert warehouse.vault() == before


def test_closed_under_a_run(warehouse):
    """A run whose batch another run closed would write rows that no batch counts as loaded."""
    warehouse.source.commit(("c", "airports", airport("CUR")))
    warehouse.source.land()
    before = warehouse.vault()
    # The other run, at the worst moment: right after this one noted its batch.
    warehouse.rows(
        """
        create function dwh_control.other_run() returns trigger language plpgsql as $$
        begin
            update dwh_control.load_batch set closed_at = now(), outcome = 'superseded'
            where load_batch_id = new.load_batch_id;
            return new;
        end $$;
        create trigger other_run after insert on dwh_control.load_batch_run
        for each row execute function dwh_control.other_run();
        """
    )
    try:
        done = warehouse.dbt("run", "--selector", "loading")
    finally:
        warehouse.rows("drop function dwh_control.other_run() cascade")
    assert not done.success
    assert "this run holds no open load batch" in messages(done)
    assert warehouse.vault() == before


def test_dropped_source_column_is_said(warehouse):
    """Every row that changes would lose the value and nobody be told, or all tables stand still."""
    warehouse.source.commit(("c", "aircrafts", aircraft("777")))
    warehouse.load()
    shrunk = aircraft("777", model='{"en": "Other"}')
    del shrunk["range"]
    warehouse.source.commit(("u", "aircrafts", shrunk))
    warehouse.load()
    history = "select range from dwh_detailed.sat_aircraft_details order by load_date"
    assert warehouse.rows(history) == [(5000,)]
    [(column, reason)] = warehouse.rows(
        "select column_name, reason from dwh_control.set_aside_event where resolution is null"
    )
    assert column == "range" and "dropped_columns" in reason

    # Known to be gone: it counts as null from then on.
    warehouse.rows("update dwh_control.set_aside_event set resolution = 'replayed'")
    warehouse.load("--vars", "{dropped_columns: [aircrafts.range]}")
    assert warehouse.rows(history) == [(5000,), (None,)]

    # A column that the project does not know breaks nothing.
    warehouse.source.commit(("u", "aircrafts", aircraft("777", engines=2)))
    warehouse.load()

    # Without the variable the event is set aside again: the tests after this one refresh as well.
    done = warehouse.dbt("run", "--full-refresh", "--selector", "loading")
    assert done.success, messages(done)
    assert warehouse.rows(history) == [(5000,)]


def test_two_loads_at_once(warehouse):
    """Airflow's load and a person's would double rows, or block each other for good."""
    warehouse.source.commit(*[("c", "airports", airport(f"A{n:02}")) for n in range(50)])
    warehouse.source.land()
    runs = [warehouse.start_dbt("run", "--selector", "loading") for _ in range(2)]
    said = [run.communicate(timeout=1200)[0] for run in runs]
    assert 0 in [run.returncode for run in runs], said
    for run, text in zip(runs, said, strict=True):
        assert not run.returncode or "Nothing is lost: run again" in text, text
    assert warehouse.open_batches() == []
    stepwise = warehouse.vault()
    done = warehouse.dbt("run", "--full-refresh", "--selector", "loading")
    assert done.success, messages(done)
    assert warehouse.vault() == stepwise


# The tests of retention come last: after them raw is not whole, and a full refresh is refused.
EVERYTHING = ["--keep-days", "0", "--above-gb", "0"]


def test_retention_keeps_what_an_open_batch_reads(warehouse):
    """A full refresh that failed would go on without the events that it has not read yet."""
    for city in ("first", "second", "third"):
        warehouse.source.commit(("u", "airports", airport("AAA", city=city)))
        warehouse.load()
    done = warehouse.dbt("run", "--full-refresh", "--select", "+hub_airports")
    assert done.success, messages(done)
    assert len(warehouse.open_batches()) == 1
    events = "select kafka_offset from staging.airports order by 1"
    before = warehouse.rows(events)
    retention.main(warehouse.settings, EVERYTHING)
    assert warehouse.rows(events) == before


def test_retention_keeps_what_is_needed(warehouse):
    """Unread events would be dropped with the old ones, or a full refresh lose history unasked."""
    source = warehouse.source
    # Set aside, so retention keeps what came after it, but not the END of that.
    shrunk = aircraft("888", model="{}")
    del shrunk["range"]
    for op, row in (("c", aircraft("888")), ("u", shrunk), ("u", aircraft("888", range=1))):
        source.commit((op, "aircrafts", row))
        warehouse.load()
    source.commit(("u", "airports", airport("AAA", city="long ago")))
    warehouse.load()
    source.commit(("u", "airports", airport("AAA", city="newest batch")))
    warehouse.load()
    source.commit(("u", "airports", airport("AAA", city="not loaded yet")))
    source.land()
    before = warehouse.vault()
    offsets = "select min(kafka_offset), max(kafka_offset) from staging.airports"
    [(first, last)] = warehouse.rows(offsets)

    assert "--full-refresh" in dead_letters.advice(warehouse.settings)
    retention.main(warehouse.settings, [])  # small as it is, nothing is dropped
    retention.main(warehouse.settings, [*EVERYTHING, "--dry-run"])
    assert warehouse.rows(offsets) == [(first, last)]
    retention.main(warehouse.settings, EVERYTHING)
    # the unread event, the newest batch and the event before it
    assert warehouse.rows(offsets) == [(last - 2, last)]
    retention.main(warehouse.settings, EVERYTHING)
    warehouse.load()
    assert warehouse.vault().keys() == before.keys()

    # What is late in raw cannot come by a full refresh now.
    assert "resync" in dead_letters.advice(warehouse.settings)
    history = "select count(*) from dwh_detailed.sat_airport_details"
    [(versions,)] = warehouse.rows(history)
    done = warehouse.dbt("run", "--full-refresh", "--selector", "loading")
    assert not done.success
    assert "accept_lost_history: true" in messages(done)
    assert warehouse.rows(history) == [(versions,)]
    incomplete = (
        "select transaction_id, topic from dwh_control.incomplete_transaction"
        " where settled_at is null order by 1, 2"
    )
    known = warehouse.rows(incomplete)
    done = warehouse.dbt(
        "run", "--full-refresh", "--selector", "loading", "--vars", "{accept_lost_history: true}"
    )
    assert done.success, messages(done)
    assert warehouse.rows(history)[0][0] < versions
    assert warehouse.rows(
        "select range from dwh_business.current_aircrafts where aircraft_code = '888'"
    ) == [(1,)], "what was loaded before waits for the END that retention has removed"
    assert warehouse.rows(incomplete) == known, "what an earlier batch read whole is called half"
    # For the tests' own comparison: what was lost is not in the source either.
    for table, rows in source.rows.items():
        kept = warehouse.rows(f"select {', '.join(KEYS[table])} from dwh_business.current_{table}")
        source.rows[table] = {key: row for key, row in rows.items() if key in kept}


def test_retention_ends_where_raw_is_small_again(warehouse, capsys):
    """Once over the limit, every day would drop what is old: files do not shrink by deletes."""
    for number in range(300):
        warehouse.source.commit(("u", "airports", airport("AAA", city=f"number {number}")))
    warehouse.load()
    warehouse.source.commit(("u", "airports", airport("AAA", city="newest batch")))
    warehouse.load()
    connection = psycopg2.connect(warehouse.dsn)
    with closing(connection), connection.cursor() as cursor:
        size = event_retention.raw_gb(cursor)
    [(files,)] = warehouse.rows(
        "select sum(pg_total_relation_size(to_regclass('staging.' || name))) / 1e9"
        " from unnest(%s) as name", list(catalogue.landed())
    )  # fmt: skip
    # Of the same size as on disk, which counts pages.
    assert files / 3 < size < files
    limit = ["--keep-days", "0", "--above-gb", str(size / 2)]
    retention.main(warehouse.settings, limit)
    assert warehouse.rows("select count(*) < 10 from staging.airports") == [(True,)]
    warehouse.load()
    capsys.readouterr()
    retention.main(warehouse.settings, limit)
    assert "nothing is dropped" in capsys.readouterr().out
