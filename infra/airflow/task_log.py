"""A task's log as people read it: Airflow writes one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

# What a line says at its head, or below it.
PLACED = ("timestamp", "level", "logger", "event", "error_detail")


def as_text(log: str) -> str:
    """The log, a line for each message with time and level; a line that is no object as it is."""
    return "".join(f"{line}\n" for each in log.splitlines() for line in _lines(each))


def _lines(written: str) -> Iterator[str]:
    try:
        told = json.loads(written)
    except ValueError:
        told = None
    if not isinstance(told, dict) or "event" not in told:
        yield written
        return
    more = [f"{name}={_shown(value)}" for name, value in told.items() if name not in PLACED]
    logger = f"[{told['logger']}]" if told.get("logger") else ""
    moment = str(told.get("timestamp", "")).replace("T", " ")
    head = [moment, f"{told.get('level', ''):<7}".upper(), str(told["event"]), *more, logger]
    yield " ".join(part for part in head if part).rstrip()
    yield from _errors(told.get("error_detail"))


def _errors(stacks: Any) -> Iterator[str]:
    """The exceptions, what was first first, each with the way to it as Python shows it."""
    for stack in reversed(stacks or []):
        for frame in stack.get("frames", ()):
            yield f"    {frame.get('filename')}:{frame.get('lineno')}, in {frame.get('name')}"
        head, *rest = f"{stack.get('exc_type')}: {stack.get('exc_value')}".splitlines() or [""]
        yield f"  {head}"
        yield from (f"    {line}" for line in (*rest, *stack.get("exc_notes", ())))
        # Of a group each one by itself.
        for trace in stack.get("exceptions", ()):
            yield from _errors(trace)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
