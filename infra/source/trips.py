"""Who travels, how often and where: households, and the trips they book."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from infra.source.flights import DAY, HOUR, MINUTE, Flights
from infra.source.reference_data import Airport, airports

# Households at scale 1.
HOUSEHOLDS = 19_500
MIN_CONNECTION = 45 * MINUTE
MAX_CONNECTION = 18 * HOUR


@dataclass(frozen=True)
class Habit:
    """How a kind of household travels. Days; `trips` None: as many as time allows."""

    share: float
    trips: tuple[int, ...] | None
    pause: tuple[float, float]
    stay: tuple[float, float]
    lead: tuple[float, float]
    is_family: bool
    from_hub: bool
    premium: float
    connecting: float


# The shares and pauses give each passenger group of the marts its people: ten flights a month and
# more, five to nine, and the many who fly once or twice a season.
HABITS = (
    Habit(0.020, None, (0.3, 2.0), (0.4, 2.0), (1, 12), False, True, 0.35, 0.15),
    Habit(0.080, None, (2.0, 9.0), (1.0, 4.0), (2, 20), False, True, 0.25, 0.30),
    Habit(0.900, (1, 1, 1, 1, 2, 2, 3), (4.0, 40.0), (3.0, 14.0), (3, 60), True, False, 0.08, 0.40),
)
_FAMILY_SIZES = (1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4, 5)


@dataclass(frozen=True)
class Trip:
    """One booking: `party` travellers of the household, cabin and sale position on each flight."""

    booked: int
    party: int
    flights: tuple[int, ...]
    cabins: tuple[str, ...]
    first_seats: tuple[int, ...]


@dataclass(frozen=True)
class Household:
    home: Airport
    size: int
    trips: tuple[Trip, ...]


def households(flights: Flights, rng: Random, count: int) -> Iterator[Household]:
    """`count` households with their trips; takes the seats they book from `flights`.

    A household's trips follow each other, so nobody is on two flights at a time.
    """
    served = [airport for airport in airports() if flights.leaving(airport.code, 0, 1)]
    if not served:
        return
    anywhere = _Draw(served)
    hubs = _Draw([airport for airport in served if airport.is_hub])
    bounds = list(accumulate(habit.share for habit in HABITS))
    for _ in range(count):
        habit = HABITS[min(bisect_right(bounds, rng.random()), len(HABITS) - 1)]
        home = (hubs if habit.from_hub else anywhere)(rng)
        size = _FAMILY_SIZES[int(rng.random() * len(_FAMILY_SIZES))] if habit.is_family else 1
        trips = tuple(_trips(flights, rng, habit, home.code, size))
        if trips:
            yield Household(home, size, trips)


class _Draw:
    """Draws airports by how busy they are."""

    def __init__(self, among: list[Airport]) -> None:
        self._among = among
        self._sums = list(accumulate(airport.weight for airport in among))

    def __call__(self, rng: Random) -> Airport:
        return self._among[bisect_right(self._sums, rng.random() * self._sums[-1])]


def _between(rng: Random, bounds: tuple[float, float]) -> float:
    return bounds[0] + rng.random() * (bounds[1] - bounds[0])


def _trips(flights: Flights, rng: Random, habit: Habit, home: str, size: int) -> Iterator[Trip]:
    first, last = flights.departure[0], flights.departure[-1]
    if habit.trips is None:
        left, time = 1000, first + int(rng.random() * 10 * DAY)
    else:
        left = habit.trips[int(rng.random() * len(habit.trips))]
        time = first + int(rng.random() * (last - first))
    while left and time < last:
        left -= 1
        party = size if rng.random() < 0.85 else 1
        trip, time = _trip(flights, rng, habit, home, party, time)
        time += int(_between(rng, habit.pause) * DAY)
        if trip:
            yield trip


def _trip(
    flights: Flights, rng: Random, habit: Habit, home: str, party: int, earliest: int
) -> tuple[Trip | None, int]:
    """A trip that starts at `earliest` or later, None where it is not to be had or not booked yet;
    and when its travellers are free again.
    """
    way = _way(flights, rng, habit, home, earliest)
    if not way:
        return None, earliest + 2 * DAY
    booked = flights.departure[way[0]] - int(_between(rng, habit.lead) * rng.random() * DAY)
    booked -= 2 * HOUR
    if booked > flights.now:
        return None, flights.ends[way[-1]]
    wanted = "Economy"
    if rng.random() < habit.premium:
        wanted = "Business" if rng.random() < 0.6 else "Comfort"
    cabins = [_cabin(flights, i, wanted, party) for i in way]
    if None in cabins:
        return None, earliest + DAY
    first_seats = []
    for i, cabin in zip(way, cabins, strict=True):
        first_seats.append(flights.sold[cabin][i])
        flights.sold[cabin][i] += party
    trip = Trip(booked, party, tuple(way), tuple(cabins), tuple(first_seats))
    return trip, flights.ends[way[-1]]


def _cabin(flights: Flights, i: int, wanted: str, party: int) -> str | None:
    """The wanted cabin, or one that has seats for the party, or None."""
    for cabin in (wanted, "Economy", "Comfort", "Business"):
        if flights.has_seats(i, cabin, party):
            return cabin
    return None


def _way(flights: Flights, rng: Random, habit: Habit, home: str, earliest: int) -> list[int]:
    """Flights out and, three times of four, back; each after the one before has ended."""
    near = flights.leaving(home, earliest, 6 if habit.trips else 3)
    if not near:
        return []
    way = [near[int(rng.random() * len(near))]]
    if rng.random() < habit.connecting:
        onward = _onward(flights, rng, home, way[0])
        if onward is not None:
            way.append(onward)
    if rng.random() < (0.75 if habit.trips else 1.0):
        ready = flights.ends[way[-1]] + int(_between(rng, habit.stay) * DAY)
        way += _back(flights, way, home, ready)
    return way


def _onward(flights: Flights, rng: Random, home: str, first: int) -> int | None:
    ready = flights.ends[first] + MIN_CONNECTION
    latest = flights.ends[first] + MAX_CONNECTION
    able = [
        i
        for i in flights.leaving(flights.destination[first], ready, 8)
        if flights.departure[i] <= latest and flights.destination[i] != home
    ]
    return able[int(rng.random() * len(able))] if able else None


def _back(flights: Flights, way: list[int], home: str, ready: int) -> list[int]:
    """The way home from the last place, direct or by the same connection; [] if there is none."""
    there = flights.destination[way[-1]]
    direct = flights.next(there, home, ready)
    if direct is not None:
        return [direct]
    if len(way) < 2:
        return []
    hub = flights.destination[way[0]]
    first = flights.next(there, hub, ready)
    if first is None:
        return []
    second = flights.next(hub, home, flights.ends[first] + MIN_CONNECTION)
    if second is None or flights.departure[second] > flights.ends[first] + DAY:
        return []
    return [first, second]
