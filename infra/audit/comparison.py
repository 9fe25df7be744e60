"""One table on both sides, read in the order of its key and merged."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing

import psycopg2
from psycopg2 import sql

import catalogue
from infra.audit import values
from infra.audit.persons import Persons
from infra.audit.results import (
    Look,
    Row,
    TableResult,
)
from infra.source import capture

# Rows fetched at a time from each side.
FETCH_ROWS = 10_000


def compare(
    source: psycopg2.extensions.connection,
    vault: psycopg2.extensions.connection,
    table: catalogue.Table,
    there: capture.Relation | None,
    result: TableResult,
    names: int,
    look: Look,
    persons: Persons,
) -> None:
    """Fills in `result`; what keeps the two from being compared becomes a finding of it."""
    ours = _columns(source, f"public.{table.name}")
    theirs = _columns(vault, f"dwh_business.current_{table.name}")
    if not theirs:
        result.findings.append(
            f"the vault has no view dwh_business.current_{table.name}: './airline dbt build' makes "
            "it"
        )
        return
    if there is not None and not _may_read(source, there.oid):
        result.findings.append(
            f"{table.name} cannot be read at the source by the role that compares: "
            "'./airline up' lets it"
        )
        return
    result.not_kept = [name for name in ours if name not in table.columns]
    for name in table.columns:
        if name not in theirs:
            result.findings.append(
                f"the vault's view of {table.name} has no column {name}: './airline dbt build' "
                "makes it"
            )
    key = list(there.key) if there and there.key else list(table.key)
    columns = [name for name in table.columns if name in theirs and (name in ours or not ours)]
    if lacking := [name for name in key if name not in columns]:
        result.findings.append(
            f"{table.name} cannot be compared row for row without {', '.join(lacking)} of its key"
        )
        return
    result.key = key
    # Key first, in one order for all characters: both servers then sort alike.
    ordered = key + [name for name in columns if name not in key]
    pairs = [(ours.get(name, theirs[name]), theirs[name]) for name in ordered]
    texts = [values.canonical(name, *pair) for name, pair in zip(ordered, pairs, strict=True)]
    here = sql.Identifier("public", table.name) if ours else None
    view = sql.Identifier("dwh_business", f"current_{table.name}")
    view = persons.relation(table, view, columns)

    def differing(changed: list[str], left: Row, right: Row) -> list[str]:
        sides = (dict(zip(ordered, row, strict=True)) for row in (left, right))
        return persons.differing(table, changed, *sides)

    with (
        closing(_rows(source, here, texts, len(key))) as left,
        closing(_rows(vault, view, texts, len(key))) as right,
    ):
        _merge(result, left, right, ordered, pairs, names, look, differing)


def _merge(
    result: TableResult,
    ours: Iterator[Row],
    theirs: Iterator[Row],
    ordered: list[str],
    types: list[tuple[str, str]],
    names: int,
    look: Look,
    differing: Callable[[list[str], Row, Row], list[str]],
) -> None:
    """Counts what differs between two ordered sides; memory does not grow with them."""
    key, table = result.key, result.table
    width = len(key)

    def name(kind: str, count: int, row: Row, note: str = "") -> None:
        if count <= names:
            shown = ", ".join(f"{column}={value}" for column, value in zip(key, row, strict=False))
            result.named.append(f"{kind}: {shown}{note}")

    changing = look.changing
    left, right = next(ours, None), next(theirs, None)
    while left is not None or right is not None:
        if right is None or (left is not None and _place(left, width) < _place(right, width)):
            result.source_rows += 1
            if look.counts(table, left[:width], left, None):
                result.missing += 1
                name("not in the vault", result.missing, left)
            left = next(ours, None)
        elif left is None or _place(right, width) < _place(left, width):
            result.vault_rows += 1
            if look.counts(table, right[:width], None, right):
                result.surplus += 1
                name("not in the source", result.surplus, right)
            right = next(theirs, None)
        else:
            result.source_rows += 1
            result.vault_rows += 1
            if left != right:
                changed = [
                    column
                    for column, pair, a, b in zip(ordered, types, left, right, strict=True)
                    if a != b and not values.are_equal(a, b, *pair)
                ]
                changed = differing(changed, left, right) if changed else []
                if changed and look.counts(table, left[:width], left, right):
                    result.different += 1
                    name("different", result.different, left, f" in {', '.join(changed)}")
            left, right = next(ours, None), next(theirs, None)
    result.changing = look.changing - changing


def _place(row: Row, width: int) -> tuple[tuple[bool, str], ...]:
    """Where a row stands in the order of its key; null is last, as both servers have it."""
    return tuple((value is None, value or "") for value in row[:width])


def _columns(connection: psycopg2.extensions.connection, relation: str) -> dict[str, str]:
    """Column -> the name of its type, of a relation; {} where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select attname, format_type(coalesce(nullif(type.typbasetype, 0), type.oid), null)"
            " from pg_attribute inner join pg_type as type on type.oid = atttypid"
            " where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped"
            " order by attnum",
            (relation,),
        )
        return dict(cursor.fetchall())


def _may_read(connection: psycopg2.extensions.connection, oid: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select has_table_privilege(%s::oid, 'select')", (oid,))
        return cursor.fetchone()[0]


def _rows(
    connection: psycopg2.extensions.connection,
    relation: sql.Composable | None,
    columns: list[sql.Composable],
    key_width: int,
) -> Generator[Row]:
    """In the order of the first `key_width` columns; no row where there is no `relation`."""
    if relation is None:
        return
    query = sql.SQL("select {} from {} order by {}").format(
        sql.SQL(", ").join(columns),
        relation,
        sql.SQL(", ").join(sql.Literal(position + 1) for position in range(key_width)),
    )
    with connection.cursor(name="audit") as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(query)
        yield from cursor
