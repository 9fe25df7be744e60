"""The flights of a generated history: past flights of the timetable, and flights on sale."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from datetime import UTC, datetime
from random import Random

from infra.source.network import timetable
from infra.source.reference_data import CABINS, Aircraft

MINUTE, HOUR, DAY = 60, 3600, 86400
PAST_DAYS = 90
ON_SALE_DAYS = 30
CHECK_IN_OPENS = 24 * HOUR
_CANCELLED_SHARE = 0.015
# Flights so far ahead are not cancelled yet.
_CANCELLED_AHEAD = 5 * DAY


class Flights:
    """All flights of the history in order of departure; flight i has flight_id i + 1.

    Times are seconds since 1970. `ends[i]` is when its passengers are free again: the later of
    scheduled and actual arrival. Columns are arrays, for there may be hundreds of thousands.
    """

    def __init__(self, rng: Random, now: int, scale: float) -> None:
        self.now = now
        first_day = now // DAY - PAST_DAYS
        last_day = now // DAY + ON_SALE_DAYS
        rows: list[tuple[int, str, int, str, str, Aircraft, int]] = []
        for line in timetable(rng, scale):
            hub, spoke = line.route.hub.code, line.route.spoke.code
            # A day in the hub's local time may begin on the previous UTC day.
            for day in range(first_day, last_day + 2):
                if day % 7 not in line.days:
                    continue
                out = day * DAY + line.departure * MINUTE
                back = out + (line.block + line.turnaround) * MINUTE
                block, km = line.block * MINUTE, line.route.distance
                rows.append((out, f"PG{line.number:04d}", block, hub, spoke, line.aircraft, km))
                number = f"PG{line.number + 1:04d}"
                rows.append((back, number, block, spoke, hub, line.aircraft, km))
        start, end = first_day * DAY, (last_day + 1) * DAY
        rows = sorted((row for row in rows if start <= row[0] < end), key=lambda row: row[:2])
        self.departure = array("q", (row[0] for row in rows))
        self.arrival = array("q", (row[0] + row[2] for row in rows))
        self.number = [row[1] for row in rows]
        self.origin = [row[3] for row in rows]
        self.destination = [row[4] for row in rows]
        self.aircraft = [row[5] for row in rows]
        self.distance = array("q", (row[6] for row in rows))
        self.took_off = array("q", bytes(8 * len(rows)))
        self.landed = array("q", bytes(8 * len(rows)))
        self.ends = array("q", self.arrival)
        self.status: list[str] = []
        self.sold = {cabin: array("H", bytes(2 * len(rows))) for cabin in CABINS}
        for i in range(len(rows)):
            self.status.append(self._fly(i, rng))
        self._index()

    def __len__(self) -> int:
        return len(self.number)

    def _fly(self, i: int, rng: Random) -> str:
        """Draws delays and cancellation of flight i, and returns its status at present."""
        scheduled, now = self.departure[i], self.now
        is_cancelled = rng.random() < _CANCELLED_SHARE
        took_off = scheduled + _delay(rng)
        block = self.arrival[i] - scheduled
        landed = took_off + int(block * (0.92 + 0.12 * rng.random()))
        if is_cancelled and scheduled < now + _CANCELLED_AHEAD:
            return "Cancelled"
        self.ends[i] = max(self.arrival[i], landed)
        if took_off <= now:
            self.took_off[i] = took_off
            if landed <= now:
                self.landed[i] = landed
                return "Arrived"
            return "Departed"
        if scheduled - now > CHECK_IN_OPENS:
            return "Scheduled"
        # A long delay is known some hours ahead.
        is_known = took_off - scheduled > 30 * MINUTE and scheduled - now < 3 * HOUR
        return "Delayed" if is_known or scheduled <= now else "On Time"

    def _index(self) -> None:
        self._from: dict[str, array[int]] = defaultdict(lambda: array("q"))
        self._between: dict[tuple[str, str], array[int]] = defaultdict(lambda: array("q"))
        for i, (origin, destination) in enumerate(zip(self.origin, self.destination, strict=True)):
            self._from[origin].append(i)
            self._between[origin, destination].append(i)

    def leaving(self, origin: str, earliest: int, count: int) -> array[int]:
        """Up to `count` next flights from `origin` that leave at `earliest` or later."""
        flights = self._from.get(origin)
        if not flights:
            return array("q")
        first = bisect_left(flights, earliest, key=self.departure.__getitem__)
        return flights[first : first + count]

    def next(self, origin: str, destination: str, earliest: int) -> int | None:
        """The next direct flight that leaves at `earliest` or later."""
        flights = self._between.get((origin, destination))
        if not flights:
            return None
        first = bisect_left(flights, earliest, key=self.departure.__getitem__)
        return flights[first] if first < len(flights) else None

    def has_seats(self, i: int, cabin: str, party: int) -> bool:
        return self.sold[cabin][i] + party <= len(self.aircraft[i].seats.get(cabin, ()))


def _delay(rng: Random) -> int:
    """Seconds from scheduled to actual departure; never early."""
    kind = rng.random()
    if kind < 0.80:
        return int(rng.random() * 15 * MINUTE)
    if kind < 0.96:
        return int((15 + rng.random() * 75) * MINUTE)
    return int((1.5 + rng.random() * 4) * HOUR)


def stamp(seconds: int) -> str:
    """Seconds since 1970 as PostgreSQL reads them."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(" ")
