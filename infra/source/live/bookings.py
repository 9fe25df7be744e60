"""Operations of customers: bookings, refunds and rebookings."""

from __future__ import annotations

from datetime import datetime, timedelta

from infra.source.fares import fare
from infra.source.live.session import FLIGHT, ON_SALE, Flight, Session
from infra.source.people import contact, family_name, full_name, passenger_id, script
from infra.source.reference_data import airports

_PARTIES = (1, 1, 1, 1, 1, 2, 2, 2, 3, 4)
_CABINS = ("Economy",) * 8 + ("Comfort", "Business")
# Above the numbers that a history gives out, so that a new passenger is not one of its own.
_NEW_PASSENGERS = 5_000_000_000

Person = tuple[str, str, str | None]


def book(s: Session) -> None:
    """A booking with its tickets and segments: one way or return, direct or with a connection."""
    first = s.flight_ahead(days=30 * s.rng.random() + 0.1, hours=0.7)
    if first is None:
        return
    flights = _journey(s, first)
    party = s.pick(_PARTIES)
    cabin = s.pick(_CABINS)
    cabins = [_free_cabin(s, flight, cabin, party) for flight in flights]
    if None in cabins:
        return
    people = _people(s, first.departure_airport, party, flights)
    if not people:
        return
    demand = 0.9 + 0.2 * s.rng.random()
    segments = []
    for flight, sold_as in zip(flights, cabins, strict=True):
        lead = (flight.scheduled_departure - s.now) / timedelta(days=1)
        km = s.distance(flight.departure_airport, flight.arrival_airport)
        segments.append((flight.flight_id, sold_as, fare(km, sold_as, lead, demand)))
    ref = s.new_book_ref()
    total = len(people) * sum(amount for _, _, amount in segments)
    s.insert("bookings", [(ref, s.now, total)])
    tickets = [(s.new_ticket_no(), ref, *person) for person in people]
    s.insert("tickets", tickets)
    s.insert(
        "ticket_flights", [(ticket[0], *segment) for ticket in tickets for segment in segments]
    )


def _journey(s: Session, first: Flight) -> list[Flight]:
    flights = [first]
    if s.chance(0.3):
        arrival = first.scheduled_arrival
        onward = s.rows(
            f"SELECT {FLIGHT} FROM flights AS f WHERE f.departure_airport = %s"
            " AND f.arrival_airport <> %s AND f.status IN %s"
            " AND f.scheduled_departure BETWEEN %s AND %s ORDER BY f.flight_id LIMIT 10",
            first.arrival_airport,
            first.departure_airport,
            ON_SALE,
            arrival + timedelta(minutes=45),
            arrival + timedelta(hours=18),
        )
        if onward:
            flights.append(Flight(*s.pick(onward)))
    if s.chance(0.6):
        last = flights[-1]
        ready = last.scheduled_arrival + timedelta(days=1 + 9 * s.rng.random())
        back = _next_flight(s, last.arrival_airport, first.departure_airport, ready)
        if back:
            flights.append(back)
    return flights


def _next_flight(s: Session, origin: str, destination: str, ready: datetime) -> Flight | None:
    found = s.row(
        f"SELECT {FLIGHT} FROM flights AS f WHERE f.departure_airport = %s"
        " AND f.arrival_airport = %s AND f.status IN %s AND f.scheduled_departure >= %s"
        " ORDER BY f.scheduled_departure, f.flight_id LIMIT 1",
        origin,
        destination,
        ON_SALE,
        ready,
    )
    return Flight(*found) if found else None


def _free_cabin(s: Session, flight: Flight, wanted: str, party: int) -> str | None:
    seats, sold = s.seats(flight.aircraft_code), s.sold(flight.flight_id)
    for cabin in (wanted, "Economy", "Comfort", "Business"):
        if len(seats.get(cabin, ())) - sold.get(cabin, 0) >= party:
            return cabin
    return None


def _people(s: Session, origin: str, party: int, flights: list[Flight]) -> list[Person]:
    """Somebody who has flown before, where that fits, or a new family."""
    if party == 1 and s.chance(0.6):
        known = s.ticket()
        person = known and s.row(
            "SELECT passenger_id, passenger_name, contact_data::text FROM tickets"
            " WHERE ticket_no = %s",
            known,
        )
        if not person or any(
            s.is_busy(person[0], flight.scheduled_departure, flight.scheduled_arrival)
            for flight in flights
        ):
            return []
        return [person]
    countries = {airport.code: airport.country for airport in airports()}
    country = countries.get(origin) or s.pick(list(countries.values()))
    writing = script(s.rng, country)
    family = family_name(s.rng, writing)
    people: list[Person] = []
    for _ in range(party):
        number, document = new_passenger(s, country)
        people.append((document, full_name(s.rng, writing, family), contact(s.rng, number)))
    return people


def new_passenger(s: Session, country: str) -> tuple[int, str]:
    """(number, document) of somebody who is not known yet."""
    while True:
        number = _NEW_PASSENGERS + int(s.rng.random() * _NEW_PASSENGERS)
        document = passenger_id(country, number)
        if s.row("SELECT FROM tickets WHERE passenger_id = %s LIMIT 1", document) is None:
            return number, document


def cancel_ticket(s: Session) -> None:
    """A ticket that has not been used is given back: its rows go, the booking's total follows, and
    a booking without tickets goes too.
    """
    flight = s.flight_ahead()
    ticket = flight and s.ticket_on(flight.flight_id)
    if not ticket or _is_used(s, ticket):
        return
    ref = s.row("SELECT book_ref FROM tickets WHERE ticket_no = %s", ticket)[0]
    s.change("DELETE FROM boarding_passes WHERE ticket_no = %s", ticket)
    s.change("DELETE FROM ticket_flights WHERE ticket_no = %s", ticket)
    s.change("DELETE FROM tickets WHERE ticket_no = %s", ticket)
    if s.row("SELECT FROM tickets WHERE book_ref = %s LIMIT 1", ref) is not None:
        s.change(
            "UPDATE bookings SET total_amount = (SELECT coalesce(sum(tf.amount), 0) FROM tickets"
            " AS t JOIN ticket_flights AS tf ON tf.ticket_no = t.ticket_no WHERE t.book_ref = %s)"
            " WHERE book_ref = %s",
            ref,
            ref,
        )
    else:
        s.change("DELETE FROM bookings WHERE book_ref = %s", ref)


def _is_used(s: Session, ticket: str) -> bool:
    return (
        s.row(
            "SELECT FROM ticket_flights AS tf JOIN flights AS f ON f.flight_id = tf.flight_id"
            " WHERE tf.ticket_no = %s AND f.status IN ('Departed', 'Arrived') LIMIT 1",
            ticket,
        )
        is not None
    )


def move_segment(s: Session) -> None:
    """A passenger takes the next flight of the route instead; a boarding pass is taken back first.

    The segment's key changes by it, its price does not.
    """
    flight = s.flight_ahead(hours=1)
    ticket = flight and s.ticket_on(flight.flight_id)
    if not ticket:
        return
    later = _next_flight(
        s,
        flight.departure_airport,
        flight.arrival_airport,
        flight.scheduled_departure + timedelta(minutes=1),
    )
    if later is None:
        return
    passenger, cabin = s.row(
        "SELECT t.passenger_id, tf.fare_conditions FROM tickets AS t"
        " JOIN ticket_flights AS tf ON tf.ticket_no = t.ticket_no"
        " WHERE t.ticket_no = %s AND tf.flight_id = %s",
        ticket,
        flight.flight_id,
    )
    free = len(s.seats(later.aircraft_code).get(cabin, ())) - s.sold(later.flight_id).get(cabin, 0)
    if free < 1 or s.is_busy(
        passenger, later.scheduled_departure, later.scheduled_arrival, (flight.flight_id,)
    ):
        return
    s.change(
        "DELETE FROM boarding_passes WHERE ticket_no = %s AND flight_id = %s",
        ticket,
        flight.flight_id,
    )
    s.change(
        "UPDATE ticket_flights SET flight_id = %s WHERE ticket_no = %s AND flight_id = %s",
        later.flight_id,
        ticket,
        flight.flight_id,
    )
