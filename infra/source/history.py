"""Generates a booking system's past and its flights on sale, and writes them by COPY."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random

import psycopg2

import catalogue
from infra.errors import AirlineError
from infra.source.database import address, columns, finish_load, transaction
from infra.source.fares import fare
from infra.source.flights import CHECK_IN_OPENS, DAY, MINUTE, Flights, stamp
from infra.source.people import contact, family_name, full_name, passenger_id, script
from infra.source.reference_data import aircrafts, airports
from infra.source.trips import HOUSEHOLDS, Household, Trip, households

# Rows per chunk: rows are written in chunks, so that memory does not grow with the history.
CHUNK_ROWS = 50_000
_FIRST_TICKET = 5_432_000_000
_BOOK_REFS = 36**6
# Coprime with 36: number -> number * it mod 36^6 meets every reference once.
_REF_SPREAD = 1_327_217_885
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SEAT_ORDERS = 16
_NO_SHOW = 0.03
_NULL = r"\N"

Chunk = tuple[str, list[str]]


def load_history(
    dsn: str,
    *,
    scale: float = 1.0,
    seed: int = 1,
    progress: Callable[[str], object] = print,
    now: datetime | None = None,
) -> dict[str, int]:
    """Fills the empty tables with about 90 days up to `now` and 30 days on sale; returns rows per
    table.

    About 300,000 rows at scale 1, and in proportion: flights and all that is on them scale,
    airports and aircraft types do not. The same seed and `now` give the same rows. One transaction.
    Raises AirlineError where the tables are not empty.
    """
    now = now or datetime.now(UTC)
    started = reported = time.monotonic()
    counts = dict.fromkeys(catalogue.names(), 0)
    try:
        with transaction(dsn) as connection, connection.cursor() as cursor:
            held = " OR ".join(f"EXISTS (SELECT FROM {table})" for table in catalogue.names())
            cursor.execute(f"SELECT {held}")
            if cursor.fetchone()[0]:
                raise AirlineError(
                    f"the booking system in {address(dsn)} holds data already",
                    "a history goes into empty tables only; './airline reset' empties them",
                )
            for table, rows in history_rows(scale=scale, seed=seed, now=now):
                cursor.copy_expert(
                    f"COPY {table} ({', '.join(columns()[table])}) FROM STDIN",
                    io.StringIO("".join(rows)),
                )
                counts[table] += len(rows)
                if time.monotonic() - reported > 5:
                    reported = time.monotonic()
                    progress(f"{sum(counts.values()):,} rows in {reported - started:.0f} s")
            finish_load(connection)
    except psycopg2.OperationalError as error:
        raise AirlineError(
            f"the history of {address(dsn)} broke off: {str(error).strip()}",
            "nothing was written; see './airline status' and load again",
        ) from None
    took = time.monotonic() - started
    progress(f"history: {sum(counts.values()):,} rows in {took:.1f} s")
    return counts


def history_rows(*, scale: float, seed: int, now: datetime) -> Iterator[Chunk]:
    """(table, lines in COPY's text format) in chunks; a row comes after the rows it refers to."""
    if scale <= 0:
        raise AirlineError(f"the scale is {scale}", "give one above 0, 1 is about 300,000 rows")
    rng = Random(f"{seed}")
    yield from _reference_rows()
    flights = Flights(rng, int(now.timestamp()), scale)
    yield from _flight_rows(flights)
    yield from _Writer(flights, rng, seed).rows(round(HOUSEHOLDS * scale))


def _reference_rows() -> Iterator[Chunk]:
    yield (
        "airports",
        [f"{a.code}\t{a.name}\t{a.city}\t{a.lon}\t{a.lat}\t{a.timezone}\n" for a in airports()],
    )
    yield (
        "aircrafts",
        [f"{a.code}\t{json.dumps(a.model, ensure_ascii=False)}\t{a.range}\n" for a in aircrafts()],
    )
    yield (
        "seats",
        [
            f"{a.code}\t{seat}\t{cabin}\n"
            for a in aircrafts()
            for cabin, seats in a.seats.items()
            for seat in seats
        ],
    )


def _stamp_or_null(seconds: int) -> str:
    return stamp(seconds) if seconds else _NULL


def _flight_rows(flights: Flights) -> Iterator[Chunk]:
    rows: list[str] = []
    for i in range(len(flights)):
        rows.append(
            f"{i + 1}\t{flights.number[i]}\t{stamp(flights.departure[i])}"
            f"\t{stamp(flights.arrival[i])}\t{flights.origin[i]}\t{flights.destination[i]}"
            f"\t{flights.status[i]}\t{flights.aircraft[i].code}"
            f"\t{_stamp_or_null(flights.took_off[i])}\t{_stamp_or_null(flights.landed[i])}\n"
        )
        if len(rows) == CHUNK_ROWS:
            yield "flights", rows
            rows = []
    yield "flights", rows


def seat_orders(rng: Random) -> dict[tuple[str, str], list[tuple[str, ...]]]:
    """(aircraft, cabin) -> orders in which its seats are assigned: row by row, so that a party sits
    together, with the rows shuffled.
    """
    orders = {}
    for aircraft in aircrafts():
        for cabin, seats in aircraft.seats.items():
            rows: dict[str, list[str]] = {}
            for seat in seats:
                rows.setdefault(seat[:-1], []).append(seat)
            mixed = []
            for _ in range(_SEAT_ORDERS):
                order = list(rows.values())
                rng.shuffle(order)
                mixed.append(tuple(seat for row in order for seat in row))
            orders[aircraft.code, cabin] = mixed
    return orders


class _Writer:
    """Turns households into bookings, tickets, segments and boarding passes."""

    def __init__(self, flights: Flights, rng: Random, seed: int) -> None:
        self._flights = flights
        self._rng = rng
        self._orders = seat_orders(rng)
        self._boarded = [0] * len(flights)
        self._passengers = 0
        self._bookings = 0
        self._tickets = _FIRST_TICKET
        self._ref_shift = seed * 7_919
        self._lines: dict[str, list[str]] = {}
        self._empty()

    def _empty(self) -> None:
        self._lines = {
            table: [] for table in ("bookings", "tickets", "ticket_flights", "boarding_passes")
        }

    def rows(self, count: int) -> Iterator[Chunk]:
        for household in households(self._flights, self._rng, count):
            self._household(household)
            if len(self._lines["ticket_flights"]) >= CHUNK_ROWS:
                yield from self._lines.items()
                self._empty()
        yield from self._lines.items()

    def _household(self, household: Household) -> None:
        rng, country = self._rng, household.home.country
        writing = script(rng, country)
        family = family_name(rng, writing)
        members = []
        for i in range(household.size):
            self._passengers += 1
            reached = contact(rng, self._passengers) if i < 2 else None
            members.append(
                f"{passenger_id(country, self._passengers)}\t{full_name(rng, writing, family)}"
                f"\t{reached or _NULL}\n"
            )
        for trip in household.trips:
            self._trip(trip, members)

    def _trip(self, trip: Trip, members: list[str]) -> None:
        flights, rng, lines = self._flights, self._rng, self._lines
        ref = self._next_ref()
        demand = 0.9 + 0.2 * rng.random()
        segments = []
        total = 0
        for i, cabin, first_seat in zip(trip.flights, trip.cabins, trip.first_seats, strict=True):
            lead = (flights.departure[i] - trip.booked) / DAY
            amount = fare(flights.distance[i], cabin, lead, demand)
            total += amount * trip.party
            aircraft = flights.aircraft[i].code
            order = self._orders[aircraft, cabin][i % _SEAT_ORDERS]
            segments.append((i, f"{i + 1}\t{cabin}\t{amount}.00\n", order, first_seat))
        micro = int(rng.random() * 1e6)
        booked = stamp(trip.booked).replace("+", f".{micro:06d}+")
        lines["bookings"].append(f"{ref}\t{booked}\t{total}.00\n")
        for member in range(trip.party):
            self._tickets += 1
            ticket = f"{self._tickets:013d}"
            lines["tickets"].append(f"{ticket}\t{ref}\t{members[member]}")
            is_gone = False
            for i, segment, order, first_seat in segments:
                lines["ticket_flights"].append(f"{ticket}\t{segment}")
                is_gone = is_gone or rng.random() < _NO_SHOW
                boarding = self._boarding(i, is_gone)
                if boarding:
                    seat = order[first_seat + member]
                    lines["boarding_passes"].append(f"{ticket}\t{i + 1}\t{boarding}\t{seat}\n")

    def _boarding(self, i: int, is_gone: bool) -> str | None:
        """boarding_no as COPY reads it, or None: no pass. Who misses a flight has none on the next
        ones; one in three of them had checked in.
        """
        flights, rng = self._flights, self._rng
        status = flights.status[i]
        if status in ("Scheduled", "Cancelled"):
            return None
        left = max(0, flights.departure[i] - flights.now)
        if status in ("Departed", "Arrived"):
            if is_gone:
                return _NULL if rng.random() < 0.33 else None
        else:
            if rng.random() > 0.95 * (1 - left / CHECK_IN_OPENS):
                return None
            if is_gone or left > 30 * MINUTE:
                return _NULL
        self._boarded[i] += 1
        return str(self._boarded[i])

    def _next_ref(self) -> str:
        self._bookings += 1
        number = (self._bookings + self._ref_shift) * _REF_SPREAD % _BOOK_REFS
        ref = ""
        for _ in range(6):
            number, digit = divmod(number, 36)
            ref += _DIGITS[digit]
        return ref
