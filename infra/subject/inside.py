"""What is in a file and cannot be seen in its bytes: compressed, or cut by the edges of pages.

Each function yields (what it is, chunks of bytes): one stream each, whose chunks belong together.
A file that is no longer there, or is cut while it is read, yields what it had.
"""

from __future__ import annotations

import bz2
import email
import email.policy
import gzip
import lzma
import re
import sqlite3
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cramjam

CHUNK = 4 << 20
Stream = tuple[str, Iterable[bytes]]

_SEGMENT = re.compile(r"\d{20}\.log(\.deleted|\.cleaned|\.swap)?")
_WAL = re.compile(r"[0-9A-F]{24}(\.partial|\.deleted)?")
_RELATION = re.compile(r"t?\d*_?\d+(\.\d+)?")
_PAGE = 8192
# Bytes of values of TOAST that are held until their last piece comes.
_PIECES = 64 << 20


class NotOpened(Exception):
    """There is something inside that cannot be read."""


def streams(file: Path) -> Iterator[Stream]:
    """All that is inside a file, apart from its bytes as they are. Raises NotOpened, OSError."""
    with file.open("rb") as opened:
        head = opened.read(16)
    if _SEGMENT.fullmatch(file.name):
        yield from _batches(file)
    elif _WAL.fullmatch(file.name) and file.parent.name == "pg_wal":
        yield "WAL without the heads of its pages", _wal(file)
        yield from _compressed_values(_wal(file))
    elif _RELATION.fullmatch(file.name) and {"base", "global"} & {*file.parts[-4:]}:
        yield from _relation(file)
    elif head.startswith(b"\x1f\x8b\x08"):
        yield "gzip", _read(gzip.open, file)
    elif head.startswith(b"BZh"):
        yield "bzip2", _read(bz2.open, file)
    elif head.startswith(b"\xfd7zXZ\0"):
        yield "xz", _read(lzma.open, file)
    elif head.startswith(b"PK\x03\x04"):
        yield from _zip(file)
    elif head.startswith(b"SQLite format 3\0"):
        yield from _sqlite(file)
    elif file.suffix in (".eml", ".half"):
        yield from _letter(file)


def _read(opening: Callable[..., Any], *arguments: Any) -> Iterator[bytes]:
    try:
        with opening(*arguments) as opened:
            while chunk := opened.read(CHUNK):
                yield chunk
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile):
        return  # it is being written, or was cut
    except OSError as error:
        if error.errno is not None:
            raise


def _zip(file: Path) -> Iterator[Stream]:
    try:
        with zipfile.ZipFile(file) as archive:
            for each in archive.infolist():
                if each.flag_bits & 1:
                    raise NotOpened(f"{each.filename} in it has a password")
                yield f"zip: {each.filename}", _read(archive.open, each)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise NotOpened(f"no zip that can be read ({type(error).__name__})") from None


def _sqlite(file: Path) -> Iterator[Stream]:
    """The values of each table: a long one is cut into pages that need not follow each other."""
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=30)) as database:
            database.text_factory = bytes
            names = [
                name
                for (name,) in database.execute("select name from sqlite_master where type='table'")
            ]
            for name in names:
                quoted = name.decode().replace('"', '""')
                rows = database.execute(f'select * from "{quoted}"')
                yield (
                    f"SQLite: table {name.decode()}",
                    (
                        b"\n".join(each for each in row if isinstance(each, bytes)) + b"\n"
                        for row in rows
                    ),
                )
    except sqlite3.Error as error:
        raise NotOpened(f"SQLite: {type(error).__name__}") from None


def _letter(file: Path) -> Iterator[Stream]:
    letter = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    for header in ("Subject", "To", "From"):
        yield f"header {header}", [str(letter.get(header, "")).encode("utf-8", "replace")]
    for part in letter.walk():
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            yield f"part {part.get_content_type()}", [content]


# -- Kafka ----------------------------------------------------------------------------------------

_CODECS: dict[int, tuple[str, Callable[[bytes], Any]]] = {
    1: ("gzip", lambda content: zlib.decompress(content, 31)),
    2: ("snappy", lambda content: _snappy(content)),
    3: ("lz4", cramjam.lz4.decompress),
    4: ("zstd", cramjam.zstd.decompress),
}


def _batches(file: Path) -> Iterator[Stream]:
    """The records of each batch that is compressed."""
    with file.open("rb") as opened:
        while True:
            head = opened.read(61)
            if len(head) < 61:
                return
            offset, length = struct.unpack_from(">qi", head)
            if length < 49 or head[16] != 2:
                return  # the zeros behind the end of a log, or what was cut
            body = opened.read(length - 49)
            codec = struct.unpack_from(">h", head, 21)[0] & 7
            if not codec or len(body) < length - 49:
                continue
            if codec not in _CODECS:
                raise NotOpened(f"the batch at offset {offset} is compressed in an unknown way")
            name, decompress = _CODECS[codec]
            try:
                yield f"Kafka's batch at offset {offset}, {name}", [bytes(decompress(body))]
            except (zlib.error, cramjam.DecompressionError) as error:
                raise NotOpened(f"the batch at offset {offset}: {type(error).__name__}") from None


def _snappy(content: bytes) -> bytes:
    """Java writes blocks of Snappy, one after the other, behind a head of its own."""
    if not content.startswith(b"\x82SNAPPY\0"):
        return bytes(cramjam.snappy.decompress_raw(content))
    at, found = 16, b""
    while at < len(content):
        (length,) = struct.unpack_from(">i", content, at)
        found += bytes(cramjam.snappy.decompress_raw(content[at + 4 : at + 4 + length]))
        at += 4 + length
    return found


# -- PostgreSQL -----------------------------------------------------------------------------------


def _wal(file: Path) -> Iterator[bytes]:
    """A record goes on behind the head of the next page."""
    with file.open("rb") as opened:
        while pages := opened.read(_PAGE * 128):
            yield b"".join(
                pages[at + (40 if pages[at + 2] & 2 else 24) : at + _PAGE]
                for at in range(0, len(pages) - 3, _PAGE)
            )


def _relation(file: Path) -> Iterator[Stream]:
    if _is_toast(file):
        yield from _pieced_together(file)
    yield from _compressed_values(_read(file.open, "rb"))


def _is_toast(file: Path) -> bool:
    with file.open("rb") as opened:
        for _ in range(16):
            page = opened.read(_PAGE)
            if any(True for _ in _pieces(page)):
                return True
    return False


def _pieces(page: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(value, number, piece) in a page of a table of TOAST, also of rows that are dead."""
    if len(page) < _PAGE or struct.unpack_from("<H", page, 18)[0] != _PAGE | 4:
        return
    lower = min(struct.unpack_from("<H", page, 12)[0], _PAGE)
    for at in range(24, lower - 3, 4):
        (pointer,) = struct.unpack_from("<I", page, at)
        begin, length = pointer & 0x7FFF, pointer >> 17
        if length < 36 or begin + length > _PAGE:
            continue
        columns, head = struct.unpack_from("<H", page, begin + 18)[0] & 0x7FF, page[begin + 22]
        if columns != 3 or head != 24:
            continue
        value, number, size = struct.unpack_from("<IiI", page, begin + 24)
        if not size & 3 and 4 < size >> 2 <= length - 32 and 0 <= number < 1 << 20:
            yield value, number, page[begin + 36 : begin + 32 + (size >> 2)]


def _pieced_together(file: Path) -> Iterator[Stream]:
    """Values of TOAST: a piece is at most 1,996 bytes long, and most follow each other."""
    held: OrderedDict[int, dict[int, bytes]] = OrderedDict()
    size = 0
    with file.open("rb") as opened:
        while page := opened.read(_PAGE):
            for value, number, piece in _pieces(page):
                held.setdefault(value, {})[number] = piece
                size += len(piece)
            while size > _PIECES:
                value, pieces = held.popitem(last=False)
                size -= sum(map(len, pieces.values()))
                yield from _value(value, pieces)
    for value, pieces in held.items():
        yield from _value(value, pieces)


def _value(value: int, pieces: dict[int, bytes]) -> Iterator[Stream]:
    content = b"".join(pieces[number] for number in sorted(pieces))
    yield f"TOAST: value {value}", [content]
    if 0 in pieces and len(content) > 4:
        (told,) = struct.unpack_from("<I", content)
        if (opened := _decompressed(content[4:], told)) is not None:
            yield f"TOAST: value {value}, compressed", [opened]


# The head of a compressed value in its row (little-endian, as all machines that are supported): its
# length with the low bits 10, then the length that it has when it is opened, with the method.
_HEAD = re.compile(
    rb"(?=[" + b"".join(re.escape(bytes([n])) for n in range(2, 256, 4)) + rb"]"
    rb"[\x00-\x7f]\x00\x00([\x00-\xff]{3}[\x00\x40]))",
    re.DOTALL,
)


def _compressed_values(chunks: Iterable[bytes]) -> Iterator[Stream]:
    """Values that are compressed in their rows, of rows that are dead too. They are short: a
    longer one is in TOAST.
    """
    tail, start = b"", 0
    for chunk in chunks:
        content = tail + chunk
        found = []
        for head in _HEAD.finditer(content):
            at = head.start()
            length, told = struct.unpack_from("<II", content, at)
            length >>= 2
            if 16 < length <= len(content) - at and length < (told & 0x3FFFFFFF) + 8:
                opened = _decompressed(content[at + 8 : at + length], told)
                if opened is not None:
                    found.append((start + at, opened))
        for at, opened in found:
            yield f"a compressed value at {at}", [opened]
        keep = min(len(content), _PAGE)
        start += len(content) - keep
        tail = content[len(content) - keep :]


def _decompressed(content: bytes, told: int) -> bytes | None:
    """None where it is no compressed value. `told`: length and method, as PostgreSQL keeps them."""
    size, method = told & 0x3FFFFFFF, told >> 30
    if not 0 < size <= 255 * len(content) + 255:
        return None
    if method == 0:
        return _pglz(content, size)
    if method == 1:
        try:
            return bytes(cramjam.lz4.decompress_block(content, output_len=size))
        except (cramjam.DecompressionError, ValueError):
            return None
    return None


def _pglz(content: bytes, size: int) -> bytes | None:
    """A byte of flags says of the next eight, low bit first: 0 a byte as it is, 1 two or three
    bytes that repeat what was before. None where it is something else.
    """
    out, at, end = bytearray(), 0, len(content)
    while at < end and len(out) < size:
        flags = content[at]
        at += 1
        for _ in range(8):
            if at >= end or len(out) >= size:
                break
            if flags & 1:
                if at + 2 > end:
                    return None
                length, back = (content[at] & 15) + 3, (content[at] & 240) << 4 | content[at + 1]
                at += 2
                if length == 18:
                    if at >= end:
                        return None
                    length += content[at]
                    at += 1
                if not 0 < back <= len(out):
                    return None
                length = min(length, size - len(out))
                if back >= length:
                    out += out[len(out) - back : len(out) - back + length]
                else:
                    pattern = bytes(out[len(out) - back :])
                    out += (pattern * (length // back + 1))[:length]
            else:
                out.append(content[at])
                at += 1
            flags >>= 1
    return bytes(out) if len(out) == size else None
