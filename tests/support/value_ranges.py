"""Values from the whole range of PostgreSQL's types, as text that PostgreSQL reads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

# First and last code point of each plane that has characters, and of what is odd in the first.
_PLANES = [
    *((0x20, 0x7E), (0xA0, 0x24F), (0x400, 0x4FF), (0x590, 0x6FF), (0x300, 0x36F)),
    *((0x2000, 0x206F), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xE000, 0xF8FF), (0xFDD0, 0xFFFF)),
    *((0x10000, 0x1FFFF), (0x20000, 0x2FFFF), (0x30000, 0x3FFFF), (0xE0000, 0xEFFFF)),
    *((0xF0000, 0xFFFFF), (0x100000, 0x10FFFF)),
]
_CONTROLS = [*map(chr, range(1, 0x20)), "\x7f", *map(chr, range(0x80, 0xA0))]
# Not what stands for a value that was left alone (events.UNAVAILABLE): it cannot be told from that.
_ODD_TEXTS = [
    *("", " ", "  ", "\t", "\n", "\r\n", "\x1d", "\x1e", "\x1f", "^^", "NULL", "null", "\\N", "\\"),
    *("'", "''", '"', '""', "\\'", "E'\\x00'", "\\u0000", "\\x00", "$$", "%s", "%(a)s", "{{ 1 }}"),
    *("--", "/*", "*/", ";", "NaN", "infinity", "-infinity", "0", "-0", "1e5", "true", "{}", "[]"),
    *(
        "\ufeff",
        "\u202e",
        "\u2028",
        "\u0085",
        "\u200d",
        "e\u0301",
        "\u00e9",
        "İı",
        "ß",
        "\U0010ffff",
    ),
    *("\ufffd", "\uffff", "👩‍👩‍👧"),
]
# Enough to be kept apart from the row (TOAST).
_LONG = 100_000


def text(dice: Random, longest: int = _LONG) -> str:
    """Of any character but NUL, at most `longest` of them."""
    match dice.randrange(8):
        case 0:
            return dice.choice(_ODD_TEXTS)
        case 1:
            return " " * dice.randrange(3) + _characters(dice, 5) + " " * dice.randrange(1, 4)
        case 2:
            return "".join(dice.choice(_CONTROLS) for _ in range(dice.randint(1, 12)))
        case 3:
            return "".join(dice.choice("'\"\\`$%{};, ") for _ in range(dice.randint(1, 20)))
        case 4:
            return dice.choice("xё\U0001f600 ") * dice.randint(1, longest)
        case 5:
            return _characters(dice, min(longest, 3_000))
        case _:
            return _characters(dice, 12)


def _characters(dice: Random, longest: int) -> str:
    made = []
    for _ in range(dice.randint(1, longest)):
        made.append(chr(dice.randint(*dice.choice(_PLANES))))
    return "".join(made)


def document(dice: Random) -> str:
    """JSON that jsonb takes: of any shape, deep, with numbers that no machine type holds."""
    match dice.randrange(8):
        case 0:
            return _nested(dice, dice.choice([1, 10, 500, 1_500]))
        case 1:
            return dice.choice(
                [
                    *("null", "true", "false", "0", "-0", "-0.0", "1.50", "1e5", "1E-5", "1e1000"),
                    *("9" * 400, "0." + "0" * 300 + "1", "123456789012345678901234567890.5"),
                    *('""', '" "', "[]", "{}", "[null]", '{"": ""}', '{"a": 1, "a": 2}'),
                    *('"\\u00e9\\ud83d\\ude00"', '"\\b\\f\\n\\r\\t\\/\\\\\\""', '"\\u001f"'),
                    *('"\\u2028"', '"\\uffff"', '{"\\u0001": "\\u0001"}', "9007199254740993"),
                ]
            )
        case 2:
            return json.dumps({"noise": text(dice)})
        case _:
            return json.dumps(_shape(dice, 4), ensure_ascii=dice.random() < 0.5)


def _nested(dice: Random, depth: int) -> str:
    opening, closing = dice.choice([("[", "]"), ('{"a": ', "}"), ('[1, {"b": ', "}]")])
    return opening * depth + "1" + closing * depth


def _shape(dice: Random, depth: int) -> Any:
    match dice.randrange(8 if depth else 6):
        case 0:
            return dice.choice([None, True, False])
        case 1:
            return dice.randint(-(10**40), 10**40)
        case 2:
            return dice.choice([0.1, -1.5e-300, 1e300, 5e-324, 1.0, 1e16])
        case 3 | 4:
            return text(dice, 200)
        case 5:
            return dice.choice([0, -1, 2**31, 2**53 + 1, 2**63, 2**64])
        case 6:
            return [_shape(dice, depth - 1) for _ in range(dice.randrange(5))]
        case _:
            return {text(dice, 40): _shape(dice, depth - 1) for _ in range(dice.randrange(5))}


def moment(dice: Random) -> str:
    """A timestamptz from 4713 BC to 294276 AD, mostly without a zone: it is in the session's."""
    if dice.random() < 0.3:
        return dice.choice(
            [
                *("infinity", "-infinity", "4714-11-24 00:00:00+00 BC", "1970-01-01 00:00:00+00"),
                *("294276-12-31 23:59:59.999999+00", "0001-12-31 23:59:59.999999+00 BC"),
                *("0001-01-01 00:00:00", "0001-12-31 23:59:59.999999 BC", "0044-03-15 12:00 BC"),
                *("1969-12-31 23:59:59.999999+00", "9999-12-31 23:59:59.999999", "10000-01-01"),
                *("2000-01-01 00:00:00.000001+00", "2026-03-29 02:30:00", "2026-10-25 02:30:00"),
                *("1582-10-10 00:00:00", "1883-11-18 12:03:58", "2000-02-29 24:00:00"),
            ]
        )
    first, last = dice.choice([(-4711, 294_275), (-4711, 0), (-1, 2), (1, 9999), (1800, 2100)])
    year = dice.randint(first, last)
    era = "" if year > 0 else " BC"
    seconds = f"{dice.randrange(24):02}:{dice.randrange(60):02}:{dice.randrange(60):02}"
    fraction = dice.choice(["", ".5", f".{dice.randrange(10**6):06}"])
    shown = year if year > 0 else 1 - year
    return f"{shown:04}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02} {seconds}{fraction}{era}"


def integer(bits: int) -> Callable[[Random], str]:
    """Of a signed integer of so many bits."""
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def draw(dice: Random) -> str:
        ends = [least, least + 1, -1, 0, 1, most - 1, most]
        return str(dice.choice([dice.choice(ends), dice.randint(least, most)]))

    return draw


def number(dice: Random) -> str:
    """A numeric without precision: at most 131,072 digits before the point and 16,383 after."""
    if dice.random() < 0.5:
        return dice.choice(
            [
                *("NaN", "Infinity", "-Infinity", "0", "0.000", "1.50", "-0.1", "1e5", "1e-5"),
                *(
                    "9" * 131_072,
                    "-" + "9" * 1_000,
                    "0." + "0" * 16_382 + "1",
                    "1e131071",
                    "1e-16383",
                ),
            ]
        )
    scale = dice.choice([0, 1, 6, 40])
    return f"{dice.choice(['', '-'])}{dice.randrange(10**40)}.{dice.randrange(10**scale):0{scale}}1"


def decimal(precision: int, scale: int) -> Callable[[Random], str]:
    """Of numeric(precision, scale)."""

    def draw(dice: Random) -> str:
        most = 10**precision - 1
        unscaled = dice.choice([most, -most, 0, 1, -1, dice.randint(-most, most), None])
        return "NaN" if unscaled is None else f"{unscaled}e-{scale}"

    return draw


def of(kind: str) -> Callable[[Random], str]:
    """What draws values of this type, as format_type names it. Raises KeyError for one that no
    column of the source had when this was written.
    """
    if found := re.fullmatch(r"numeric\((\d+),(\d+)\)", kind):
        return decimal(int(found[1]), int(found[2]))
    return {
        "text": text,
        "jsonb": document,
        "timestamp with time zone": moment,
        "smallint": integer(16),
        "integer": integer(32),
        "bigint": integer(64),
        "numeric": number,
    }[kind]
