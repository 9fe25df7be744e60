"""What supervisord is told of a service, and what it says of it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path

# BACKOFF: it ended at once, and waits for its next try.
RUNNING, STARTING, BACKOFF = "RUNNING", "STARTING", "BACKOFF"


# A service that ended by itself so often in the last minutes (in seconds) is not well, until it has
# run for longer than it did in between, and for so many seconds at least.
EXITS_COUNT_FOR, MANY_EXITS, STEADY = 300.0, 3, 30.0


@dataclass(frozen=True)
class Program:
    """What supervisord is told of a service."""

    name: str
    command: list[str]
    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    stop_seconds: int = 60
    # Whether it is code of this project, which a new version brings anew.
    is_ours: bool = False


@dataclass(frozen=True)
class ProgramState:
    """What supervisord says of a service. `uptime` in seconds; 0 while it does not run. `exits`:
    how many seconds ago it ended by itself, the newest last; those of the last minutes alone.
    """

    name: str
    state: str
    pid: int
    uptime: float
    restarts: int
    problem: str
    exits: tuple[float, ...] = ()

    @property
    def is_flapping(self) -> bool:
        """Whether it ends again and again: often, and it has not run longer than between ends."""
        if len(self.exits) < MANY_EXITS:
            return False
        gaps = [older - newer for older, newer in itertools.pairwise(self.exits)]
        return self.state != RUNNING or self.uptime < max(STEADY, 2 * max(gaps))
