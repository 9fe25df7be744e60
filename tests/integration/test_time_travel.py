"""The vault asked about the past: tables and marts as they were known, while the source changed."""

from __future__ import annotations

import copy
import random
from collections import Counter
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import psycopg2
import pytest

from infra.postgres import roles
from tests.support import marts_reference as reference
from tests.support.events import aircraft, airport, booking, flight, segment, ticket
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(2700)

CODES = ["AAA", "BBB", "CCC", "DDD"]
# Later than every commit; flights go from a month before to two weeks after.
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class History:
    """A source that is changed commit after commit, and what it looked like after each."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.source = warehouse.source
        self.source.clock = NOW - timedelta(days=5)
        self.dice = random.Random(20260301)
        self.moments: list[tuple[datetime, dict]] = []
        self.sales: dict[tuple[str, int], list[reference.Sale]] = {}

    def begin(self) -> None:
        """What is there when the connector starts: 40 flights, 60 bookings of one segment each."""
        source, dice = self.source, self.dice
        source.snapshot("airports", *[airport(code) for code in CODES])
        source.snapshot("aircrafts", aircraft("320"), aircraft("321"))
        seats = [
            {"aircraft_code": code, "seat_no": f"{row}A", "fare_conditions": "Economy"}
            for code, count in (("320", 6), ("321", 9))
            for row in range(1, count + 1)
        ]
        source.snapshot("seats", *seats)
        flights = []
        for number in range(1, 41):
            origin, target = dice.sample(CODES, 2)
            departure = NOW + timedelta(minutes=dice.randrange(-33 * 1440, 14 * 1440))
            flights.append(
                flight(
                    number,
                    scheduled_departure=text(departure),
                    scheduled_arrival=text(departure + timedelta(hours=2)),
                    departure_airport=origin,
                    arrival_airport=target,
                    status="Scheduled",
                )
            )
        source.snapshot("flights", *flights)
        bookings, tickets, segments = [], [], []
        for number in range(1, 61):
            book_date = self.source.clock - timedelta(minutes=dice.randrange(40 * 1440))
            ticket_no, flight_id = f"{number:013}", dice.randrange(1, 41)
            bookings.append(booking(f"B{number:05}", book_date=text(book_date)))
            tickets.append(
                ticket(ticket_no, book_ref=f"B{number:05}", passenger_id=f"P{number % 17}")
            )
            segments.append(segment(ticket_no, flight_id))
            self.sales[ticket_no, flight_id] = [reference.Sale(flight_id, book_date)]
        source.snapshot("bookings", *bookings)
        source.snapshot("tickets", *tickets)
        source.snapshot("ticket_flights", *segments)
        self._remember()

    def go_on(self, commits: int) -> None:
        """Transactions of every kind, a second to an hour apart."""
        kinds = [
            self.book,
            self.refund,
            self.rebook,
            self.correct,
            self.operate,
            self.swap,
            self.rename,
        ]
        for _ in range(commits):
            self.source.clock += timedelta(seconds=self.dice.randrange(3600))
            self.dice.choice(kinds)()
            self._remember()

    def book(self) -> None:
        number = 61 + len(self.sales)
        ticket_no, flight_id = f"{number:013}", self.dice.randrange(1, 41)
        moment = self.source.clock + timedelta(seconds=1)
        self.source.commit(
            ("c", "bookings", booking(f"B{number:05}", book_date=text(moment))),
            ("c", "tickets", ticket(ticket_no, book_ref=f"B{number:05}", passenger_id="P3")),
            ("c", "ticket_flights", segment(ticket_no, flight_id, amount="123.45")),
        )
        self.sales[ticket_no, flight_id] = [reference.Sale(flight_id, moment)]

    def refund(self) -> None:
        row = self.dice.choice(list(self.source.rows["ticket_flights"].values()))
        ticket_row = self.source.rows["tickets"][row["ticket_no"],]
        booking_row = self.source.rows["bookings"][ticket_row["book_ref"],]
        self.source.commit(
            *[
                ("d", "ticket_flights", one)
                for one in list(self.source.rows["ticket_flights"].values())
                if one["ticket_no"] == row["ticket_no"]
            ],
            ("d", "tickets", ticket_row),
            ("d", "bookings", booking_row),
        )
        self._returned(row)

    def rebook(self) -> None:
        """The segment's key changes: the source deletes one row and creates another."""
        row = self.dice.choice(list(self.source.rows["ticket_flights"].values()))
        other = row["flight_id"] % 40 + 1
        self.source.commit(
            ("d", "ticket_flights", row), ("c", "ticket_flights", row | {"flight_id": other})
        )
        self._returned(row)
        self.sales.setdefault((row["ticket_no"], other), []).append(
            reference.Sale(other, self.source.clock)
        )

    def correct(self) -> None:
        """A booking's reference was mistyped: its key changes, and nothing was sold or returned."""
        row = self.dice.choice(list(self.source.rows["tickets"].values()))
        old = self.source.rows["bookings"][row["book_ref"],]
        new = f"{'C' if row['book_ref'][0] == 'B' else 'B'}{row['book_ref'][1:]}"
        self.source.commit(
            ("d", "bookings", old),
            ("c", "bookings", old | {"book_ref": new}),
            ("u", "tickets", row | {"book_ref": new}),
        )

    def operate(self) -> None:
        row = self.dice.choice(list(self.source.rows["flights"].values()))
        departure = datetime.fromisoformat(row["scheduled_departure"])
        late = timedelta(minutes=self.dice.choice([-5, 0, 10, 16, 90]))
        if departure > self.source.clock:
            change = {"status": self.dice.choice(["Delayed", "On Time", "Cancelled"])}
        else:
            change = {
                "status": "Arrived",
                "actual_departure": text(departure + late),
                "actual_arrival": text(departure + timedelta(hours=2) + late),
            }
        self.source.commit(("u", "flights", row | change))

    def swap(self) -> None:
        row = self.dice.choice(list(self.source.rows["flights"].values()))
        other = "321" if row["aircraft_code"] == "320" else "320"
        self.source.commit(("u", "flights", row | {"aircraft_code": other}))

    def rename(self) -> None:
        row = self.source.rows["airports"][self.dice.choice(CODES),]
        self.source.commit(("u", "airports", row | {"city": f"city at {self.source.clock}"}))

    def _returned(self, row: dict) -> None:
        log = self.sales[row["ticket_no"], row["flight_id"]]
        log[-1] = reference.Sale(log[-1].flight, log[-1].sold, self.source.clock)

    def _remember(self) -> None:
        self.moments.append((self.source.clock, copy.deepcopy(self.source.rows)))

    def known_sales(self, moment: datetime) -> list[reference.Sale]:
        """What was known at `moment` of sales and returns."""
        return [
            sale
            if sale.returned and sale.returned <= moment
            else reference.Sale(sale.flight, sale.sold)
            for log in self.sales.values()
            for sale in log
            if sale.sold <= moment
        ]


@pytest.fixture(scope="module")
def history(postgres_server, tmp_path_factory) -> History:
    """120 transactions in three loads, and the marts that time travel is for."""
    warehouse = Warehouse(postgres_server, "time_travel", tmp_path_factory.mktemp("dbt"))
    made = History(warehouse)
    made.begin()
    for commits in (60, 60):
        made.go_on(commits)
        warehouse.load()
    done = warehouse.dbt(
        "build", "--selector", "marts", "--exclude-resource-type", "test", "unit_test", "snapshot"
    )
    assert done.success, messages(done)
    return made


def test_tables_as_they_were(history):
    """A table as of a moment would not be what the source held then."""
    for moment, rows in history.moments[::7]:
        assert history.warehouse.differences(rows, as_of=moment) == []


def test_between_commits_and_before_the_first(history):
    """A change would be known before it was committed, or something before the first load."""
    moment, rows = history.moments[40]
    just_before = history.moments[41][0] - timedelta(microseconds=1)
    assert moment < just_before
    assert history.warehouse.differences(rows, as_of=just_before) == []
    nothing = {table: {} for table in rows}
    before = history.moments[0][0] - timedelta(microseconds=1)
    assert history.warehouse.differences(nothing, as_of=before) == []


def test_now_is_as_of_now(history):
    """A mart and its function would be two definitions."""
    for mart in ("dwh_marts.flight_load", "dwh_marts.flight_punctuality"):
        now = history.warehouse.rows(f"select * from {mart} order by 1, 2")
        assert now
        then = history.warehouse.rows(f"select * from {mart}_as_of(now()) order by 1, 2")
        assert now == then


def test_punctuality_as_reported_then(history):
    """Punctuality as of a moment would know of flights that had not arrived by then."""
    reports = []
    for moment, rows in history.moments[::20]:
        found = history.warehouse.rows(
            "select flight_date, departure_airport, flights_scheduled, flights_cancelled,"
            " flights_flown, flights_arrived, flights_on_time, arrival_delay_minutes"
            " from dwh_marts.flight_punctuality_as_of(%s)",
            moment,
        )
        report = {row[:2]: row[2:] for row in found}
        assert report == reference.punctuality(reference.Source(rows), moment)
        reports.append(sum(row[3] for row in report.values()))
    assert reports[0] == 0 < reports[-1]


def test_load_then(history):
    """A flight's seats, passengers or revenue as of a moment would be those of another one."""
    for moment, rows in history.moments[::20]:
        found = history.warehouse.rows(
            "select flight_id, seats, passengers, revenue from dwh_marts.flight_load_as_of(%s)",
            moment,
        )
        expected = reference.loads(reference.Source(rows), rows)
        assert {row[0]: row[1:] for row in found} == expected


def test_booking_curve_keeps_what_was_returned(history):
    """A curve's past would change with a refund or a rebooking, as it does in the source."""
    for moment, rows in history.moments[::30]:
        found = history.warehouse.rows(
            "select flight_id, days_before_departure, measured_at, seats_sold"
            " from presentation.booking_curve_as_of(%s)",
            moment,
        )
        expected = reference.booking_curves(
            reference.Source(rows), history.known_sales(moment), moment
        )
        assert {row[:2]: row[2:] for row in found} == expected
    moment, rows = history.moments[-1]
    without_memory = [sale for sale in history.known_sales(moment) if not sale.returned]
    assert expected != reference.booking_curves(reference.Source(rows), without_memory, moment)


def test_a_mart_that_was_here_before(history):
    """A mart as of a moment would have another window, or another state, than it had then."""
    moment, rows = history.moments[60]
    found = history.warehouse.rows(
        "select flight_date, unique_passengers, revenue"
        " from dwh_marts.v_passenger_metrics_30d_as_of(%s)",
        moment,
    )
    expected = reference.passenger_metrics(reference.Source(rows), moment)
    assert {row[0]: row[1:] for row in found} == {day: row[:2] for day, row in expected.items()}
    assert sum(row[2] for row in found) > Decimal(0)


def test_dashboards_may_ask_marts_about_then_and_not_the_vault(history):
    """Superset's role could not use time travel, or could read personal data of the past."""
    warehouse = history.warehouse
    warehouse.rows(f"alter role {roles.BI} password 'for this test'")
    parts = psycopg2.extensions.parse_dsn(warehouse.dsn)
    dsn = psycopg2.extensions.make_dsn(**parts | {"user": roles.BI, "password": "for this test"})
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("select count(*) from dwh_marts.flight_load_as_of(now())")
        assert cursor.fetchone()[0] > 0
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("select * from dwh_business.tickets_as_of(now())")


@pytest.fixture(scope="module")
def reports(history) -> History:
    """The marts of reports and sales at NOW; the first load was when the history began."""
    warehouse = history.warehouse
    warehouse.rows(
        "update dwh_control.load_batch set opened_at = %s, closed_at = %s"
        " where closed_at is not null",
        *[history.moments[0][0]] * 2,
    )
    done = warehouse.dbt(
        *("run", "--select", "+as_reported,path:models/marts", "sales_by_day"),
        *("--vars", f"{{now: '{NOW.isoformat()}'}}"),
    )
    assert done.success, messages(done)
    return history


def test_a_past_report_beside_what_is_known_now(reports):
    """A report as of a moment would know of later flights, or 'now' would not."""
    warehouse = reports.warehouse
    moments = warehouse.rows("select known_at, moment from dwh_marts.known_moments order by 1")
    assert len(moments) > 3
    assert moments[0][0] == reports.moments[0][0]
    newest = flown_by_day(reports.moments[-1][1])
    differing = 0
    for known_at, moment in moments:
        then = [rows for at, rows in reports.moments if at <= known_at][-1]
        found = warehouse.rows(
            "select flight_date, flights_flown_reported, flights_flown, is_changed"
            " from dwh_marts.as_reported where moment = %s",
            moment,
        )
        assert len(found) == 60
        assert {row[0]: row[1] for row in found if row[1]} == flown_by_day(then)
        assert {row[0]: row[2] for row in found if row[2]} == newest
        assert all(row[3] for row in found if row[1] != row[2])
        differing += sum(row[1] != row[2] for row in found)
    assert differing


def test_sales_of_a_day(reports):
    """A booking would count on another day than its own, or a return be forgotten."""
    found = reports.warehouse.rows(
        "select sales_date, bookings, booked_amount, seats_returned, is_whole_day"
        " from dwh_marts.sales_by_day order by 1"
    )
    days = [NOW.date() - timedelta(days=number) for number in range(59, -1, -1)]
    assert [row[0] for row in found] == days
    assert [row[0] for row in found if not row[4]] == [NOW.date()]
    made, amounts = Counter(), Counter()
    for row in reports.source.rows["bookings"].values():
        day = datetime.fromisoformat(row["book_date"]).astimezone(UTC).date()
        made[day] += 1
        amounts[day] += Decimal(row["total_amount"])
    sales = [(ticket, sale) for (ticket, _), log in reports.sales.items() for sale in log]
    # A rebooking gives a seat back and takes another at the same moment.
    sold = {(ticket, sale.sold) for ticket, sale in sales}
    returned = Counter(
        sale.returned.date()
        for ticket, sale in sales
        if sale.returned is not None and (ticket, sale.returned) not in sold
    )
    assert sum(returned.values()) > 5
    assert {row[0]: row[1] for row in found if row[1]} == dict(made)
    assert {row[0]: row[2] for row in found if row[2]} == dict(amounts)
    assert {row[0]: row[3] for row in found if row[3]} == dict(returned)


def flown_by_day(rows: dict) -> dict[date, int]:
    """UTC day of the scheduled departure -> flights that have flown, of the 60 days before NOW."""
    return dict(
        Counter(
            datetime.fromisoformat(row["scheduled_departure"]).astimezone(UTC).date()
            for row in rows["flights"].values()
            if row["status"] in ("Departed", "Arrived")
            and datetime.fromisoformat(row["scheduled_departure"]) < NOW.replace(hour=0)
        )
    )


def text(moment: datetime) -> str:
    """A moment as Debezium writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
