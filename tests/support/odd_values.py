"""Values that a source can hold and a mart does not expect, and rows to put them in."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.support.events import KEYS, aircraft, airport, booking, flight, segment, ticket

_NOISE = "".join(random.Random(15).choices("0123456789abcdef", k=2500))

# What an event has -> what PostgreSQL makes of it; where the two are the same, the text alone.
_MOMENTS: dict[str | None, str] = {
    "infinity": "infinity",
    "-infinity": "-infinity",
    "-4712-01-01T00:00:00.000000Z": "4713-01-01 00:00:00+00 BC",
    "-0043-03-15T12:00:00.500000Z": "0044-03-15 12:00:00.5+00 BC",
    "0000-12-31T21:29:43.000000Z": "0001-12-31 21:29:43+00 BC",
    "0001-01-01T00:00:00.000000Z": "0001-01-01 00:00:00+00",
    "1969-12-31T23:59:59.999999Z": "1969-12-31 23:59:59.999999+00",
    "1970-01-01T00:00:00.000000Z": "1970-01-01 00:00:00+00",
    "2099-12-31T23:59:59.999999Z": "2099-12-31 23:59:59.999999+00",
    "2226-02-19T12:00:00.000000Z": "2226-02-19 12:00:00+00",
    "9999-12-31T23:59:59.999999Z": "9999-12-31 23:59:59.999999+00",
    "+10000-01-01T00:00:00.000000Z": "10000-01-01 00:00:00+00",
    "+294276-12-31T23:59:59.999999Z": "294276-12-31 23:59:59.999999+00",
}
_NUMBERS = {"NAN": "NaN", "POSITIVE_INFINITY": "Infinity", "NEGATIVE_INFINITY": "-Infinity"}
_TEXTS = ["", " ", " A ", "x" * 100_000, _NOISE, "\x1e", "a\x1fb\t\r\n", "Ёлка 😀", "'; --", "NULL"]
_AMOUNTS = ["NAN", "0.00", "0.01", "-0.01"]
_JSON = ["{}", "[]", '"x"', "null", "17", '{"en": null}', '{"ru": ["a"]}', f'{{"en": {"9" * 400}}}']
_INTEGERS = [0, -1, 2**31 - 1, -(2**31)]

EXTREMES: dict[str, list[Any]] = {
    "timestamptz": list(_MOMENTS),
    "text": _TEXTS,
    "jsonb": [*_JSON, "[" * 100 + "]" * 100],
    "integer": _INTEGERS,
    "bigint": [0, -1, 2**63 - 1, -(2**63)],
    "numeric": [*_NUMBERS, "0", "-180.000001", "1e300", "9" * 400, f"0.{'0' * 400}1"],
    "numeric(10,2)": [*_AMOUNTS, "99999999.99", "-99999999.99"],
    "numeric(12,2)": [*_AMOUNTS, "9999999999.99", "-9999999999.99"],
}


@dataclass(frozen=True)
class Mutation:
    """One column of one row of `table` at an extreme; `number` says of which `world` the row is."""

    number: int
    table: str
    column: str
    value: Any

    @property
    def is_of_key(self) -> bool:
        return self.column in KEYS[self.table]

    @property
    def stored(self) -> Any:
        """The value as the source's table has it."""
        if self.column.startswith(("scheduled_", "actual_")) or self.column == "book_date":
            return _MOMENTS.get(self.value, self.value)
        if isinstance(self.value, str) and self.value in _NUMBERS:
            return _NUMBERS[self.value]
        return self.value

    def __str__(self) -> str:
        value = json.dumps(self.value, ensure_ascii=False)
        return f"{self.table}.{self.column} = {value[:60]} (world {self.number})"


def mutations(columns: dict[str, dict[str, str]]) -> list[Mutation]:
    """Every column (table -> column -> type) at each extreme of its type, each in its own world."""

    def each() -> Iterator[tuple[str, str, Any]]:
        for table, types in columns.items():
            for column, kind in types.items():
                nothing = [] if column in KEYS[table] else [None]
                for value in nothing + EXTREMES[kind]:
                    yield table, column, value

    return [Mutation(number, *what) for number, what in enumerate(each())]


def code(number: int) -> str:
    """A code of three characters, M00 to MZZ."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return f"M{digits[number // 36]}{digits[number % 36]}"


def world(number: int, now: datetime) -> dict[str, dict[str, Any]]:
    """One row of each table, which refer to each other and to no other row: table -> row.

    The flight left 10 days before `now`; its one segment was sold 30 days earlier, for 100.00.
    """
    left = (now - timedelta(days=10)).replace(hour=8, minute=0)
    here, there, person = code(number), code(number + 500), f"M{number:05}"
    ticket_no, flight_id = f"9{number:012}", 1_000 + number

    def moment(hours: float) -> str:
        return (left + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    return {
        "airports": airport(here),
        "aircrafts": aircraft(here),
        "seats": {"aircraft_code": here, "seat_no": "1A", "fare_conditions": "Economy"},
        "flights": flight(
            flight_id,
            scheduled_departure=moment(0),
            scheduled_arrival=moment(2),
            departure_airport=here,
            arrival_airport=there,
            status="Arrived",
            aircraft_code=here,
            actual_departure=moment(0.25),
            actual_arrival=moment(2.5),
        ),
        "bookings": booking(person, book_date=moment(-720)),
        "tickets": ticket(ticket_no, book_ref=person, passenger_id=person),
        "ticket_flights": segment(ticket_no, flight_id),
        "boarding_passes": {
            "ticket_no": ticket_no,
            "flight_id": flight_id,
            "boarding_no": 1,
            "seat_no": "1A",
        },
    }
