"""Lines with the time since the start, and where the time went."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate

from infra.stack.terminal import RED, coloured, width, wrapped


class Progress:
    """Says what happens, from any thread: `[ 12.3s] kafka ready`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self._quiet = quiet
        self.steps: list[tuple[str, float, float]] = []

    def say(self, line: str) -> None:
        if not self._quiet:
            with self._lock:
                head = f"[{time.monotonic() - self._start:6.1f}s] "
                print(wrapped(f"{head}{line}", len(head)), flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Remembers how long a step took, also when it failed."""
        begin = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self.steps.append((name, begin - self._start, time.monotonic() - begin))

    def print_steps(self, shortest: float = 0.05) -> None:
        """Prints the steps in the order they began; ones below `shortest` seconds are left out.

        Steps overlap, so they add up to more than the whole.
        """
        if self._quiet:
            return
        print(f"\n{'step':<28}{'began at':>10}{'took':>10}")
        for name, begin, took in sorted(self.steps, key=lambda step: step[1]):
            if took >= shortest:
                print(f"{name:<28}{begin:>9.1f}s{took:>9.1f}s")
        print(f"{'all':<28}{'':>10}{time.monotonic() - self._start:>9.1f}s", flush=True)


def aligned(rows: list[tuple], heads: tuple[str, ...] | list[str], indent: str = "  ") -> str:
    """A table of text: columns as wide as their widest value, numbers to the right.

    On a terminal that is narrower the last columns are named below it instead.
    """
    shown = [["" if value is None else str(value) for value in row] for row in rows]
    widths = [
        max([len(head), *(len(row[place]) for row in shown)]) for place, head in enumerate(heads)
    ]
    kept = _fitting(widths, len(indent))
    left_out = list(heads[kept:])
    heads, shown, widths = heads[:kept], [row[:kept] for row in shown], widths[:kept]
    numeric = [
        bool(rows)
        and all(isinstance(row[place], int | float) or row[place] is None for row in rows)
        for place in range(kept)
    ]

    def line(cells: list[str] | tuple[str, ...]) -> str:
        parts = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, numeric, strict=True)
        ]
        return (indent + "  ".join(parts)).rstrip()

    lines = [line(list(heads)), *(line(row) for row in shown)]
    if left_out:
        lines.append(wrapped(f"{indent}… also {', '.join(left_out)}", len(indent) + 2))
    return "\n".join(lines)


def _fitting(widths: list[int], begin: int) -> int:
    """How many columns of these widths fit the terminal; all of them where there is none."""
    columns = width()
    if columns is None:
        return len(widths)
    ends = list(accumulate(widths, lambda end, wide: end + 2 + wide, initial=begin - 2))[1:]
    return max(1, sum(end <= columns for end in ends))


def complain(text: str) -> None:
    """One line for people on standard error."""
    said = wrapped(f"airline: {text}", 4, sys.stderr)
    print(coloured(said, RED, sys.stderr), file=sys.stderr, flush=True)
