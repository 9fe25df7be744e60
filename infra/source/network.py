"""Routes between hubs and spokes, and the timetable that flies them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

from infra.source.geography import block_minutes, distance_km, solar_offset_minutes
from infra.source.reference_data import Aircraft, Airport, aircrafts, airports

# Round trips a week over the whole network at scale 1.
WEEKLY_ROUND_TRIPS = 150
# Farther than this, hubs are not linked.
_LONGEST_KM = 12_500
# A type is not sent to the very end of its range.
_RANGE_RESERVE = 1.1


@dataclass(frozen=True)
class Route:
    """Two airports linked by flights in both directions; `weight` is its share of all traffic."""

    hub: Airport
    spoke: Airport
    distance: int
    weight: float


@dataclass(frozen=True)
class Line:
    """One aircraft's round trip in the timetable, on certain days of the week.

    `departure` in minutes after midnight UTC (may be negative: the day before), `turnaround` in
    minutes.
    """

    number: int
    route: Route
    aircraft: Aircraft
    days: frozenset[int]
    departure: int
    block: int
    turnaround: int


@cache
def distances() -> dict[tuple[str, str], int]:
    """(airport code, airport code) -> km, over all pairs."""
    return {
        (a.code, b.code): distance_km(a.lon, a.lat, b.lon, b.lat)
        for a in airports()
        for b in airports()
    }


def routes() -> list[Route]:
    """Each spoke to its nearest hub, busy ones to the second nearest too, and hubs to each other.

    Heaviest first.
    """
    hubs = [airport for airport in airports() if airport.is_hub]
    busy = sorted((airport.weight for airport in airports() if not airport.is_hub), reverse=True)[
        24
    ]
    found = []

    def link(hub: Airport, spoke: Airport, share: float) -> None:
        distance = distances()[hub.code, spoke.code]
        pull = (hub.weight * spoke.weight) ** 0.5 / (distance + 800) ** 0.5
        found.append(Route(hub, spoke, distance, share * pull))

    for spoke in airports():
        if spoke.is_hub:
            continue
        nearest = sorted(hubs, key=lambda hub: distances()[hub.code, spoke.code])
        link(nearest[0], spoke, 1.0)
        if spoke.weight >= busy:
            link(nearest[1], spoke, 0.6)
    for i, hub in enumerate(hubs):
        for other in hubs[i + 1 :]:
            if distances()[hub.code, other.code] <= _LONGEST_KM:
                link(hub, other, 0.9)
    return sorted(found, key=lambda route: (-route.weight, route.hub.code, route.spoke.code))


def timetable(rng: Random, scale: float) -> list[Line]:
    """The lines of the network; at a small scale the lightest routes have none."""
    known = routes()
    total = sum(route.weight for route in known)
    # What rounding leaves over goes on to the next route, so that the sum is met.
    lines: list[Line] = []
    carried = 0.0
    for route in known:
        carried += WEEKLY_ROUND_TRIPS * scale * route.weight / total
        weekly = round(carried)
        carried -= weekly
        while weekly > 0:
            lines.append(_line(rng, len(lines), route, min(weekly, 7)))
            weekly -= 7
    return lines


def _line(rng: Random, index: int, route: Route, weekly: int) -> Line:
    shift = int(rng.random() * 7)
    days = frozenset((day * 7 // weekly + shift) % 7 for day in range(weekly))
    aircraft = _aircraft(rng, route)
    local = 5 * 60 + 5 * int(rng.random() * 216)
    return Line(
        number=2 * index + 1,
        route=route,
        aircraft=aircraft,
        days=days,
        departure=local - solar_offset_minutes(route.hub.lon),
        block=block_minutes(route.distance, aircraft.speed),
        turnaround=60 + 5 * int(rng.random() * 18),
    )


def _aircraft(rng: Random, route: Route) -> Aircraft:
    """A type that gets there, of the four smallest such: near places see small ones."""
    able = fitting(route.distance)
    return able[int(rng.random() * min(4, len(able)))]


def fitting(distance: int) -> list[Aircraft]:
    """The types that can fly `distance` km, the smallest first."""
    return [each for each in aircrafts() if each.range >= distance * _RANGE_RESERVE]
