"""When two columns of two servers hold the same value, however each of them writes it.

The source's type may have changed: a wider scale writes 1.5000 for 1.50, and nothing is different.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from psycopg2 import sql

FLOATS = frozenset(("real", "double precision"))
NUMBERS = FLOATS | {"smallint", "integer", "bigint", "numeric", "oid"}
MOMENTS = frozenset(("timestamp with time zone", "timestamp without time zone", "date"))
DOCUMENTS = frozenset(("json", "jsonb"))
PADDED = "character"


def canonical(column: str, source: str, vault: str) -> sql.Composable:
    """The column's value as text, the same on both sides where the values are equal.

    `source` and `vault`: the names of its types there, without length or scale. The vault's says
    what is compared; what the source has and cannot be read so stays as it is written, so differs.
    """
    name = sql.Identifier(column)
    text = sql.SQL("{}::text").format(name)
    if vault in NUMBERS:
        if source in FLOATS or vault in FLOATS:
            # By its shortest text: a cast from float to numeric rounds.
            text = sql.SQL("trim_scale({}::numeric)::text").format(text)
        elif source not in NUMBERS:
            text = _read_as(text, "numeric", "trim_scale({}::numeric)::text")
        elif "numeric" in (source, vault):
            text = sql.SQL("trim_scale({}::numeric)::text").format(name)
    elif vault in MOMENTS:
        if source == vault:
            pass
        elif source in MOMENTS:
            text = sql.SQL("{}::timestamptz::text").format(name)
        else:
            text = _read_as(text, "timestamptz", "{}::timestamptz::text")
    elif vault in DOCUMENTS and source != "jsonb":
        text = _read_as(text, "jsonb", "{}::jsonb::text")
    elif PADDED in (source, vault):
        # Blanks at the end mean nothing in char(n).
        text = sql.SQL("rtrim({}, ' ')").format(text)
    # In the order of the bytes, on each server.
    return sql.SQL("({}) collate {}").format(text, sql.Identifier("C"))


def are_equal(ours: str | None, theirs: str | None, source: str, vault: str) -> bool:
    """Whether two texts of `canonical` that differ are the same value all the same."""
    if ours is None or theirs is None or vault not in DOCUMENTS:
        return ours == theirs
    try:
        return _document(ours) == _document(theirs)
    except ValueError:
        return False


def _read_as(text: sql.Composable, kind: str, cast: str) -> sql.Composable:
    return sql.SQL("case when pg_input_is_valid({}, {}) then {} else {} end").format(
        text, sql.Literal(kind), sql.SQL(cast).format(text), text
    )


def _document(text: str) -> Any:
    """Numbers by their value, and a true that is no 1."""
    return _tagged(json.loads(text, parse_int=Decimal, parse_float=Decimal))


def _tagged(value: Any) -> Any:
    match value:
        case dict():
            return {key: _tagged(each) for key, each in value.items()}
        case list():
            return [_tagged(each) for each in value]
        case bool():
            return ("bool", value)
    return value
