"""Classifies errors: caused by an event, temporary, or a fault of the installation."""

from __future__ import annotations

import psycopg2

# Caused by the event: invalid text or JSON (class 22), a value beyond PostgreSQL's limits (54).
_EVENT = ("22", "54")
# Temporary: connection errors, deadlocks, lack of resources (a full disk too: someone frees space,
# and nothing is lost meanwhile), lock timeouts, a server that stops or starts.
_MOMENT = ("08", "40", "53", "55", "57")
# Also temporary: the server ended a transaction that took too long. An ingester that was suspended
# in a transaction would otherwise block its successor.
_TOO_LONG = ("25P03", "25P04")
# libpq passes no SQLSTATE for a refused connection attempt; these texts mean that a retry does not
# help.
_REFUSED = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "permission denied",
    "not permitted to log in",
    # A server before PostgreSQL 17, which has no transaction_timeout.
    "unrecognized configuration parameter",
)


class IngestError(Exception):
    """Ends the ingester. The text says what happened, to what, and what to do."""


class Stopped(IngestError):
    """Stopped on request before there was anything to land."""


class Fenced(IngestError):
    """Another ingester keeps moving the stored offset of a partition assigned to this one."""


class TooManyDeadLetters(IngestError):
    """PostgreSQL refuses so many events of a flush that single bad events are not the cause."""


def is_event_fault(error: psycopg2.Error) -> bool:
    """True if PostgreSQL refuses the event's content; only such events become dead letters."""
    return bool(error.pgcode) and error.pgcode[:2] in _EVENT


def is_passing(error: psycopg2.Error) -> bool:
    """True if a retry may succeed without a change of the installation."""
    if error.pgcode:
        return error.pgcode[:2] in _MOMENT or error.pgcode in _TOO_LONG
    if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
        return not any(text in str(error) for text in _REFUSED)
    # A connection that broke in the middle of COPY is reported as a bare DatabaseError.
    return type(error) is psycopg2.DatabaseError


def first_line(error: BaseException) -> str:
    """The message without DETAIL and CONTEXT: those lines quote the event's content."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
