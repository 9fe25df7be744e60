"""Step 2: dead letters. They are bytes of any shape, and keep what they were but for the person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

import psycopg2

from infra.settings import Settings
from infra.subject.spelling import Spelled
from infra.subject.steps import Act
from infra.warehouse import landing_dsn

PLACE = "staging.dead_letter"


def run(settings: Settings, act: Act) -> Mapping[str, int]:
    """Puts `*` for each byte of the person's values, in the letters that are about the person."""
    with (
        closing(psycopg2.connect(landing_dsn(settings))) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        mine = Spelled(act.texts - set(act.names) | set(_of_nobody_else(cursor, act)))
        every = Spelled(act.texts)
        changed = 0
        # Held, for a person may decide on one of them meanwhile.
        for place, *contents in letters(cursor, " for update"):
            if not any(mine.search(each) for each in contents if each is not None):
                continue
            cursor.execute(
                "update staging.dead_letter set key = %s, value = %s"
                " where (topic, kafka_partition, kafka_offset) = (%s, %s, %s)",
                (
                    *(
                        None if each is None else psycopg2.Binary(every.hidden(each))
                        for each in contents
                    ),
                    *place,
                ),
            )
            changed += 1
    return {PLACE: changed}


def letters(
    cursor: Any, more: str = ""
) -> Iterator[tuple[tuple[str, int, int], bytes | None, bytes | None]]:
    """(topic, partition and offset; key; value) of each dead letter."""
    cursor.execute(
        f"select topic, kafka_partition, kafka_offset, key, value from {PLACE}"
        f" order by topic, kafka_partition, kafka_offset{more}"
    )
    for *place, key, value in cursor.fetchall():
        yield tuple(place), *(None if each is None else bytes(each) for each in (key, value))


def _of_nobody_else(cursor: Any, act: Act) -> Iterable[str]:
    """The names that nobody else in the book has: in a letter these alone tell whose it is."""
    cursor.execute(
        "select value from staging_pii.identity where value = any(%s)", (list(act.names),)
    )
    return set(act.names) - {value for (value,) in cursor}
