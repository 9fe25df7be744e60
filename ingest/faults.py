"""What can go wrong, and whose fault it is: the event's, the moment's, or the installation's."""

from __future__ import annotations

import psycopg2

# The event itself: invalid text or JSON (class 22), a value beyond PostgreSQL's limits (class 54).
_EVENT = ("22", "54")
# The moment: connection, rolled back by a deadlock, no resources (disk full too: people make
# room, and nothing is lost meanwhile), lock not to be had, server stopping or starting.
_MOMENT = ("08", "40", "53", "55", "57")
# Also the moment: the server ended a transaction that took too long, as of an ingester that was
# stopped in its middle; its locks hold up whoever took over.
_TOO_LONG = ("25P03", "25P04")
# A server that answers a connection attempt gives no SQLSTATE through libpq; these texts mean
# that trying again cannot help.
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
    """Ends the ingester. The text says what happened, to what, and what to do now."""


class Stopped(IngestError):
    """Asked to stop before there was anything to land."""


class Fenced(IngestError):
    """Another ingester keeps moving the stored offset of a partition that this one is assigned."""


class TooManyDeadLetters(IngestError):
    """So much of a flush is refused that the cause is not single bad events."""


def is_event_fault(error: psycopg2.Error) -> bool:
    """True if PostgreSQL refuses the event's own content; only such events are dead letters."""
    return bool(error.pgcode) and error.pgcode[:2] in _EVENT


def is_passing(error: psycopg2.Error) -> bool:
    """True if the same work may succeed later without anyone changing the installation."""
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
