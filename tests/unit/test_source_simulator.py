"""The pure parts of the simulated booking system: places, prices, people and the history's rows."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from infra.errors import AirlineError
from infra.source.fares import fare
from infra.source.geography import block_minutes, distance_km, solar_offset_minutes
from infra.source.history import CHUNK_ROWS, history_rows
from infra.source.network import distances, fitting, routes
from infra.source.people import passenger_id
from infra.source.reference_data import aircrafts, airports

NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
SCALE = 0.1


def rows_of(*, scale: float = SCALE, seed: int = 1, now: datetime = NOW) -> dict[str, list]:
    """table -> rows, each a list of fields as COPY reads them."""
    tables: dict[str, list] = defaultdict(list)
    for table, lines in history_rows(scale=scale, seed=seed, now=now):
        tables[table] += [line.rstrip("\n").split("\t") for line in lines]
    return tables


@pytest.fixture(scope="module")
def history() -> dict[str, list]:
    return rows_of()


@pytest.fixture(scope="module")
def full_history() -> dict[str, list]:
    return rows_of(scale=1)


def digest(**options) -> str:
    made = hashlib.sha256()
    for table, lines in history_rows(**{"scale": SCALE, "seed": 1, "now": NOW, **options}):
        made.update(table.encode() + "".join(lines).encode())
    return made.hexdigest()


@pytest.mark.parametrize(
    ("a", "b", "km"),
    [
        ("SVO", "LED", 600),  # as published, give or take the runway
        ("JFK", "LHR", 5540),
        ("SIN", "SYD", 6290),
        ("SVO", "SVO", 0),
    ],
)
def test_distance_of_real_airports(a: str, b: str, km: int) -> None:
    """Distances would be wrong, and with them flight times, fares and who can fly there."""
    assert distances()[a, b] == pytest.approx(km, rel=0.01)
    assert distances()[a, b] == distances()[b, a]


def test_distance_across_the_date_line() -> None:
    """Places on either side of the date line would be most of the world apart."""
    assert distance_km(179.5, 0, -179.5, 0) == 111


def test_block_time() -> None:
    """A flight would take no time on the ground, or not end on the timetable's five minutes."""
    assert block_minutes(600, 800) == 80
    assert block_minutes(1, 800) % 5 == 0


def test_departure_by_the_sun() -> None:
    """Flights would leave in the middle of the night far from Greenwich."""
    assert [solar_offset_minutes(lon) for lon in (0, 37.4, -73.8, 174.8)] == [0, 120, -300, 720]


def test_fares_rise() -> None:
    """A better cabin, a longer way or a late booking would not cost more."""
    assert fare(1000, "Economy", 30) < fare(1000, "Comfort", 30) < fare(1000, "Business", 30)
    assert fare(1000, "Economy", 60) < fare(1000, "Economy", 1)
    assert fare(500, "Economy", 30) < fare(5000, "Economy", 30)
    assert fare(5000, "Economy", 30) < 10 * fare(500, "Economy", 30)
    assert fare(700, "Economy", 30) % 50 == 0


def test_documents_differ() -> None:
    """Two passengers would be one."""
    numbers = [*range(20_000), *range(5_000_000_000, 5_000_020_000)]
    assert len({passenger_id("RU", number) for number in numbers}) == len(numbers)


def test_every_route_can_be_flown() -> None:
    """A route would have no aircraft that reaches its end."""
    assert all(fitting(route.distance) for route in routes())


def test_reference_data() -> None:
    """An airport would not be placed in a time zone, or an aircraft would seat nobody."""
    codes = [airport.code for airport in airports()]
    assert len(codes) == len(set(codes)) >= 60
    assert all("/" in airport.timezone and airport.city for airport in airports())
    assert all({"en", "ru"} == set(aircraft.model) for aircraft in aircrafts())
    assert all(aircraft.capacity >= 48 for aircraft in aircrafts())


def test_same_seed_same_history() -> None:
    """Two machines would show different data for the same seed and time."""
    assert digest() == digest()


def test_other_seed_or_time_other_history() -> None:
    """The seed or the present would have no influence."""
    assert len({digest(), digest(seed=2), digest(now=NOW + timedelta(hours=1))}) == 3


def test_scale(history: dict[str, list], full_history: dict[str, list]) -> None:
    """The size would not be as promised: about 300,000 rows, a tenth of the traffic at 0.1, with
    the same airports and aircraft.
    """
    assert 250_000 < sum(map(len, full_history.values())) < 350_000
    for table in ("flights", "bookings", "tickets", "ticket_flights", "boarding_passes"):
        assert len(history[table]) == pytest.approx(len(full_history[table]) / 10, rel=0.5), table
    for table in ("airports", "aircrafts", "seats"):
        assert history[table] == full_history[table]


def test_streamed() -> None:
    """A chunk would grow with the history, and a hundredfold one not fit memory."""
    sizes = [len(lines) for _, lines in history_rows(scale=1, seed=1, now=NOW)]
    assert max(sizes) < 1.5 * CHUNK_ROWS
    assert len(sizes) > 10


def test_no_scale_no_history() -> None:
    """A scale of nothing would silently leave the tables empty."""
    with pytest.raises(AirlineError, match="scale"):
        list(history_rows(scale=0, seed=1, now=NOW))


def test_groups_are_populated(full_history: dict[str, list]) -> None:
    """A passenger group of the marts would have nobody in it, or the frequent ones be the rule."""
    since, until = (NOW - timedelta(days=30)).isoformat(" "), NOW.isoformat(" ")
    recent = {
        row[0]
        for row in full_history["flights"]
        if since < row[2] <= until and row[6] != "Cancelled"
    }
    person = {row[0]: row[2] for row in full_history["tickets"]}
    flown = Counter(person[row[0]] for row in full_history["ticket_flights"] if row[1] in recent)
    frequent = sum(count >= 10 for count in flown.values())
    regular = sum(5 <= count < 10 for count in flown.values())
    assert frequent >= 50
    assert regular > frequent
    assert len(flown) - regular - frequent > 3 * regular


def test_names_in_two_scripts(full_history: dict[str, list]) -> None:
    """The pipeline would never meet Cyrillic, an apostrophe or a diacritic."""
    names = {row[3] for row in full_history["tickets"]}
    for sample in ("Ш", "'", "ü", "Ł"):
        assert any(sample in name for name in names), sample
    contacts = Counter(row[4] == r"\N" for row in full_history["tickets"])
    assert contacts[True] > 1000 and contacts[False] > 1000
