"""The passenger flow day by day: whatever changed in between, each run leaves the days right.

The tests go on from one another's state, as daily runs do; each compares the whole table.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from infra.cli import retention
from tests.support import marts_reference as reference
from tests.support.events import airport, booking, flight, segment, ticket
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(3600)

FIRST = date(2026, 1, 1)
ROWS = (
    "select flight_date, airport_code, linked_airport_code, flights_in, flights_out,"
    " passengers_in, passengers_out from presentation.airport_passenger_flow"
)


@pytest.fixture(scope="module")
def warehouse(postgres_server, tmp_path_factory) -> Warehouse:
    """Three flights a day through January, each with two passengers."""
    made = Warehouse(postgres_server, "marts_flow", tmp_path_factory.mktemp("dbt"))
    source = made.source
    source.clock = datetime(2026, 2, 1, tzinfo=UTC)
    source.snapshot("airports", airport("AAA"), airport("BBB"), airport("CCC"))
    source.snapshot("bookings", booking("AAAAAA"))
    source.snapshot("tickets", ticket("0000000000001"), ticket("0000000000002"))
    for number in range(93):
        origin, target = [("AAA", "BBB"), ("BBB", "AAA"), ("CCC", "AAA")][number % 3]
        moment = datetime(2026, 1, 1 + number // 3, 6 + number % 3, tzinfo=UTC)
        source.snapshot(
            "flights",
            flight(
                number,
                scheduled_departure=moment.isoformat(),
                departure_airport=origin,
                arrival_airport=target,
                status="Arrived",
            ),
        )
        for person in (1, 2):
            source.snapshot("ticket_flights", segment(f"{person:013}", number))
    made.load()
    return made


def run(warehouse: Warehouse, **variables: str) -> None:
    """Runs the flow for the interval in `variables`; seeds and views below it stay as they are."""
    done = flow(warehouse, "run", **variables)
    assert done.success, messages(done)


def flow(warehouse: Warehouse, command: str, *arguments: str, **variables: str):
    pairs = ", ".join(f"{name}: '{value}'" for name, value in variables.items())
    return warehouse.dbt(
        command, "--select", "airport_passenger_flow", *arguments, "--vars", f"{{{pairs}}}"
    )


def assert_right(warehouse: Warehouse, last_day: date) -> None:
    """The table holds what the source's rows of now make of every day up to `last_day`."""
    rows = warehouse.rows(ROWS)
    assert len({row[:3] for row in rows}) == len(rows)
    expected = reference.passenger_flow(reference.Source(warehouse.source.rows), last_day)
    assert {row[:3]: row[3:] for row in rows} == expected


def day(number: int) -> date:
    """A day of January by its number."""
    return FIRST + timedelta(days=number - 1)


def changed(warehouse: Warehouse, number: int, **columns) -> tuple:
    """An update of one flight, for `Source.commit`."""
    return ("u", "flights", warehouse.source.rows["flights"][number,] | columns)


def test_first_run_computes_every_day_up_to_its_interval(warehouse):
    """A new table would lack history, or show a day that is not over."""
    run(warehouse, flow_date=str(day(20)))
    assert_right(warehouse, day(20))


def test_next_run_takes_earlier_days_along_that_changed(warehouse):
    """A flight that moved, was deleted or cancelled would stay in the day where it was."""
    source = warehouse.source
    # The 5th: one flight leaves for the 6th, where it really departed.
    source.commit(changed(warehouse, 12, actual_departure="2026-01-06T00:10:00Z"))
    # The 8th: nothing is left of it.
    for number in (21, 22, 23):
        people = [("d", "ticket_flights", segment(f"{one:013}", number)) for one in (1, 2)]
        source.commit(*people, ("d", "flights", source.rows["flights"][number,]))
    # The 10th: one cancelled, one turned round; the 11th: a passenger less; the 12th: one more.
    source.commit(changed(warehouse, 27, status="Cancelled"))
    source.commit(changed(warehouse, 28, departure_airport="CCC", arrival_airport="BBB"))
    source.commit(("d", "ticket_flights", segment("0000000000001", 30)))
    source.commit(("c", "tickets", ticket("0000000000003")))
    source.commit(("c", "ticket_flights", segment("0000000000003", 33)))
    # The 25th is after the interval.
    source.commit(changed(warehouse, 72, status="Cancelled"))
    warehouse.load()
    run(warehouse, flow_date=str(day(21)))
    assert_right(warehouse, day(21))


def test_running_again_changes_nothing(warehouse):
    """A repeated run, by retry or by hand, would double or lose rows."""
    before = sorted(warehouse.rows(ROWS))
    run(warehouse, flow_date=str(day(21)))
    assert sorted(warehouse.rows(ROWS)) == before


def test_days_without_a_run_are_made_up_for(warehouse):
    """After an outage, days that no run was for would be missing for ever."""
    run(warehouse, flow_date=str(day(24)))
    assert_right(warehouse, day(24))


def test_airflow_says_the_day_in_the_environment(warehouse, monkeypatch):
    """A run of the DAG computes today, and not the day of its data interval."""
    monkeypatch.setenv("AIRLINE_FLOW_DATE", str(day(24)))
    run(warehouse)
    assert_right(warehouse, day(24))


def test_change_committed_earlier_and_landed_later_is_seen(warehouse):
    """Topics land at different speeds: a mark by commit time would skip what lands behind it."""
    source = warehouse.source
    late = source.clock + timedelta(hours=1)
    source.commit(changed(warehouse, 36, status="Cancelled"), at=late)
    warehouse.load()
    run(warehouse, flow_date=str(day(25)))
    source.commit(("d", "ticket_flights", segment("0000000000002", 39)))
    warehouse.load()
    run(warehouse, flow_date=str(day(26)))
    assert_right(warehouse, day(26))


def test_backfill_of_early_days_does_not_hide_changes_of_later_ones(warehouse):
    """A backfill would mark a later day's change as seen, and the next daily run skip it."""
    source = warehouse.source
    source.commit(changed(warehouse, 9, status="Cancelled"))
    source.commit(changed(warehouse, 60, status="Cancelled"))
    warehouse.load()
    before = [row for row in warehouse.rows(ROWS) if row[0] > day(6)]
    run(warehouse, flow_from=str(day(3)), flow_to=str(day(6)))
    assert sorted(row for row in warehouse.rows(ROWS) if row[0] > day(6)) == sorted(before)
    expected = reference.passenger_flow(reference.Source(source.rows), day(6))
    rows = {row[:3]: row[3:] for row in warehouse.rows(ROWS) if row[0] <= day(6)}
    assert rows == expected
    run(warehouse, flow_date=str(day(27)))
    assert_right(warehouse, day(27))


def test_open_batch_is_seen_again_when_it_is_complete(warehouse):
    """A run in the middle of a load would take half a batch for the whole."""
    source = warehouse.source
    source.commit(changed(warehouse, 45, status="Cancelled"))
    source.commit(("d", "ticket_flights", segment("0000000000001", 48)))
    source.land()
    # Flights are loaded and segments are not; the batch stays open.
    part = warehouse.dbt("run", "--select", "+sat_flight_details", "+sat_flight_status")
    assert part.success, messages(part)
    assert len(warehouse.open_batches()) == 1
    run(warehouse, flow_date=str(day(28)))
    warehouse.load()
    assert warehouse.open_batches() == []
    run(warehouse, flow_date=str(day(28)))
    assert_right(warehouse, day(28))


def test_all_at_once_is_the_same_as_day_by_day(warehouse):
    """A backfill of the month, or the table made anew, would differ from the daily runs."""
    run(warehouse, flow_date=str(day(31)))
    daily = sorted(warehouse.rows(ROWS))
    run(warehouse, flow_from=str(day(1)), flow_to=str(day(31)))
    assert sorted(warehouse.rows(ROWS)) == daily
    made_anew = flow(warehouse, "run", "--full-refresh", flow_date=str(day(31)))
    assert made_anew.success, messages(made_anew)
    assert sorted(warehouse.rows(ROWS)) == daily
    assert_right(warehouse, day(31))
    # the mart's airports are checked against this one
    assert warehouse.dbt("run", "--select", "airport_traffic").success
    tested = flow(warehouse, "test")
    assert tested.success, messages(tested)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"flow_date": "yesterday"}, "The variable flow_date is 'yesterday', which is no date"),
        ({"flow_from": "2026-01-05"}, "Only one of the variables flow_from and flow_to is set"),
        ({"flow_from": "2026-01-05", "flow_to": "2026-01-04"}, "is later than flow_to"),
        ({"flow_date": "2026-01-05", "flow_to": "2026-01-05"}, "are both set"),
    ],
)
def test_interval_that_makes_no_sense_is_refused(warehouse, variables, says):
    """A mistyped interval would compute other days than were asked for, without a word."""
    before = sorted(warehouse.rows(ROWS))
    done = flow(warehouse, "run", **variables)
    assert not done.success
    assert says in messages(done)
    assert sorted(warehouse.rows(ROWS)) == before


def test_retention_keeps_the_load_batches_that_the_mart_has_not_seen(warehouse):
    """Changes that came before the newest batch would never reach the days that they are about."""
    run(warehouse, flow_date=str(day(31)))
    for number in (51, 54):
        warehouse.source.commit(changed(warehouse, number, status="Cancelled"))
        warehouse.load()
    retention.main(warehouse.settings, ["--keep-days", "0", "--above-gb", "0"])
    run(warehouse, flow_date=str(day(31)))
    assert_right(warehouse, day(31))
