"""Reference data of the simulated booking system: airports, aircraft types and names."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from infra.errors import AirlineError

CABINS = ("Business", "Comfort", "Economy")
_REFERENCE = Path(__file__).parent / "reference"


@dataclass(frozen=True)
class Airport:
    """`weight` is passengers a year, millions: how much traffic it draws."""

    code: str
    name: str
    city: str
    lon: float
    lat: float
    timezone: str
    country: str
    weight: float
    is_hub: bool


@dataclass(frozen=True)
class Aircraft:
    """`seats` by cabin, in order of rows; range in km, cruising speed in km/h."""

    code: str
    model: dict[str, str]
    range: int
    speed: int
    seats: dict[str, tuple[str, ...]]

    @property
    def capacity(self) -> int:
        return sum(map(len, self.seats.values()))


@cache
def airports() -> tuple[Airport, ...]:
    """The airports of the network, in the order of the reference file.

    Which ones, and how busy, is ours; place, name and time zone come from `airportsdata`, whose
    release the locked requirements pin.
    """
    import airportsdata

    known = airportsdata.load("IATA")
    found = []
    with (_REFERENCE / "airports.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            code = row["airport_code"]
            facts = known.get(code)
            if facts is None:
                raise AirlineError(
                    f"the package airportsdata does not know the airport {code}",
                    "install the locked requirements, which name the release that does",
                )
            found.append(
                Airport(
                    code,
                    facts["name"],
                    facts["city"],
                    facts["lon"],
                    facts["lat"],
                    facts["tz"],
                    facts["country"],
                    float(row["passengers_million"]),
                    row["hub"] == "1",
                )
            )
    return tuple(found)


@cache
def aircrafts() -> tuple[Aircraft, ...]:
    """The aircraft types, the smallest first."""
    types = json.loads((_REFERENCE / "aircrafts.json").read_text(encoding="utf-8"))
    return tuple(
        Aircraft(
            each["code"],
            {"en": each["en"], "ru": each["ru"]},
            each["range"],
            each["speed"],
            {
                cabin: tuple(
                    f"{row}{letter}" for row in range(first, last + 1) for letter in letters
                )
                for cabin, first, last, letters in each["cabins"]
            },
        )
        for each in types
    )


@cache
def names() -> dict[str, dict[str, list[str]]]:
    """script -> {given, family} -> names."""
    return json.loads((_REFERENCE / "names.json").read_text(encoding="utf-8"))
