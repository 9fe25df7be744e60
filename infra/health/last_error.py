"""The last error that a service logged, in one line without personal data.

Services log in different forms: JSON (ours), PostgreSQL's, log4j's, Python's and Airflow's. Of each
only the error's own first line is taken: what follows it (DETAIL, STATEMENT, parameters, frames of
a trace) quotes rows.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from infra.stack.redaction import redacted

# How much of a log's end is read, in bytes.
END = 256 << 10

# PostgreSQL logs a client's mistake as ERROR; FATAL and PANIC end a session or the server.
_POSTGRES = re.compile(r"^\S+ \S+ \w+ \[\d+\] (?:\S+@\S+ )?(?:FATAL|PANIC): +(.*)")
_POSTGRES_LINE = re.compile(r"^\d{4}-\d\d-\d\d \S+ \w+ \[\d+\] ")
_LOG4J = re.compile(r"^[\d\-]+[T ][\d:,.]+ (?:ERROR|FATAL) (.*)")
_AIRFLOW = re.compile(r"^\S+ \[(?:error|critical) *\] (.*)")
_PYTHON = re.compile(r"^[\d\s\-+:,.\[\]TZ]*(?:ERROR|CRITICAL)\]?(?::[\w.]+:)?[: ]*(.*)")
_TRACE = "Traceback (most recent call last):"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def last_error(log: Path) -> str:
    """The last error at the end of a log, '' where there is none. Raises nothing."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - END))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    in_trace = False
    found = ""
    for line in map(_plain, lines):
        if _TRACE in line:
            in_trace = True
        elif in_trace:
            # The first line that is not indented is the exception.
            if line and not line[0].isspace():
                found, in_trace = line, False
        elif said := _error(line):
            found = said
    return redacted(found)


def _plain(line: str) -> str:
    return _COLOURS.sub("", line)


def _error(line: str) -> str:
    """The error in a line, '' if it has none."""
    if line.startswith("{"):
        return _json_error(line)
    if _POSTGRES_LINE.match(line):
        match = _POSTGRES.match(line)
        return match[1] if match else ""
    for pattern in (_LOG4J, _AIRFLOW, _PYTHON):
        if match := pattern.match(line):
            return match[1]
    return ""


def _json_error(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return ""
    if not isinstance(entry, dict):
        return ""
    level = str(entry.get("level", "")).lower()
    # Our own log without levels names an error where there is one.
    if level not in ("error", "critical", "fatal") and (level or "error" not in entry):
        return ""
    parts = [entry.get(key) for key in ("event", "error", "problem")]
    return ": ".join(str(part).split("\n")[0] for part in parts if part)
