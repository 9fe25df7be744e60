"""`python -m ingest dead-letters`: lists, replays and discards events that jsonb refused.

An event is either in its staging table or an unresolved or discarded dead letter, never both: each
verb moves it in one transaction.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import psycopg2

import catalogue
from ingest import config as configuration
from ingest import faults, poison
from ingest.config import Config, table_of
from ingest.dead_letter_options import Event, parser
from ingest.personal import masked

_PREVIEW = 4096  # bytes of a key or value that `show` prints


@dataclass
class Letter:
    """A dead letter. It has the attributes of a Kafka record, so that it can be copied as one."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    error: str
    landed_at: datetime
    resolution: str | None
    resolved_at: datetime | None
    # The step that refused it: "landing" (here) or "loading" (listed by ./airline dead-letters).
    found_at: str = "landing"

    @property
    def name(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"

    def as_json(self, *, content: bool) -> dict[str, object]:
        fields = {
            "event": self.name,
            "found_at": self.found_at,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "timestamp_ms": None if self.timestamp < 0 else self.timestamp,
            "key_bytes": None if self.key is None else len(self.key),
            "value_bytes": None if self.value is None else len(self.value),
            "error": self.error,
            "landed_at": self.landed_at.isoformat(),
            "resolution": self.resolution,
            "resolved_at": self.resolved_at and self.resolved_at.isoformat(),
        }
        if content:
            for name, part in (("key_base64", self.key), ("value_base64", self.value)):
                fields[name] = None if part is None else base64.b64encode(part).decode()
        return fields


def main(arguments: Sequence[str], prog: str = "python -m ingest dead-letters") -> int:
    """Exit code: 0 done, 1 something could not be done (reported on stderr), 2 wrong usage."""
    options = parser(prog).parse_args(arguments or ["list"])
    config = configuration.read([])
    try:
        with closing(psycopg2.connect(**config.dsn())) as connection:
            return _VERBS[options.name](connection, options)
    except psycopg2.errors.UndefinedTable as error:
        return _fail(f"{faults.first_line(error)}; has the ingester ever run here? ./airline up")
    except psycopg2.Error as error:
        return _fail(f"{_where(config)}: {faults.first_line(error)}")
    except (faults.IngestError, OSError) as error:
        return _fail(str(error))


# -- verbs ------------------------------------------------------------------------------------


def _list(connection, options) -> int:
    print_list(all_letters(connection), options)
    return 0


def print_list(letters: list[Letter], options) -> None:
    """Prints those that the options of `list` select."""
    letters = [
        letter
        for letter in letters
        if (options.all or letter.resolution is None) and is_of(letter, options.topic)
    ]
    if options.json:
        print(json.dumps([letter.as_json(content=False) for letter in letters]))
        return
    if not letters:
        print("no dead letters")
        return
    rows = [("event", "since", "bytes", "decided", "error")]
    for letter in letters:
        since = f"{letter.landed_at:%Y-%m-%d %H:%M:%S}"
        size = len(letter.key or b"") + len(letter.value or b"")
        rows.append((letter.name, since, f"{size:,}", letter.resolution or "", letter.error))
    if not options.all:
        rows = [(*row[:3], row[4]) for row in rows]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[-1]]))


def _show(connection, options) -> int:
    (letter,) = _letters(connection, [options.event])
    print_letter(letter, options)
    return 0


def print_letter(letter: Letter, options) -> None:
    """Prints as the options of `show` say. IngestError where the requested part is null."""
    if options.json:
        print(json.dumps(letter.as_json(content=True)))
        return
    if options.raw:
        content = letter.key if options.raw == "key" else letter.value
        if content is None:
            raise faults.IngestError(f"the {options.raw} of {letter.name} is null: no bytes")
        sys.stdout.buffer.write(content)
        return
    decided = f"{letter.resolution} {letter.resolved_at}" if letter.resolution else "not yet"
    print(f"event    {letter.name}")
    print(f"landed   {letter.landed_at}")
    print(f"error    {letter.error}")
    print(f"decided  {decided}")
    for name, content in (("key", letter.key), ("value", letter.value)):
        print(f"\n{name}, {'null' if content is None else f'{len(content):,} bytes'}")
        shown = content or b""
        print(_dump(shown if options.personal else masked(shown, letter.topic)), end="")


def _replay(connection, options) -> int:
    edited = options.key is not None or options.value is not None
    if edited and len(options.events) != 1:
        raise faults.IngestError("--key and --value go with exactly one EVENT")
    if options.events:
        letters = _letters(connection, options.events)
    else:
        letters = [
            each
            for each in _letters(connection)
            if each.resolution is None and is_of(each, options.topic)
        ]
    key = options.key.read_bytes() if options.key else None
    value = options.value.read_bytes() if options.value else None
    landed, refused = 0, 0
    for letter in letters:
        # One transaction per letter: one that is refused does not affect the others.
        with connection, connection.cursor() as cursor:
            if not _take(cursor, letter):
                print(f"{letter.name}: already {letter.resolution}")
                continue
            letter.key = letter.key if key is None else key
            letter.value = letter.value if value is None else value
            cursor.execute("SAVEPOINT replay")
            if error := _landed(cursor, letter):
                cursor.execute("ROLLBACK TO SAVEPOINT replay")
                refused += 1
                _fail(f"{letter.name}: refused again: {error}")
                continue
            _resolve(cursor, letter, "edited" if edited else "replayed")
        landed += 1
        print(f"{letter.name}: landed in staging.{table_of(letter.topic)}")
    if not letters:
        print("no dead letters")
    elif refused:
        _fail(
            f"{refused} of {landed + refused} stay dead letters. Mend one with `show EVENT --raw"
            " value > FILE`, then `replay EVENT --value FILE`; or give it up: `discard EVENT`"
        )
    return 1 if refused else 0


def _landed(cursor, letter: Letter) -> str:
    """Lands it as the ingester would; why it cannot be, or ""."""
    table = table_of(letter.topic)
    landing: list = [letter]
    marked = catalogue.tables().get(table)
    try:
        if marked is not None and marked.personal:
            book = configuration.read([]).book()
            book.check(cursor)
            # One that was read back after it had landed has tokens.
            landing, unfit = book.tokened(cursor, marked, landing, keep_tokens=True)
            if unfit:
                return unfit[0][1]
        poison.copy(cursor, table, landing)
    except psycopg2.Error as error:
        if not faults.is_event_fault(error):
            raise
        return faults.first_line(error)
    return ""


def _discard(connection, options) -> int:
    for letter in _letters(connection, options.events):
        with connection, connection.cursor() as cursor:
            if _take(cursor, letter):
                _resolve(cursor, letter, "discarded")
                print(f"{letter.name}: discarded")
            else:
                print(f"{letter.name}: already {letter.resolution}")
    return 0


_VERBS = {"list": _list, "show": _show, "replay": _replay, "discard": _discard}


# -- table ------------------------------------------------------------------------------------


def all_letters(connection) -> list[Letter]:
    """All letters, oldest first. Ends the transaction."""
    return _letters(connection)


def _letters(connection, events: Sequence[Event] | None = None) -> list[Letter]:
    """All letters, oldest first, or those of `events` in their order. IngestError for an event
    that is no dead letter.

    Ends the transaction: a change reads the letter again, under a lock (`_take`).
    """
    statement = (
        "SELECT topic, kafka_partition, kafka_offset,"
        " coalesce((extract(epoch FROM kafka_timestamp) * 1000)::bigint, -1),"
        " key, value, error, landed_at, resolution, resolved_at FROM staging.dead_letter"
    )
    found = []
    with connection, connection.cursor() as cursor:
        for event in [None] if events is None else events:
            if event is None:
                cursor.execute(
                    f"{statement} ORDER BY landed_at, topic, kafka_partition, kafka_offset"
                )
            else:
                cursor.execute(
                    f"{statement} WHERE (topic, kafka_partition, kafka_offset) = (%s, %s, %s)",
                    event,
                )
            rows = cursor.fetchall()
            if event is not None and not rows:
                raise faults.IngestError(
                    f"{event[0]}:{event[1]}:{event[2]} is no dead letter; list them with `list`"
                )
            for topic, partition, offset, ms, key, value, *rest in rows:
                key, value = (None if part is None else bytes(part) for part in (key, value))
                found.append(Letter(topic, partition, offset, ms, key, value, *rest))
    return found


def _take(cursor, letter: Letter) -> bool:
    """Locks a letter; False if it is resolved already, and `resolution` says how."""
    cursor.execute(
        "SELECT resolution FROM staging.dead_letter"
        " WHERE (topic, kafka_partition, kafka_offset) = (%s, %s, %s) FOR UPDATE",
        (letter.topic, letter.partition, letter.offset),
    )
    (letter.resolution,) = cursor.fetchone()
    return letter.resolution in (None, "discarded")


def _resolve(cursor, letter: Letter, resolution: str) -> None:
    cursor.execute(
        "UPDATE staging.dead_letter SET resolution = %s, resolved_at = now()"
        " WHERE (topic, kafka_partition, kafka_offset) = (%s, %s, %s)",
        (resolution, letter.topic, letter.partition, letter.offset),
    )


# -- text -------------------------------------------------------------------------------------


def is_of(letter: Letter, topic: str | None) -> bool:
    """Whether a letter belongs to a topic (or its table); always true for None."""
    return topic is None or topic in (letter.topic, table_of(letter.topic))


def _dump(content: bytes) -> str:
    """A hex dump: offset, bytes and characters, sixteen bytes a line."""
    lines = []
    for at in range(0, min(len(content), _PREVIEW), 16):
        part = content[at : at + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{at:08x}  {part.hex(' '):<47}  {shown}\n")
    if len(content) > _PREVIEW:
        lines.append(f"… {len(content) - _PREVIEW:,} bytes more; all of them with --raw\n")
    return "".join(lines)


def _where(config: Config) -> str:
    return f"warehouse {config.dwh_host}:{config.dwh_port}/{config.dwh_db}"


def _fail(text: str) -> int:
    print(f"dead-letters: {text}", file=sys.stderr)
    return 1
