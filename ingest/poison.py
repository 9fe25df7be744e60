"""Copies events into a staging table, leaving out those that jsonb refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg2
from psycopg2 import sql

from ingest import encode, faults

Refused = tuple[object, str]  # the record and PostgreSQL's error


def copy(cursor, table: str, records: Sequence) -> None:
    """COPY of all records into staging.<table>, or the error of the first one refused."""
    statement = sql.SQL("COPY staging.{} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, encode.COLUMNS))
    )
    cursor.copy_expert(statement, encode.CopyStream(records))


def bisect(
    records: Sequence,
    attempt: Callable[[Sequence], str | None],
    refused: list[Refused],
) -> None:
    """Applies all `records` except those that `attempt` refuses singly; these join `refused`.

    `attempt` applies a slice completely (returns None) or not at all (returns the error's text).
    One bad event among n costs about 2·log2(n) attempts.
    """
    error = attempt(records)
    if error is None:
        return
    if len(records) == 1:
        # What came, not what was made of it.
        refused.append((getattr(records[0], "original", records[0]), error))
        return
    middle = len(records) // 2
    bisect(records[:middle], attempt, refused)
    bisect(records[middle:], attempt, refused)


def copy_bisecting(
    cursor, table: str, records: Sequence, refused: list[Refused], allowed: int
) -> None:
    """Copies what can be copied; the rest joins `refused` with the reasons.

    Only errors caused by an event are bisected; any other error is raised at once, and the caller
    rolls back. Raises TooManyDeadLetters as soon as more than `allowed` are refused.
    """

    def attempt(part: Sequence) -> str | None:
        check(len(refused), allowed, refused)
        cursor.execute("SAVEPOINT part")
        try:
            copy(cursor, table, part)
        except psycopg2.Error as error:
            if not faults.is_event_fault(error):
                raise
            # Released too: each open savepoint holds locks, and their number is limited.
            cursor.execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part")
            return faults.first_line(error)
        cursor.execute("RELEASE SAVEPOINT part")
        return None

    bisect(records, attempt, refused)


def check(count: int, allowed: int, refused: Sequence[Refused]) -> None:
    """TooManyDeadLetters if `count` is more than `allowed`."""
    if count > allowed:
        record, error = refused[-1]
        raise faults.TooManyDeadLetters(
            f"Too many events cannot be landed: more than {allowed} in one flush or in a row,"
            f" the last one {record.topic} partition {record.partition} offset {record.offset}:"
            f" {error}. These are no single bad events, so nothing of this flush was landed. Look"
            " at what produces the topic (is it JSON?). If they are to become dead letters all"
            " the same, raise AIRLINE_INGEST_MAX_DEAD_LETTERS; and where a flush of them takes"
            " longer than AIRLINE_INGEST_TRANSACTION_SECONDS, that one too."
        )


def bury(cursor, refused: Sequence[Refused]) -> None:
    """Keeps refused events as bytes in staging.dead_letter."""
    for record, error in refused:
        cursor.execute(
            "INSERT INTO staging.dead_letter (topic, kafka_partition, kafka_offset,"
            " kafka_timestamp, key, value, error)"
            " VALUES (%s, %s, %s, timestamptz 'epoch' + %s * interval '1 ms', %s, %s, %s)",
            (
                record.topic,
                record.partition,
                record.offset,
                encode.timestamp_ms(record),
                None if record.key is None else psycopg2.Binary(record.key),
                None if record.value is None else psycopg2.Binary(record.value),
                error,
            ),
        )
