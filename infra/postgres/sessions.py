"""Sessions of a server that end in time, and what their errors say."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2

from ingest.deadline import deadline

# A server that has said nothing for so long will not, in seconds.
ANSWERS_WITHIN = 300


_patience = threading.local()


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Within it the queries of this thread (Server.query, reading) have an answer in time, or fail.

    For whoever asks servers that may hang: libpq itself waits for an answer without an end.
    """
    around, limit = getattr(_patience, "limit", None), time.monotonic() + seconds
    _patience.limit = limit if around is None else min(around, limit)
    try:
        yield
    finally:
        _patience.limit = around


@contextmanager
def reading(dsn: str) -> Iterator[psycopg2.extensions.cursor]:
    """A session for several questions about one moment. As Server.query it ends in time, within
    `patience` soon.
    """
    limit = getattr(_patience, "limit", None) or time.monotonic() + ANSWERS_WITHIN
    left = max(2.0, limit - time.monotonic())
    dsn = psycopg2.extensions.make_dsn(
        dsn, connect_timeout=int(left), options=f"-c statement_timeout={int(left * 900)}"
    )
    with closing(psycopg2.connect(dsn)) as connection:
        connection.set_session(readonly=True, isolation_level="REPEATABLE READ")
        with (
            deadline(connection, max(0.1, limit - time.monotonic())),
            connection.cursor() as cursor,
        ):
            yield cursor


def reason(error: psycopg2.Error) -> str:
    """The error's own words, in one line, without the address that was asked."""
    text = (str(error).strip() or type(error).__name__).split("\n")[0]
    if isinstance(error, psycopg2.errors.QueryCanceled):
        return "a query did not end in time: see who holds locks (pg_stat_activity, pg_locks)"
    return text.rpartition("FATAL:")[2].strip()


def query(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    """One statement on its own (autocommit). Returns its rows, [] where it has none."""
    limit = getattr(_patience, "limit", None)
    if limit is not None:
        return _query_until(limit, dsn, statement)
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with deadline(connection, ANSWERS_WITHIN), connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


def _query_until(limit: float, dsn: str, statement: str) -> list[tuple[Any, ...]]:
    """Connects, runs one statement and returns its rows, all of it before time.monotonic() is at
    `limit`.

    The server ends the statement too: one that waits for a lock would outlive its client.
    """
    left = max(2.0, limit - time.monotonic())
    dsn = psycopg2.extensions.make_dsn(
        dsn, connect_timeout=int(left), options=f"-c statement_timeout={int(left * 900)}"
    )
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with (
            deadline(connection, max(0.1, limit - time.monotonic())),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
