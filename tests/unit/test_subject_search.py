"""The search for a forgotten person finds each spelling in each kind of file, and nothing else."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import sqlite3
import struct
import zipfile
import zlib
from email.message import EmailMessage
from types import SimpleNamespace
from urllib.parse import quote, quote_plus

import cramjam
import pytest

from infra.settings import Settings
from infra.subject import look
from infra.subject.inside import _pglz
from infra.subject.needles import Needles, identifiers

DOCUMENT = "RU 7712345678"
NAME = "Агафья Ёлкина"
MAIL = "o'hara+7@example.com"
ACT = SimpleNamespace(
    id=1, document=DOCUMENT, names=(NAME,), contacts=(json.dumps({"email": MAIL, "phone": None}),)
)
# As other programs write them; nothing of the product's is used.
SPELLINGS = {
    "as it is": lambda text: text.encode(),
    "upper case": lambda text: text.upper().encode(),
    "lower case": lambda text: text.lower().encode(),
    "UTF-16, little end first": lambda text: text.encode("utf-16-le"),
    "UTF-16, big end first": lambda text: text.encode("utf-16-be"),
    "JSON": lambda text: json.dumps({"x": text}).encode(),
    "JSON in JSON": lambda text: json.dumps({"x": json.dumps({"y": text})}).encode(),
    "JSON, upper hex": lambda text: "".join(
        c if c.isascii() else f"\\u{ord(c):04X}" for c in text
    ).encode(),
    "hex": lambda text: b"\\x" + text.encode().hex().encode(),
    "hex, upper case": lambda text: text.encode().hex().upper().encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64, second place": lambda text: base64.b64encode(b"q" + text.encode() + b"more"),
    "base64, third place": lambda text: base64.b64encode(b"qq" + text.encode() + b"mo"),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(b"\xff\xfe" + text.encode()),
    "base64 of JSON": lambda text: base64.b64encode(json.dumps({"x": text}).encode()),
    "percent": lambda text: quote(text, safe="").encode(),
    "percent, a form": lambda text: quote_plus(text).encode(),
    "percent, lower case": lambda text: "".join(
        chr(b) if b < 128 and (chr(b).isalnum() or chr(b) in "-._~") else f"%{b:02x}"
        for b in text.encode()
    ).encode(),
    "HTML": lambda text: text.replace("'", "&#39;").encode(),
    "escapes of bytes": lambda text: repr(text.encode())[2:-1].encode(),
}


def batch(content: bytes, codec: int) -> bytes:
    """A batch of Kafka's with one record, whose head the search does not check further."""
    body = {
        1: lambda c: gzip.compress(c),
        2: lambda c: (
            b"\x82SNAPPY\0"
            + struct.pack(">ii", 1, 1)
            + struct.pack(">i", len(cramjam.snappy.compress_raw(c)))
            + bytes(cramjam.snappy.compress_raw(c))
        ),
        3: lambda c: bytes(cramjam.lz4.compress(c)),
        4: lambda c: bytes(cramjam.zstd.compress(c)),
    }[codec](content)
    head = struct.pack(">iBIhiqqqhii", 0, 2, 0, codec, 0, 0, 0, -1, -1, -1, 1)
    return struct.pack(">qi", 7, len(head) + len(body)) + head + body


# Long and repeating, so that it is compressed and not kept as it is.
def around(content: bytes) -> bytes:
    return b"nobody at all, " * 50 + content + b" nobody at all," * 50


def a_zip(file, content: bytes) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.txt", content)


def a_database(file, content: bytes) -> None:
    with sqlite3.connect(file) as database:
        database.execute("create table message (id integer primary key, payload blob)")
        # Over the borders of many pages, after rows that were deleted.
        database.executemany("insert into message (payload) values (?)", [(b"x" * 3000,)] * 9)
        database.execute("delete from message where id in (2, 5, 8)")
        for shift in range(300, 3300, 7):
            database.execute(
                "insert into message (payload) values (?)", (b"y" * shift + content + b"z" * 9000,)
            )
    database.close()


def a_letter(file, content: bytes) -> None:
    letter = EmailMessage()
    letter["Subject"] = "report"
    letter.set_content("see the attachment")
    letter.add_attachment(b"a" * 50 + content, maintype="text", subtype="csv")
    file.write_bytes(bytes(letter))


KINDS = {
    "a log": ("logs/airflow/task.log", lambda f, c: f.write_bytes(around(c))),
    "a file over the windows": (
        "logs/long.log",
        lambda f, c: f.write_bytes(b"." * (look.WINDOW - len(c) // 2) + c + b"."),
    ),
    "gzip": ("logs/old.log.gz", lambda f, c: f.write_bytes(gzip.compress(around(c)))),
    "gzip by another name": ("dbt/x", lambda f, c: f.write_bytes(gzip.compress(around(c)))),
    "bzip2": ("logs/old.bz2", lambda f, c: f.write_bytes(bz2.compress(around(c)))),
    "xz": ("logs/old.xz", lambda f, c: f.write_bytes(lzma.compress(around(c)))),
    "zip": ("alerts/messages/report.zip", lambda f, c: a_zip(f, around(c))),
    "a letter": ("alerts/messages/report-1.eml", a_letter),
    "SQLite": ("data/superset/queue.sqlite", a_database),
    **{
        f"Kafka, {name}": (
            "data/kafka/t-0/00000000000000000007.log",
            lambda f, c, codec=codec: f.write_bytes(
                batch(around(b"1"), codec) + batch(around(c), codec) + bytes(100)
            ),
        )
        for codec, name in enumerate(("gzip", "snappy", "lz4", "zstd"), 1)
    },
    "Kafka, not compressed": (
        "data/kafka/t-0/00000000000000000007.log",
        lambda f, c: f.write_bytes(around(c)),
    ),
    "Kafka, to be removed": (
        "data/kafka/t-0/00000000000000000007.log.deleted",
        lambda f, c: f.write_bytes(batch(around(c), 3)),
    ),
}


@pytest.fixture
def home(tmp_path):
    return Settings.from_environment(
        {"AIRLINE_HOME": str(tmp_path / "home"), "AIRLINE_CACHE": str(tmp_path / "home" / "cache")}
    )


def plant(home: Settings, name: str, write, content: bytes):
    file = home.home / name
    file.parent.mkdir(parents=True, exist_ok=True)
    write(file, content)
    return file


def found(home: Settings, needles: Needles | None = None) -> list[str]:
    report = look.search(home, needles or Needles(identifiers(ACT)))
    assert report.not_opened == []
    return [each.told(home.home) for each in report.found]


@pytest.mark.parametrize("text", [DOCUMENT, NAME, MAIL])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_found(home, spelling, text):
    """A value that somebody wrote in another way is called gone."""
    plant(
        home,
        "logs/some.log",
        lambda f, c: f.write_bytes(b"-" + c + b"-"),
        SPELLINGS[spelling](text),
    )
    assert found(home)


@pytest.mark.parametrize("spelling", ["as it is", "JSON", "hex", "base64, second place"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_is_opened(home, kind, spelling):
    """A value that is compressed, or cut by pages, is called gone."""
    name, write = KINDS[kind]
    plant(home, name, write, SPELLINGS[spelling](NAME))
    [*lines] = found(home)
    assert lines
    assert all(line.startswith(name) for line in lines)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_there_is_not_found(home, kind):
    """Nobody's act would ever end."""
    name, write = KINDS[kind]
    plant(home, name, write, "RU 7712345679, Агафья Елкина, ohara+7@example.com".encode())
    assert found(home) == []


def test_the_value_is_in_no_line_that_is_printed(home):
    """The search itself would write what it looks for into a log."""
    for spelling, write in SPELLINGS.items():
        plant(
            home,
            f"logs/{SPELLINGS[spelling](DOCUMENT)[:1].hex()}.log",
            lambda f, c: f.write_bytes(c),
            write(DOCUMENT),
        )
    lines = found(home)
    assert lines
    assert Needles(identifiers(ACT)).find("\n".join(lines).encode()) == []


def test_the_booking_system_is_not_searched_and_everything_else_is(home):
    """It keeps what the law makes it keep; a folder that nobody thought of is ours."""
    for name in ("data/primary/base/1/2", "data/replica/pg_wal/x", "data/else/x", "x", "cache/x"):
        plant(home, name, lambda f, c: f.write_bytes(c), DOCUMENT.encode())
    assert sorted(line.split(":")[0] for line in found(home)) == ["cache/x", "data/else/x", "x"]


def test_a_name_of_a_file_is_searched(home):
    """A report that is named after somebody."""
    plant(home, f"alerts/{DOCUMENT}.csv", lambda f, c: f.write_bytes(c), b"")
    assert found(home)


def test_what_cannot_be_opened_is_said(home):
    """It is called clean, though nobody looked."""
    content = bytearray(batch(around(b"x"), 1))
    content[61 + 20] ^= 0xFF
    plant(home, "data/kafka/t-0/00000000000000000007.log", lambda f, c: f.write_bytes(c), content)
    report = look.search(home, Needles(identifiers(ACT)))
    assert "batch at offset 7" in report.not_opened[0]


def test_what_is_hidden_is_not_found_and_nothing_moves(home):
    """A second pass finds a rest, or the rest of a log is spoilt."""
    needles = Needles(identifiers(ACT))
    for write in SPELLINGS.values():
        content = b"before " + write(NAME) + b" " + write(DOCUMENT) + b" after"
        hidden = needles.hidden(content)
        assert needles.find(hidden) == []
        assert len(hidden) == len(content)
        assert hidden.startswith(b"before ")
        assert hidden.endswith(b" after")


def test_what_is_no_value_of_pglz_is_none():
    """Any bytes of a page may look like its head."""
    assert _pglz(b"\x01\x00\x05", 3) is None
    assert _pglz(b"\x00abc", 3) == b"abc"
    assert _pglz(b"\x08abc\x0f\x03\x02", 23) == b"abc" * 7 + b"ab"
    assert _pglz(zlib.compress(b"x" * 1000), 1000) is None
