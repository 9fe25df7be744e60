"""PostgreSQL's types, as staging reads them out of Debezium's JSON."""

from __future__ import annotations

import re

from infra.evolve.catalogue import Column

# format_type without its modifier -> type in _staging__sources.yml. numeric has no precision there:
# whatever the source makes of it later fits.
KEPT_AS = {
    "smallint": "bigint",
    "integer": "bigint",
    "bigint": "bigint",
    "numeric": "numeric",
    "real": "real",
    "double precision": "double precision",
    "text": "text",
    "character varying": "text",
    "name": "text",
    "boolean": "boolean",
    "timestamp with time zone": "timestamptz",
    "date": "date",
    "uuid": "uuid",
    "jsonb": "jsonb",
    "inet": "inet",
    "cidr": "cidr",
    "macaddr": "macaddr",
    # jsonb would lose order, spaces and names that come twice
    "json": "text",
}
# What comes as JSON's text and may be long: PostgreSQL keeps it apart from the row (TOAST).
LONG = ("text", "jsonb")
WHOLE = ("smallint", "integer", "bigint")


def kept_as(column: Column) -> str | None:
    """The type that staging gives a new column; None where it has none for it."""
    if column.is_enum:
        return "text"
    name, precision = _split(column.type)
    if name in ("timestamp without time zone", "time without time zone"):
        # Debezium counts milliseconds where the source keeps no more.
        short = name.split(" ", 1)[0]
        return f"{short}(3)" if precision and int(precision) <= 3 else short
    return KEPT_AS.get(name)


def cast(name: str, kind: str) -> str:
    """The expression in a staging model."""
    if kind == "text":
        return f"{{{{ event_value('{name}') }}}}"
    if kind == "numeric":
        return f"{{{{ event_number('{name}', 'numeric') }}}}"
    if kind == "timestamptz":
        return f"{{{{ event_timestamp('{name}') }}}}"
    if kind == "date" or kind.startswith("time"):
        return f"{{{{ event_moment('{name}', '{kind}') }}}}"
    return f"{{{{ event_value('{name}', '{kind}') }}}}"


def wider(column: Column) -> str:
    """The type for a column that its source has outgrown: one that it cannot outgrow again."""
    return "bigint" if _split(column.type)[0] in WHOLE else "numeric"


def relation(column: Column, modelled: str) -> str:
    """What a column of the source is to the type its model gives it: 'same', 'wider' or 'other'.

    'wider': it comes the same way, and may have values that the model's type does not hold.
    """
    name, modifier = _split(column.type)
    kept, kept_modifier = _split(modelled)
    if name in WHOLE and kept in WHOLE:
        return "same" if WHOLE.index(name) <= WHOLE.index(kept) else "wider"
    if name == "numeric" and kept == "numeric":
        return "same" if _fits(modifier, kept_modifier) else "wider"
    return "same" if kept_as(column) == modelled else "other"


def _fits(modifier: str, kept: str) -> bool:
    if not kept:
        return True
    if not modifier:
        return False
    digits, scale = _digits(modifier)
    kept_digits, kept_scale = _digits(kept)
    return scale <= kept_scale and digits - scale <= kept_digits - kept_scale


def _digits(modifier: str) -> tuple[int, int]:
    digits, _, scale = modifier.partition(",")
    return int(digits), int(scale or 0)


def _split(kind: str) -> tuple[str, str]:
    """('numeric', '12,2') of numeric(12,2). The modifier of a timestamp stands in its middle."""
    found = re.search(r"\(([^)]*)\)", kind)
    modifier = found[1].replace(" ", "") if found else ""
    return re.sub(r"\([^)]*\)", "", kind).strip(), modifier
