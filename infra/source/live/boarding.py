"""Check-in, boarding, departure and landing."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from infra.source.live.session import FLIGHT, Flight, Session

_BOARDING_OPENS = timedelta(minutes=40)
CHECK_IN_OPENS = timedelta(hours=24)
_MAX_DUE = 3000


def due(s: Session) -> list[Flight]:
    """Flights that are due: to open check-in, to depart, to land. Earliest first."""
    flights = (
        Flight(*row)
        for row in s.rows(
            f"SELECT {FLIGHT} FROM flights AS f"
            " WHERE f.status IN ('Scheduled', 'On Time', 'Delayed', 'Departed')"
            " AND f.scheduled_departure <= %s"
            " AND (f.status = 'Scheduled' OR f.scheduled_departure <= %s)"
            " ORDER BY f.scheduled_departure, f.flight_id LIMIT %s",
            s.now + CHECK_IN_OPENS,
            s.now,
            _MAX_DUE,
        )
    )
    return [flight for flight in flights if _is_due(s, flight)]


def _is_due(s: Session, flight: Flight) -> bool:
    if flight.status == "Scheduled":
        return flight.scheduled_departure <= s.now + CHECK_IN_OPENS
    takeoff, landing = flown(s, flight)
    return (landing if flight.status == "Departed" else takeoff) <= s.now


def flown(s: Session, flight: Flight) -> tuple[datetime, datetime]:
    """When the flight departs and lands: drawn from the seed and the flight only, so that each call
    gives the same times.
    """
    rng = Random(f"{s.seed}/{flight.flight_id}/{flight.scheduled_departure.timestamp()}")
    short, long = rng.random(), rng.random()
    minutes = 30 + 150 * long if flight.status == "Delayed" else 20 * short
    takeoff = flight.actual_departure or flight.scheduled_departure + timedelta(minutes=minutes)
    block = flight.scheduled_arrival - flight.scheduled_departure
    return takeoff, takeoff + block * (0.92 + 0.12 * rng.random())


def by_the_clock(s: Session, flight: Flight) -> str:
    """Does what `flight` is due for; returns the kind of operation.

    Somebody else may have changed the flight since it was found due: then nothing happens.
    """
    row = s.row(f"SELECT {FLIGHT} FROM flights AS f WHERE f.flight_id = %s", flight.flight_id)
    if row is None or Flight(*row) != flight or not _is_due(s, flight):
        return "passed over"
    if flight.status == "Scheduled":
        s.change("UPDATE flights SET status = 'On Time' WHERE flight_id = %s", flight.flight_id)
        return "check-in opened"
    takeoff, landing = flown(s, flight)
    if flight.status == "Departed":
        s.change(
            "UPDATE flights SET status = 'Arrived', actual_arrival = %s WHERE flight_id = %s",
            landing,
            flight.flight_id,
        )
        return "landed"
    _finish_boarding(s, flight)
    s.change(
        "UPDATE flights SET status = 'Departed', actual_departure = %s WHERE flight_id = %s",
        takeoff,
        flight.flight_id,
    )
    return "departed"


def _finish_boarding(s: Session, flight: Flight) -> None:
    """The last passengers check in, and all who are present board.

    A passenger who is still on another flight is removed; a few do not show up.
    """
    elsewhere = _elsewhere(s, flight)
    for ticket in _without_pass(s, flight.flight_id):
        if ticket not in elsewhere and s.chance(0.96):
            _issue(s, flight, [ticket])
    waiting = _waiting(s, flight.flight_id)
    gone = tuple(ticket for ticket in waiting if ticket in elsewhere)
    if gone:
        s.change(
            "DELETE FROM boarding_passes WHERE flight_id = %s AND ticket_no IN %s",
            flight.flight_id,
            gone,
        )
    _board(s, flight.flight_id, [t for t in waiting if t not in elsewhere and s.chance(0.99)])


def check_in(s: Session) -> None:
    """A passenger, or all of a booking, gets boarding passes for a flight of the next 24 hours."""
    flight = s.flight_ahead(days=1)
    if flight is None or flight.status == "Scheduled":
        return
    missing = _without_pass(s, flight.flight_id)
    if not missing:
        return
    party = s.rows(
        "SELECT o.ticket_no FROM tickets AS t JOIN tickets AS o ON o.book_ref = t.book_ref"
        " WHERE t.ticket_no = %s ORDER BY 1",
        s.pick(missing),
    )
    _issue(s, flight, [ticket for (ticket,) in party if ticket in set(missing)])


def board(s: Session) -> None:
    """Some who have checked in board a flight about to leave."""
    flight = s.flight_between(s.now, s.now + _BOARDING_OPENS)
    if flight is None or flight.status == "Scheduled":
        return
    elsewhere = _elsewhere(s, flight)
    able = [ticket for ticket in _waiting(s, flight.flight_id) if ticket not in elsewhere]
    _board(s, flight.flight_id, able[: 1 + int(s.rng.random() * 6)])


def _without_pass(s: Session, flight_id: int) -> list[str]:
    return [
        ticket
        for (ticket,) in s.rows(
            "SELECT tf.ticket_no FROM ticket_flights AS tf LEFT JOIN boarding_passes AS bp"
            " ON bp.ticket_no = tf.ticket_no AND bp.flight_id = tf.flight_id"
            " WHERE tf.flight_id = %s AND bp.ticket_no IS NULL ORDER BY 1",
            flight_id,
        )
    ]


def _waiting(s: Session, flight_id: int) -> list[str]:
    return [
        ticket
        for (ticket,) in s.rows(
            "SELECT ticket_no FROM boarding_passes"
            " WHERE flight_id = %s AND boarding_no IS NULL ORDER BY 1",
            flight_id,
        )
    ]


def _elsewhere(s: Session, flight: Flight) -> set[str]:
    """Tickets of the flight whose passenger sits in another one at the time."""
    takeoff, landing = flown(s, flight)
    return {
        ticket
        for (ticket,) in s.rows(
            "SELECT tf.ticket_no FROM ticket_flights AS tf"
            " JOIN tickets AS t ON t.ticket_no = tf.ticket_no"
            " JOIN tickets AS o ON o.passenger_id = t.passenger_id"
            " JOIN boarding_passes AS bp ON bp.ticket_no = o.ticket_no"
            " AND bp.flight_id <> tf.flight_id AND bp.boarding_no IS NOT NULL"
            " JOIN flights AS f ON f.flight_id = bp.flight_id"
            " WHERE tf.flight_id = %s AND f.status <> 'Cancelled'"
            " AND (f.actual_departure IS NULL OR f.actual_departure < %s"
            " AND coalesce(f.actual_arrival, 'infinity') > %s)",
            flight.flight_id,
            landing,
            takeoff,
        )
    }


def _issue(s: Session, flight: Flight, tickets: list[str]) -> None:
    """Boarding passes with neighbouring free seats of the cabins that were bought."""
    taken = {
        seat
        for (seat,) in s.rows(
            "SELECT seat_no FROM boarding_passes WHERE flight_id = %s", flight.flight_id
        )
    }
    free = {
        cabin: [seat for seat in seats if seat not in taken]
        for cabin, seats in s.seats(flight.aircraft_code).items()
    }
    bought = dict(
        s.rows(
            "SELECT ticket_no, fare_conditions FROM ticket_flights"
            " WHERE flight_id = %s AND ticket_no IN %s",
            flight.flight_id,
            tuple(tickets),
        )
    )
    start = s.rng.random()
    passes = []
    for ticket in tickets:
        seats = free.get(bought[ticket])
        if seats:
            seat = seats.pop(min(int(start * len(seats)), len(seats) - 1))
            passes.append((ticket, flight.flight_id, None, seat))
    s.insert("boarding_passes", passes)


def _board(s: Session, flight_id: int, tickets: list[str]) -> None:
    if not tickets:
        return
    (last,) = s.row(
        "SELECT coalesce(max(boarding_no), 0) FROM boarding_passes WHERE flight_id = %s", flight_id
    )
    s.update_from(
        "UPDATE boarding_passes AS bp SET boarding_no = v.boarding_no"
        " FROM (VALUES %s) AS v (ticket_no, flight_id, boarding_no)"
        " WHERE bp.ticket_no = v.ticket_no AND bp.flight_id = v.flight_id",
        [(ticket, flight_id, last + i) for i, ticket in enumerate(tickets, 1)],
    )
