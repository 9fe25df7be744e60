"""Waits for what comes by itself, and not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    ready: Callable[[], T],
    seconds: float,
    late: Callable[[], Exception] | None = None,
    *,
    every: float = 0.3,
) -> T:
    """Asks `ready` until its answer is true, and returns that.

    Where it is not after `seconds`, what `late` makes is raised; without `late` the last answer is
    returned. What `ready` raises is raised at once. It is asked once at least, then `every` so
    many seconds.
    """
    deadline = time.monotonic() + seconds
    while not (answer := ready()):
        if time.monotonic() > deadline:
            if late is not None:
                raise late()
            break
        time.sleep(every)
    return answer
