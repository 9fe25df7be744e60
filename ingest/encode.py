"""Events as PostgreSQL's binary COPY format.

Binary, not text: no byte of a key or value needs escaping or can end a row, and timestamps need
no formatting. Encoding an event takes 1.2 µs; the text format took 1.9 µs without the timestamp.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from struct import Struct

COLUMNS = ("kafka_partition", "kafka_offset", "kafka_timestamp", "key", "value")

# Signature, flags, length of the header extension.
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
# Records per read of a CopyStream. Each read has to wait for the other thread to release the
# interpreter: with small pieces, landing a flush would take longer than reading the next one.
_RECORDS_A_READ = 1000
_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
# Microseconds from 1970-01-01 to PostgreSQL's zero, 2000-01-01.
_EPOCH = 946_684_800_000_000
# A producer may set any number as timestamp; beyond the year 9999 it counts as none.
_LAST_MS = 253_402_300_799_999

# Number of fields; partition, offset and timestamp with their lengths; length of the key and
# the version byte that a jsonb value starts with.
_FRONT = Struct(">hiiiqiqiB").pack
_FRONT_NO_KEY = Struct(">hiiiqiq").pack
_FRONT_NO_TIME = Struct(">hiiiqi").pack
_JSONB = Struct(">iB").pack


def timestamp_ms(record) -> int | None:
    """The record's timestamp in milliseconds since 1970, or None where it has none."""
    return record.timestamp if 0 <= record.timestamp <= _LAST_MS else None


class CopyStream:
    """A COPY stream of kafka-python ConsumerRecords as a file, columns as in COLUMNS.

    A null key and a tombstone's null value become NULL. Content is not parsed. Each read encodes
    the next records while the server processes the ones before.
    """

    def __init__(self, records: Sequence) -> None:
        self._pieces = _pieces(records)

    def read(self, _size: int = -1) -> bytes:
        """The next piece, b"" after the last."""
        return next(self._pieces, b"")


def _pieces(records: Sequence) -> Iterator[bytes]:
    yield _HEADER
    for first in range(0, len(records), _RECORDS_A_READ):
        yield _rows(records[first : first + _RECORDS_A_READ])
    yield _END


def _rows(records: Iterable) -> bytes:
    """The records' rows in a COPY stream."""
    parts = []
    for record in records:
        key, value, ms = record.key, record.value, record.timestamp
        if key is not None and value is not None and 0 <= ms <= _LAST_MS:
            parts += (
                _FRONT(5, 4, record.partition, 8, record.offset, 8, ms * 1000 - _EPOCH,
                       len(key) + 1, 1),
                key,
                _JSONB(len(value) + 1, 1),
                value,
            )  # fmt: skip
        else:
            parts += _rare(record)
    return b"".join(parts)


def _rare(record) -> list[bytes]:
    """The row of a record with a null somewhere."""
    ms = timestamp_ms(record)
    if ms is None:
        parts = [_FRONT_NO_TIME(5, 4, record.partition, 8, record.offset, -1)]
    else:
        parts = [_FRONT_NO_KEY(5, 4, record.partition, 8, record.offset, 8, ms * 1000 - _EPOCH)]
    for content in (record.key, record.value):
        parts += [_NULL] if content is None else [_JSONB(len(content) + 1, 1), content]
    return parts
