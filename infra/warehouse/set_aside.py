"""Events that landed and cannot be loaded: `dwh_control.set_aside_event`, which dbt writes.

The events themselves are in `staging`. A load reads one of them only after it was replayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg2
from psycopg2 import sql

import catalogue
from ingest.book import Book, Unfit
from ingest.config import table_of
from ingest.dead_letters import Event, Letter

MADE = "select to_regclass('dwh_control.set_aside_event') is not null"
WAITING = """
select split_part(topic, '.', -1), count(*)
from dwh_control.set_aside_event
where resolution is null
group by topic
order by topic
"""


def exists(cursor: Any) -> bool:
    """Whether the table exists: the first load of a version that sets events aside makes it."""
    cursor.execute(MADE)
    return bool(cursor.fetchone()[0])


def waiting(cursor: Any) -> dict[str, int]:
    """Table -> how many of its events wait for a decision."""
    if not exists(cursor):
        return {}
    cursor.execute(WAITING)
    return dict(cursor.fetchall())


def letters(cursor: Any) -> list[Letter]:
    """All events set aside and not loaded since, discarded ones included, as letters."""
    if not exists(cursor):
        return []
    cursor.execute("select distinct topic from dwh_control.set_aside_event order by topic")
    found = []
    for (topic,) in cursor.fetchall():
        cursor.execute(
            sql.SQL(
                "select known.topic, known.kafka_partition, known.kafka_offset,"
                " coalesce((extract(epoch from raw.kafka_timestamp) * 1000)::bigint, -1),"
                " convert_to(raw.key::text, 'UTF8'), convert_to(raw.value::text, 'UTF8'),"
                " concat_ws(' ', known.column_name, known.reason) || case when"
                " known.newer_offset is null then '' else '; its row is loaded as it was later, at"
                " offset ' || known.newer_offset end,"
                " known.noticed_at, known.resolution, known.resolved_at"
                " from dwh_control.set_aside_event as known"
                " left join {} as raw using (kafka_partition, kafka_offset)"
                " where known.topic = %s order by kafka_partition, kafka_offset"
            ).format(sql.Identifier("staging", table_of(topic))),
            (topic,),
        )
        for *event, key, value, reason, noticed, resolution, resolved in cursor.fetchall():
            key, value = (None if part is None else bytes(part) for part in (key, value))
            found.append(
                Letter(*event, key, value, reason, noticed, resolution, resolved, "loading")
            )
    return found


def edit(cursor: Any, letter: Letter, key: bytes | None, value: bytes | None, book: Book) -> None:
    """Replaces the event's key or value; the original is kept in staging.dead_letter, as it landed.
    What identifies a person gets a token, as at landing.

    Raises psycopg2.Error where jsonb refuses them, and Unfit where that cannot be told.
    """
    marked = catalogue.tables().get(table_of(letter.topic))
    if marked is not None and marked.personal:
        edited = replace(
            letter,
            key=letter.key if key is None else key,
            value=letter.value if value is None else value,
        )
        landing, unfit = book.tokened(cursor, marked, [edited], keep_tokens=True)
        if unfit:
            raise Unfit(unfit[0][1])
        value = None if value is None else landing[0].value
    table = sql.Identifier("staging", table_of(letter.topic))
    place = (letter.partition, letter.offset)
    cursor.execute(
        sql.SQL(
            "insert into staging.dead_letter (topic, kafka_partition, kafka_offset,"
            " kafka_timestamp, key, value, error, resolution, resolved_at)"
            " select %s, kafka_partition, kafka_offset, kafka_timestamp,"
            " convert_to(key::text, 'UTF8'), convert_to(value::text, 'UTF8'), %s, 'edited', now()"
            " from {} where kafka_partition = %s and kafka_offset = %s on conflict do nothing"
        ).format(table),
        (letter.topic, letter.error, *place),
    )
    for column, content in (("key", key), ("value", value)):
        if content is not None:
            cursor.execute(
                sql.SQL(
                    "update {} set {} = convert_from(%s, 'UTF8')::jsonb"
                    " where kafka_partition = %s and kafka_offset = %s"
                ).format(table, sql.Identifier(column)),
                (psycopg2.Binary(content), *place),
            )


def decide(cursor: Any, events: Sequence[Event], resolution: str) -> None:
    """Records a decision: 'replayed' or 'discarded'. Events loaded already do not change."""
    for event in events:
        cursor.execute(
            "update dwh_control.set_aside_event"
            " set resolution = %s, resolved_at = now(), newer_offset = null"
            " where (topic, kafka_partition, kafka_offset) = (%s, %s, %s) and loaded_by is null",
            (resolution, *event),
        )


def answer(cursor: Any, event: Event) -> tuple[str | None, str, int | None]:
    """(resolution, column and reason, offset of a later loaded version) of an event."""
    cursor.execute(
        "select resolution, concat_ws(' ', column_name, reason), newer_offset"
        " from dwh_control.set_aside_event"
        " where (topic, kafka_partition, kafka_offset) = (%s, %s, %s)",
        event,
    )
    return cursor.fetchone()
