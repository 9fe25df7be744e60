"""The session of the live traffic's operations: database connection, random draws and clock."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from psycopg2.extras import execute_values

from infra.source.database import columns, connect, tables_known
from infra.source.geography import distance_km

ON_SALE = ("Scheduled", "On Time", "Delayed")
# Defaults for airports that are not in the reference data.
_USUAL_KM = 1500


class Flight(NamedTuple):
    """A row of flights, and the column list that reads it."""

    flight_id: int
    flight_no: str
    scheduled_departure: datetime
    scheduled_arrival: datetime
    departure_airport: str
    arrival_airport: str
    status: str
    aircraft_code: str
    actual_departure: datetime | None
    actual_arrival: datetime | None


FLIGHT = ", ".join(f"f.{column}" for column in Flight._fields)


class Taken(Exception):
    """Another program has written a row of this key meanwhile: the operation is given up.

    Found out without an error at the server, whose log is for what is wrong there.
    """


class RealClock:
    """The time it is."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def tick(self) -> None:
        """An operation is done."""


class SteppingClock:
    """A clock that advances `step` seconds after each operation, so that runs are repeatable."""

    def __init__(self, start: datetime, step: float) -> None:
        self._now = start
        self._step = timedelta(seconds=step)

    def now(self) -> datetime:
        return self._now

    def tick(self) -> None:
        self._now += self._step


class Session:
    """One connection to the booking system. `now` stands still during an operation.

    `changes` counts the rows that the open transaction has inserted, updated or deleted.
    """

    def __init__(self, dsn: str, rng: Random, seed: int) -> None:
        self.rng = rng
        self.seed = seed
        self.now = datetime.now(UTC)
        self.changes = 0
        self.connection = connect(dsn, "airline simulate")
        self._cursor = self.connection.cursor()
        with tables_known(dsn):
            self.refresh()

    def refresh(self) -> None:
        """Reads the cached data again, after another program has replaced it."""
        self._seats: dict[str, dict[str, list[str]]] = {}
        for aircraft, seat, cabin in self.rows(
            "SELECT aircraft_code, seat_no, fare_conditions FROM seats ORDER BY 1, 2"
        ):
            self._seats.setdefault(aircraft, {}).setdefault(cabin, []).append(seat)
        self._places = {
            code: (float(lon), float(lat))
            for code, lon, lat in self.rows(
                "SELECT airport_code, coordinates_lon, coordinates_lat FROM airports"
            )
        }
        self.ranges = dict(self.rows("SELECT aircraft_code, range FROM aircrafts ORDER BY 1"))
        self._next_ticket = self._last_ticket() + 1
        self.connection.rollback()

    def close(self) -> None:
        with closing(self.connection):
            self._cursor.close()

    def rows(self, query: str, *values: Any) -> list[tuple]:
        self._cursor.execute(query, values)
        return self._cursor.fetchall()

    def row(self, query: str, *values: Any) -> tuple | None:
        """Its first row, None where there is none; () is the row of a query without columns."""
        self._cursor.execute(query, values)
        return self._cursor.fetchone()

    def change(self, statement: str, *values: Any) -> int:
        """Runs an INSERT, UPDATE or DELETE; returns and counts its rows."""
        self._cursor.execute(statement, values)
        self.changes += self._cursor.rowcount
        return self._cursor.rowcount

    def insert(self, table: str, rows: list[tuple]) -> None:
        """Inserts whole rows, all columns in their order. Raises Taken where one is there."""
        if rows:
            execute_values(
                self._cursor,
                f"INSERT INTO {table} ({', '.join(columns()[table])}) VALUES %s"
                " ON CONFLICT DO NOTHING",
                rows,
                page_size=len(rows),
            )
            if self._cursor.rowcount < len(rows):
                raise Taken(f"{table} has a row of the same key")
            self.changes += len(rows)

    def update_from(self, statement: str, rows: list[tuple]) -> None:
        """Runs an UPDATE … FROM (VALUES %s) that changes one row for each of `rows`."""
        execute_values(self._cursor, statement, rows, page_size=len(rows))
        self.changes += self._cursor.rowcount

    # --- draws

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def pick(self, items: list | tuple) -> Any:
        return items[int(self.rng.random() * len(items))]

    def flight_between(self, earliest: datetime, latest: datetime) -> Flight | None:
        """A flight on sale, drawn by time: the first at or after a moment between the two."""
        moment = earliest + (latest - earliest) * self.rng.random()
        for start, end in ((moment, latest), (earliest, moment)):
            found = self.row(
                f"SELECT {FLIGHT} FROM flights AS f WHERE f.status IN %s"
                " AND f.scheduled_departure BETWEEN %s AND %s"
                " ORDER BY f.scheduled_departure, f.flight_id LIMIT 1",
                ON_SALE,
                start,
                end,
            )
            if found:
                return Flight(*found)
        return None

    def flight_ahead(self, days: float = 30, hours: float = 0.0) -> Flight | None:
        """A flight on sale that leaves in more than `hours`, within `days`."""
        return self.flight_between(
            self.now + timedelta(hours=hours), self.now + timedelta(days=days)
        )

    def ticket(self) -> str | None:
        """Any ticket: the next one after a number drawn between the first and the last."""
        first = self.row("SELECT ticket_no FROM tickets ORDER BY ticket_no LIMIT 1")
        if first is None:
            return None
        low, high = int(first[0]), self._last_ticket()
        drawn = f"{low + int(self.rng.random() * (high - low + 1)):013d}"
        return self.row(
            "SELECT ticket_no FROM tickets WHERE ticket_no >= %s ORDER BY ticket_no LIMIT 1", drawn
        )[0]

    def ticket_on(self, flight_id: int) -> str | None:
        """Any ticket of a flight."""
        tickets = self.rows(
            "SELECT ticket_no FROM ticket_flights WHERE flight_id = %s ORDER BY ticket_no",
            flight_id,
        )
        return self.pick(tickets)[0] if tickets else None

    # --- what the system knows

    def new_ticket_no(self) -> str:
        self._next_ticket += 1
        return f"{self._next_ticket - 1:013d}"

    def new_book_ref(self) -> str:
        while True:
            ref = "".join(self.pick("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(6))
            if self.row("SELECT FROM bookings WHERE book_ref = %s", ref) is None:
                return ref

    def seats(self, aircraft_code: str) -> dict[str, list[str]]:
        """cabin -> seats; empty for a freighter."""
        return self._seats.get(aircraft_code, {})

    def sold(self, flight_id: int) -> dict[str, int]:
        """cabin -> segments sold."""
        return dict(
            self.rows(
                "SELECT fare_conditions, count(*) FROM ticket_flights WHERE flight_id = %s"
                " GROUP BY fare_conditions",
                flight_id,
            )
        )

    def distance(self, a: str, b: str) -> int:
        """km between two airports."""
        if a in self._places and b in self._places:
            return distance_km(*self._places[a], *self._places[b])
        return _USUAL_KM

    def is_busy(
        self, passenger_id: str, start: datetime, end: datetime, but: tuple[int, ...] = (0,)
    ) -> bool:
        """Whether the passenger has a segment between the two, other than on the flights `but`.

        A landed flight counts up to its actual arrival, where that is later.
        """
        return (
            self.row(
                "SELECT FROM tickets AS t JOIN ticket_flights AS tf ON tf.ticket_no = t.ticket_no"
                " JOIN flights AS f ON f.flight_id = tf.flight_id"
                " WHERE t.passenger_id = %s AND f.status <> 'Cancelled' AND f.flight_id NOT IN %s"
                " AND f.scheduled_departure < %s"
                " AND greatest(f.scheduled_arrival, f.actual_arrival) > %s LIMIT 1",
                passenger_id,
                but,
                end,
                start,
            )
            is not None
        )

    def _last_ticket(self) -> int:
        last = self.row("SELECT ticket_no FROM tickets ORDER BY ticket_no DESC LIMIT 1")
        return int(last[0]) if last else 0
