"""Binary COPY encoding, checked against the format's definition."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import pytest

from ingest import encode

KEY, VALUE = b'{"id": 1}', 'tab\t, newline\n, \\N, \\., Ж, 🛫, "'.encode()


def record(key=KEY, value=VALUE, timestamp=946_684_800_001, partition=3, offset=2**40):
    return SimpleNamespace(
        key=key, value=value, timestamp=timestamp, partition=partition, offset=offset
    )


def copy_stream(records) -> bytes:
    """What psycopg2 reads, whole."""
    return b"".join(iter(encode.CopyStream(records).read, b""))


def rows(stream: bytes) -> list[list[bytes | None]]:
    """The fields of a binary COPY stream; fails unless it is whole and ends as it should."""
    assert stream[:11] == b"PGCOPY\n\xff\r\n\x00"
    assert stream[11:19] == bytes(8)
    at, found = 19, []
    while (count := struct.unpack_from(">h", stream, at)[0]) != -1:
        at += 2
        fields: list[bytes | None] = []
        for _ in range(count):
            (length,) = struct.unpack_from(">i", stream, at)
            at += 4
            fields.append(None if length == -1 else stream[at : at + length])
            at += max(length, 0)
        found.append(fields)
    assert at + 2 == len(stream)
    return found


def test_all_fields_are_where_postgresql_expects_them():
    """A shifted or misread field would put events under wrong offsets."""
    ((partition, offset, time, key, value),) = rows(copy_stream([record()]))
    assert struct.unpack(">i", partition) == (3,)
    assert struct.unpack(">q", offset) == (2**40,)
    assert struct.unpack(">q", time) == (1000,)  # µs since 2000-01-01
    assert (key, value) == (b"\x01" + KEY, b"\x01" + VALUE)


@pytest.mark.parametrize("timestamp", [946_684_800_001, -1])
@pytest.mark.parametrize("value", [VALUE, None, b""])
@pytest.mark.parametrize("key", [KEY, None, b""])
def test_nulls_and_empty_bytes_stay_apart(key, value, timestamp):
    """A tombstone would land as text, or an empty value as a tombstone."""
    fields = rows(copy_stream([record(), record(key, value, timestamp), record()]))
    assert fields[0] == fields[2]
    assert [field is None for field in fields[1]] == [
        False,
        False,
        timestamp == -1,
        key is None,
        value is None,
    ]
    assert fields[1][3:] == [None if c is None else b"\x01" + c for c in (key, value)]


@pytest.mark.parametrize("timestamp", [-1, -(2**63), 2**63 - 1, 253_402_300_800_000])
def test_a_timestamp_that_is_none_becomes_null(timestamp):
    """A producer's nonsense timestamp would stop the landing."""
    ((_, _, time, _, value),) = rows(copy_stream([record(timestamp=timestamp)]))
    assert time is None
    assert value == b"\x01" + VALUE
    assert encode.timestamp_ms(record(timestamp=timestamp)) is None


def test_no_records_are_a_stream_too():
    """A flush of nothing would be a broken COPY."""
    assert rows(copy_stream([])) == []


@pytest.mark.parametrize("number", [999, 1000, 1001, 2500])
def test_a_stream_of_several_reads_has_every_record_once(number):
    """Records at the seam of two pieces would be lost or doubled, or the stream not end."""
    found = rows(copy_stream([record(offset=offset) for offset in range(number)]))
    assert [struct.unpack(">q", fields[1])[0] for fields in found] == list(range(number))
