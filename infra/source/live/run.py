"""Live traffic: the choice of operations, their rate, and reconnection."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random

import psycopg2
import psycopg2.errors

from infra.errors import AirlineError
from infra.source.database import address
from infra.source.live.boarding import board, by_the_clock, check_in, due
from infra.source.live.bookings import book, cancel_ticket, move_segment
from infra.source.live.corrections import (
    change_contact,
    correct_book_ref,
    correct_passenger,
    correct_ticket_no,
    rename,
)
from infra.source.live.network_changes import (
    Timetable,
    cancel_flight,
    delay,
    extra_flight,
    reschedule,
    swap_aircraft,
)
from infra.source.live.session import RealClock, Session, SteppingClock, Taken

# Kind, what does it, and how often it is drawn in relation to the others. Flights come on sale
# about as fast as seats are sold, however long it goes on.
OPERATIONS: tuple[tuple[str, Callable[[Session], None], float], ...] = (
    ("booked", book, 45),
    ("checked in", check_in, 14),
    ("boarded", board, 6),
    ("ticket cancelled", cancel_ticket, 8),
    ("segment moved", move_segment, 5),
    ("name corrected", rename, 5),
    ("contact changed", change_contact, 6),
    ("extra flight", extra_flight, 3),
    ("delayed", delay, 2),
    ("rescheduled", reschedule, 2),
    ("aircraft swapped", swap_aircraft, 2),
    ("flight cancelled", cancel_flight, 0.3),
    ("book_ref corrected", correct_book_ref, 0.7),
    ("ticket_no corrected", correct_ticket_no, 0.7),
    ("passenger_id corrected", correct_passenger, 0.7),
)
CLOCK_KINDS = ("check-in opened", "departed", "landed", "day put on sale")
_SUMS = list(accumulate(weight for _, _, weight in OPERATIONS))
# Due flights are processed at once, but this share of the work remains for other operations, so
# that a backlog of flights does not stop sales.
_CLOCK_SHARE = 0.5
# After so many operations the flights that are due are looked up again.
_LOOK_EVERY = 40
_REPORT_SECONDS = 5.0
_LONGEST_WAIT = 30.0
_MAX_CONFLICTS = 50
_MAX_IDLE = 300


@dataclass
class Summary:
    """What a run did: changed rows, transactions by kind, seconds."""

    changes: int = 0
    seconds: float = 0.0
    operations: Counter[str] = field(default_factory=Counter)

    def line(self) -> str:
        rate = self.changes / self.seconds if self.seconds else 0
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in self.operations.most_common())
        return f"{self.changes:,} changes, {rate:,.0f}/s: {kinds}"


def simulate(
    dsn: str,
    *,
    rate: float = 100.0,
    duration: float | None = None,
    changes: int | None = None,
    seed: int = 1,
    clock: RealClock | SteppingClock | None = None,
    progress: Callable[[str], object] = print,
    stop: threading.Event | None = None,
) -> Summary:
    """Continues with the bookings in the database, one transaction at a time.

    Until `changes` rows were changed, `duration` seconds have passed or `stop` is set, otherwise
    without end; `rate` in changed rows per second, 0 as fast as it goes. The same data, seed and
    SteppingClock give the same operations. A lost connection is made again. Raises AirlineError
    where the database cannot be reached at the start or holds no flights.
    """
    return _Run(dsn, rate, duration, changes, seed, clock, progress, stop).go()


class _Run:
    def __init__(self, dsn, rate, duration, changes, seed, clock, progress, stop) -> None:
        self._dsn, self._rate, self._duration, self._wanted = dsn, rate, duration, changes
        self._seed, self._rng = seed, Random(f"live {seed}")
        self._clock = clock or RealClock()
        self._progress = progress
        self._stop = stop or threading.Event()
        self._session = Session(dsn, self._rng, seed)
        self._timetable = Timetable()
        self._due: list = []
        self._until_look = 0
        self._summary = Summary()
        self._conflicts = self._idle = 0

    def go(self) -> Summary:
        summary = self._summary
        started = reported = time.monotonic()
        try:
            self._check_there_is_something()
            while not self._is_done(started):
                self._step()
                self._clock.tick()
                now = time.monotonic()
                summary.seconds = now - started
                if now - reported >= _REPORT_SECONDS:
                    reported = now
                    self._progress(summary.line())
                if self._rate:
                    self._stop.wait(max(0.0, summary.changes / self._rate - summary.seconds))
        finally:
            summary.seconds = time.monotonic() - started
            self._session.close()
        return summary

    def _check_there_is_something(self) -> None:
        there = self._session.row("SELECT FROM flights LIMIT 1")
        self._session.connection.rollback()
        if there is None:
            raise AirlineError(
                f"the booking system in {address(self._dsn)} has no flights to work on",
                "fill it first: './airline up', or './airline load DIR'",
            )

    def _is_done(self, started: float) -> bool:
        return (
            self._stop.is_set()
            or (self._wanted is not None and self._summary.changes >= self._wanted)
            or (self._duration is not None and time.monotonic() - started >= self._duration)
        )

    def _step(self) -> None:
        """One operation in one transaction; an operation that is not possible changes nothing."""
        session = self._session
        session.now, session.changes = self._clock.now(), 0
        try:
            kind = self._operate(session)
            session.connection.commit()
        except psycopg2.errors.ReadOnlySqlTransaction:
            raise AirlineError(
                f"{address(self._dsn)} takes no changes: it is a replica",
                "give the primary with --dsn, or leave --dsn out",
            ) from None
        except (
            psycopg2.OperationalError,
            psycopg2.InterfaceError,
            psycopg2.IntegrityError,
            Taken,
        ) as error:
            self._recover(error)
            return
        self._conflicts = 0
        if session.changes:
            self._idle = 0
            self._summary.changes += session.changes
            self._summary.operations[kind] += 1
        else:
            self._idle += 1
            if self._idle % _MAX_IDLE == 0:
                self._progress("nothing to do just now; waiting for flights to become due")
                self._stop.wait(1.0)

    def _operate(self, session: Session) -> str:
        if self._timetable.is_behind(session) and session.chance(_CLOCK_SHARE):
            self._timetable.extend(session)
            return "day put on sale"
        self._until_look -= 1
        if not self._due and self._until_look <= 0:
            self._due = due(session)[::-1]
            self._until_look = _LOOK_EVERY
        if self._due and session.chance(_CLOCK_SHARE):
            return by_the_clock(session, self._due.pop())
        drawn = bisect_right(_SUMS, session.rng.random() * _SUMS[-1])
        kind, operation, _ = OPERATIONS[min(drawn, len(OPERATIONS) - 1)]
        operation(session)
        return kind

    def _recover(self, error: Exception) -> None:
        try:
            if not self._session.connection.closed:
                self._give_way(error)
                return
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as lost:
            error = lost
        self._reconnect(error)

    def _give_way(self, error: Exception) -> None:
        """Another program changed the same rows: its change stands, ours is dropped."""
        self._session.connection.rollback()
        self._conflicts += 1
        if self._conflicts > _MAX_CONFLICTS:
            raise AirlineError(
                f"{_MAX_CONFLICTS} operations in a row were refused by {address(self._dsn)}:"
                f" {str(error).strip()}",
                "what was refused is not in the data; look for another simulate or a load at work",
            )
        self._forget()

    def _reconnect(self, error: Exception) -> None:
        wait = 1.0
        what = (str(error).strip().splitlines() or ["connection closed"])[0]
        while not self._stop.is_set():
            self._progress(
                f"lost {address(self._dsn)} ({what}); the open operation was not done;"
                f" trying again in {wait:.0f} s"
            )
            self._stop.wait(wait)
            if self._stop.is_set():
                return
            try:
                self._session = Session(self._dsn, self._rng, self._seed)
            except (AirlineError, psycopg2.Error) as again:
                what = str(again).strip().splitlines()[0]
                wait = min(2 * wait, _LONGEST_WAIT)
                continue
            self._forget(refresh=False)
            self._progress(f"connected to {address(self._dsn)} again")
            return

    def _forget(self, refresh: bool = True) -> None:
        self._due, self._until_look = [], 0
        self._timetable = Timetable()
        if refresh:
            self._session.refresh()
