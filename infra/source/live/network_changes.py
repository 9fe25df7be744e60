"""Operations of the airline: new flights, delays, cancellations, changed times and aircraft."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import exp, log

from infra.source.live.boarding import CHECK_IN_OPENS
from infra.source.live.session import Flight, Session

ON_SALE_AHEAD = timedelta(days=30)
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_RANGE_RESERVE = 1.1
_COPIED = (
    "flight_no, scheduled_departure, scheduled_arrival, departure_airport, arrival_airport,"
    " status, aircraft_code"
)


class Timetable:
    """Puts flights on sale as days go by: each day as the same weekday of the last known week."""

    def __init__(self) -> None:
        self._next_day: datetime | None = None

    def is_behind(self, s: Session) -> bool:
        """Whether a day within the sales period has not been put on sale."""
        if self._next_day is None:
            (latest,) = s.row("SELECT max(scheduled_departure) FROM flights")
            if latest is None:
                return False
            self._next_day = max(_midnight(latest) + _DAY, _midnight(s.now))
        return self._next_day <= s.now + ON_SALE_AHEAD

    def extend(self, s: Session) -> None:
        """Puts the next day on sale."""
        day = self._next_day
        assert day is not None  # is_behind() has found it
        self._next_day = day + _DAY
        weeks = self._weeks_back(s, day)
        if weeks is None:
            return
        source = day - weeks * _WEEK
        s.change(
            f"INSERT INTO flights ({_COPIED})"
            " SELECT f.flight_no, f.scheduled_departure + %s, f.scheduled_arrival + %s,"
            " f.departure_airport, f.arrival_airport, 'Scheduled', f.aircraft_code"
            " FROM flights AS f WHERE f.scheduled_departure >= %s AND f.scheduled_departure < %s"
            # Extra flights are not repeated.
            " AND f.flight_no NOT LIKE 'PX%%' AND f.scheduled_departure + %s > %s"
            " ORDER BY f.flight_id ON CONFLICT (flight_no, scheduled_departure) DO NOTHING",
            weeks * _WEEK,
            weeks * _WEEK,
            source,
            source + _DAY,
            weeks * _WEEK,
            s.now + timedelta(hours=1),
        )

    def _weeks_back(self, s: Session, day: datetime) -> int | None:
        """How many weeks before `day` there were flights on that weekday for the last time."""
        (first,) = s.row("SELECT min(scheduled_departure) FROM flights")
        for weeks in range(1, (day - first) // _WEEK + 2):
            source = day - weeks * _WEEK
            known = s.row(
                "SELECT FROM flights AS f WHERE f.scheduled_departure >= %s"
                " AND f.scheduled_departure < %s AND f.flight_no NOT LIKE 'PX%%' LIMIT 1",
                source,
                source + _DAY,
            )
            if known is not None:
                return weeks
        return None


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def extra_flight(s: Session) -> None:
    """One more flight on a route, half an hour to a month ahead: mostly soon."""
    like = s.flight_ahead()
    if like is None:
        return
    minutes = exp(log(30) + s.rng.random() * (log(30 * 24 * 60) - log(30)))
    departure = (s.now + timedelta(minutes=minutes)).replace(second=0, microsecond=0)
    status = "On Time" if departure <= s.now + CHECK_IN_OPENS else "Scheduled"
    s.change(
        f"INSERT INTO flights ({_COPIED}) VALUES (%s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (flight_no, scheduled_departure) DO NOTHING",
        f"PX{int(s.rng.random() * 10000):04d}",
        departure,
        departure + (like.scheduled_arrival - like.scheduled_departure),
        like.departure_airport,
        like.arrival_airport,
        status,
        like.aircraft_code,
    )


def delay(s: Session) -> None:
    """A flight of the next hours will leave late."""
    flight = s.flight_ahead(days=0.4)
    if flight and flight.status == "On Time":
        s.change("UPDATE flights SET status = 'Delayed' WHERE flight_id = %s", flight.flight_id)


def cancel_flight(s: Session) -> None:
    """A flight of the next days is cancelled; its boarding passes are void."""
    flight = s.flight_ahead(days=4)
    if flight:
        s.change("DELETE FROM boarding_passes WHERE flight_id = %s", flight.flight_id)
        s.change("UPDATE flights SET status = 'Cancelled' WHERE flight_id = %s", flight.flight_id)


def reschedule(s: Session) -> None:
    """A flight gets another time, unless that makes somebody miss another flight."""
    flight = s.flight_ahead(hours=50)
    if flight is None or flight.status != "Scheduled":
        return
    shift = timedelta(minutes=5 * int(1 + s.rng.random() * 24) * s.pick((-1, 1)))
    departure, arrival = flight.scheduled_departure + shift, flight.scheduled_arrival + shift
    missed = s.row(
        "SELECT FROM ticket_flights AS tf JOIN tickets AS t ON t.ticket_no = tf.ticket_no"
        " JOIN tickets AS o ON o.passenger_id = t.passenger_id"
        " JOIN ticket_flights AS other ON other.ticket_no = o.ticket_no"
        " AND other.flight_id <> tf.flight_id"
        " JOIN flights AS f ON f.flight_id = other.flight_id"
        " WHERE tf.flight_id = %s AND f.status <> 'Cancelled' AND f.scheduled_departure < %s"
        " AND greatest(f.scheduled_arrival, f.actual_arrival) > %s LIMIT 1",
        flight.flight_id,
        arrival,
        departure,
    )
    is_there = s.row(
        "SELECT FROM flights WHERE flight_no = %s AND scheduled_departure = %s",
        flight.flight_no,
        departure,
    )
    if missed is None and is_there is None:
        s.change(
            "UPDATE flights SET scheduled_departure = %s, scheduled_arrival = %s"
            " WHERE flight_id = %s",
            departure,
            arrival,
            flight.flight_id,
        )


def swap_aircraft(s: Session) -> None:
    """Another type flies, one that reaches the place and seats all who have bought; who had a seat
    that it lacks gets another.
    """
    flight = s.flight_ahead(days=10)
    if flight is None:
        return
    km = s.distance(flight.departure_airport, flight.arrival_airport)
    sold = s.sold(flight.flight_id)
    able = [
        code
        for code, reach in s.ranges.items()
        if code != flight.aircraft_code
        and reach >= km * _RANGE_RESERVE
        and all(len(s.seats(code).get(cabin, ())) >= count for cabin, count in sold.items())
    ]
    if not able:
        return
    aircraft = s.pick(able)
    moved = _reseated(s, flight, aircraft)
    if moved is None:
        return
    s.change(
        "UPDATE flights SET aircraft_code = %s WHERE flight_id = %s", aircraft, flight.flight_id
    )
    if moved:
        s.update_from(
            "UPDATE boarding_passes AS bp SET seat_no = v.seat_no"
            " FROM (VALUES %s) AS v (ticket_no, flight_id, seat_no)"
            " WHERE bp.ticket_no = v.ticket_no AND bp.flight_id = v.flight_id",
            [(ticket, flight.flight_id, seat) for ticket, seat in moved],
        )


def _reseated(s: Session, flight: Flight, aircraft: str) -> list[tuple[str, str]] | None:
    """(ticket, new seat) for those whose seat the aircraft lacks in their cabin; None: no room."""
    passes = s.rows(
        "SELECT bp.ticket_no, bp.seat_no, tf.fare_conditions FROM boarding_passes AS bp"
        " JOIN ticket_flights AS tf ON tf.ticket_no = bp.ticket_no AND tf.flight_id = bp.flight_id"
        " WHERE bp.flight_id = %s ORDER BY 1",
        flight.flight_id,
    )
    # A seat that somebody leaves is not given away in the same statement.
    taken = {seat for _, seat, _ in passes}
    seats = s.seats(aircraft)
    moved = []
    for ticket, seat, cabin in passes:
        if seat in seats[cabin]:
            continue
        free = next((each for each in seats[cabin] if each not in taken), None)
        if free is None:
            return None
        taken.add(free)
        moved.append((ticket, free))
    return moved
