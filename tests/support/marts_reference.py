"""The marts once more, in plain Python over the source's rows: what the SQL must come to.

Rows are as `tests.support.events.Source.rows` holds them, table -> key -> row, or as CSV files of
the source tables give them: texts, times in ISO 8601 with an offset. Written from the definitions,
one loop after the other, so that it shares no idea of a join with the SQL.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Rows = dict[str, dict[tuple, dict[str, Any]]]


@dataclass(frozen=True)
class Flight:
    """A flight; moments are in UTC, `departed` is `scheduled` and `arrived` None where unknown."""

    number: int
    status: str
    origin: str
    target: str
    aircraft: str
    scheduled: datetime
    departed: datetime
    scheduled_arrival: datetime
    arrived: datetime | None

    @property
    def cancelled(self) -> bool:
        return self.status == "Cancelled"

    @property
    def flown(self) -> bool:
        return self.status in ("Departed", "Arrived")


@dataclass(frozen=True)
class Segment:
    """A ticket on a flight, with who holds it and in which booking; `amount` in the currency."""

    flight: Flight
    passenger: str
    booking: str
    amount: Decimal


@dataclass(frozen=True)
class Sale:
    """A segment sold, and when it was returned, if it was."""

    flight: int
    sold: datetime
    returned: datetime | None = None

    def holds(self, moment: datetime) -> bool:
        """Whether the seat was sold at `moment`."""
        return self.sold <= moment and not (self.returned and self.returned <= moment)


class Source:
    """Flights and segments of the source, joined once."""

    def __init__(self, rows: Rows) -> None:
        self.airports = {row["airport_code"]: row for row in rows["airports"].values()}
        self.flights = {}
        for row in rows["flights"].values():
            scheduled = _moment(row["scheduled_departure"])
            self.flights[int(row["flight_id"])] = Flight(
                number=int(row["flight_id"]),
                status=row["status"],
                origin=row["departure_airport"],
                target=row["arrival_airport"],
                aircraft=row["aircraft_code"],
                scheduled=scheduled,
                departed=_moment(row["actual_departure"]) if row["actual_departure"] else scheduled,
                scheduled_arrival=_moment(row["scheduled_arrival"]),
                arrived=_moment(row["actual_arrival"]) if row["actual_arrival"] else None,
            )
        tickets = {row["ticket_no"]: row for row in rows["tickets"].values()}
        self.segments = [
            Segment(
                flight=self.flights[int(row["flight_id"])],
                passenger=tickets[row["ticket_no"]]["passenger_id"],
                booking=tickets[row["ticket_no"]]["book_ref"],
                amount=Decimal(row["amount"]),
            )
            for row in rows["ticket_flights"].values()
        ]
        self.passengers = Counter(segment.flight.number for segment in self.segments)

    def window_flights(self, now: datetime) -> list[Flight]:
        """Flights of the last 30 days up to `now` that were not cancelled."""
        start = now - timedelta(days=30)
        return [
            flight
            for flight in self.flights.values()
            if not flight.cancelled and start < flight.scheduled <= now
        ]

    def window_segments(self, now: datetime) -> list[Segment]:
        """Segments on those flights."""
        numbers = {flight.number for flight in self.window_flights(now)}
        return [segment for segment in self.segments if segment.flight.number in numbers]


def airport_traffic(source: Source) -> dict[str, tuple[int, int, int, int]]:
    """Airport -> flights out, passengers out, flights in, passengers in."""
    figures = {code: [0, 0, 0, 0] for code in source.airports}
    for flight in source.flights.values():
        if not flight.cancelled:
            for code, place in ((flight.origin, 0), (flight.target, 2)):
                figures[code][place] += 1
                figures[code][place + 1] += source.passengers[flight.number]
    return {code: tuple(row) for code, row in figures.items()}


def active_airports(source: Source, now: datetime) -> dict[date, tuple[int, int, bool]]:
    """Day -> active airports of the day and of the window; whether the window has all of it."""
    by_day = defaultdict(set)
    for flight in source.window_flights(now):
        by_day[flight.scheduled.date()] |= {flight.origin, flight.target}
    whole = set().union(*by_day.values())
    return {day: (len(by_day[day]), len(whole), _is_whole(day, now)) for day in window_days(now)}


def traffic(source: Source, now: datetime) -> dict[str, tuple[int, int]]:
    """Airport -> flights and passengers of the window, in and out together."""
    flights, passengers = Counter(), Counter()
    for flight in source.window_flights(now):
        for code in (flight.origin, flight.target):
            flights[code] += 1
            passengers[code] += source.passengers[flight.number]
    return {code: (flights[code], passengers[code]) for code in source.airports}


def passenger_metrics(source: Source, now: datetime) -> dict[date, tuple]:
    """Day -> unique passengers, revenue, average check, flights per passenger, and the same four of
    the window; whether the window has all of the day."""
    by_day = defaultdict(list)
    for segment in source.window_segments(now):
        by_day[segment.flight.scheduled.date()].append(segment)
    whole = _metrics(source.window_segments(now))
    return {day: (*_metrics(by_day[day]), *whole, _is_whole(day, now)) for day in window_days(now)}


def _is_whole(day: date, now: datetime) -> bool:
    """Whether every hour of the day is in the window."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return now - timedelta(days=30) <= midnight and midnight + timedelta(days=1) <= now


def passenger_groups(
    source: Source, now: datetime
) -> dict[str, tuple[int, Decimal | None, Decimal]]:
    """Group -> passengers, flights per passenger, revenue."""
    of_passenger = defaultdict(list)
    for segment in source.window_segments(now):
        of_passenger[segment.passenger].append(segment)
    groups = {"Frequent Flyer": [], "Regular Customer": [], "Occasional Traveler": []}
    for segments in of_passenger.values():
        if len(segments) >= 10:
            groups["Frequent Flyer"].append(segments)
        elif len(segments) >= 5:
            groups["Regular Customer"].append(segments)
        else:
            groups["Occasional Traveler"].append(segments)
    return {
        name: (
            len(members),
            _rounded(Decimal(sum(map(len, members))), len(members)),
            sum((one.amount for segments in members for one in segments), Decimal(0)),
        )
        for name, members in groups.items()
    }


def frequent_flyers(source: Source, run_date: date) -> dict[str, tuple[int, Decimal, str, str]]:
    """Passenger -> flights, purchases, home airport, customer group."""
    end = datetime(run_date.year, run_date.month, run_date.day, tzinfo=UTC)
    start = end.replace(year=end.year - 1)
    of_passenger = defaultdict(list)
    for segment in source.segments:
        if segment.flight.flown and start <= segment.flight.departed < end:
            of_passenger[segment.passenger].append(segment)
    sums = {
        passenger: sum((one.amount for one in segments), Decimal(0))
        for passenger, segments in of_passenger.items()
    }
    dearer = Counter(sums.values())
    better, seen = {}, 0
    for amount in sorted(dearer, reverse=True):
        better[amount] = seen
        seen += dearer[amount]
    found = {}
    for passenger, segments in of_passenger.items():
        departures, last = Counter(), {}
        for one in segments:
            code = one.flight.origin
            departures[code] += 1
            last[code] = max(last.get(code, start), one.flight.departed)
        home = min(departures, key=lambda code: (-departures[code], _backwards(last[code]), code))
        percent = Decimal(100 * better[sums[passenger]]) / max(len(sums) - 1, 1)
        group = next((name for name in (5, 10, 25, 50) if percent <= name), "50+")
        found[passenger] = (len(segments), sums[passenger], home, str(group))
    return found


def passenger_flow(
    source: Source, last_day: date
) -> dict[tuple[date, str, str], tuple[int, int, int, int]]:
    """Day, airport, linked airport -> flights in, flights out, passengers in, passengers out."""
    found: dict[tuple[date, str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for flight in source.flights.values():
        day = flight.departed.date()
        if flight.flown and day <= last_day:
            there, here = flight.target, flight.origin
            found[day, there, here][0] += 1
            found[day, there, here][2] += source.passengers[flight.number]
            found[day, here, there][1] += 1
            found[day, here, there][3] += source.passengers[flight.number]
    return {key: tuple(row) for key, row in found.items()}


def punctuality(source: Source, now: datetime) -> dict[tuple[date, str], tuple]:
    """Day and airport of departure -> flights scheduled, cancelled, flown, arrived, on time, and
    minutes of arrival delay."""
    found: dict[tuple[date, str], list] = defaultdict(lambda: [0, 0, 0, 0, 0, Decimal(0)])
    for flight in source.flights.values():
        if flight.scheduled <= now:
            row = found[flight.scheduled.date(), flight.origin]
            row[0] += 1
            row[1] += flight.cancelled
            row[2] += flight.flown
            if flight.status == "Arrived":
                late = max(flight.arrived - flight.scheduled_arrival, timedelta(0))
                row[3] += 1
                row[4] += late < timedelta(minutes=15)
                row[5] += Decimal(late / timedelta(seconds=1)) / 60
    return {key: (*row[:5], _rounded(row[5], 1)) for key, row in found.items()}


def loads(source: Source, rows: Rows) -> dict[int, tuple[int, int, Decimal]]:
    """Flight -> seats, passengers, revenue; cancelled flights have none."""
    seats = Counter(aircraft for aircraft, _ in rows["seats"])
    revenue: dict[int, Decimal] = defaultdict(Decimal)
    for segment in source.segments:
        revenue[segment.flight.number] += segment.amount
    return {
        number: (seats[flight.aircraft], source.passengers[number], revenue[number])
        for number, flight in source.flights.items()
        if not flight.cancelled
    }


def booking_curves(
    source: Source, sales: Iterable[Sale], now: datetime
) -> dict[tuple[int, int], tuple[datetime, int]]:
    """Flight and days before departure -> the moment, and the seats sold at it."""
    found = {}
    for flight in source.flights.values():
        mine = [sale for sale in sales if sale.flight == flight.number and sale.sold <= now]
        sold = [sale.sold for sale in mine if sale.sold <= flight.scheduled]
        if flight.cancelled or not sold or flight.scheduled <= now - timedelta(days=30):
            continue
        for days in range((flight.scheduled - min(sold)) // timedelta(days=1) + 1):
            moment = min(flight.scheduled - timedelta(days=days), now)
            if flight.scheduled - timedelta(days=days + 1) < now:
                found[flight.number, days] = (
                    moment,
                    sum(sale.holds(moment) for sale in mine),
                )
    return found


def window_days(now: datetime) -> Iterator[date]:
    """The 31 UTC days that the window touches."""
    for back in range(30, -1, -1):
        yield now.date() - timedelta(days=back)


def _metrics(segments: Iterable[Segment]) -> tuple[int, Decimal, Decimal | None, Decimal | None]:
    segments = list(segments)
    passengers = {segment.passenger for segment in segments}
    bookings = {segment.booking for segment in segments}
    revenue = sum((segment.amount for segment in segments), Decimal(0))
    return (
        len(passengers),
        revenue,
        _rounded(revenue, len(bookings)),
        _rounded(Decimal(len(segments)), len(passengers)),
    )


def _rounded(total: Decimal, by: int) -> Decimal | None:
    if not by:
        return None
    return (total / by).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _backwards(moment: datetime) -> timedelta:
    return datetime.max.replace(tzinfo=UTC) - moment
