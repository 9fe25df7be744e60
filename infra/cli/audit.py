"""Compares the source with the vault, row for row and column for column, in both directions.

The vault side are the views `dwh_business.current_<table>`, which rebuild each source table from
hubs, links and satellites. Both sides are read in the order of the primary key, each in one
snapshot, and merged: memory does not grow with the tables.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import psycopg2
from psycopg2 import sql

from infra import warehouse
from infra.warehouse import incomplete_transactions, set_aside

# Rows fetched at a time from each side.
FETCH_ROWS = 10_000
# Rows named per table and kind of difference, unless asked for more.
NAMED_ROWS = 5
# Differences are looked at again this often, where there are no more of them than that.
LOOKS_AGAIN, ROWS_AGAIN = 2, 100_000

Row = tuple[str | None, ...]


@dataclass
class TableResult:
    """One table's comparison; the lists name at most `NAMED_ROWS` rows, the numbers count all."""

    table: str
    key: list[str]
    source_rows: int = 0
    vault_rows: int = 0
    missing: int = 0
    surplus: int = 0
    different: int = 0
    # Rows that differed at each look, and that the source changed between: never seen equal.
    changing: int = 0
    named: list[str] = field(default_factory=list)
    # Columns that only the source has: somebody added them, and the vault does not keep them yet.
    not_kept: list[str] = field(default_factory=list)
    # Newest load batch that the compared vault had loaded; 0 where none was.
    load_batch: int = 0
    # Events of the table that cannot be loaded as they are, and wait for a decision.
    set_aside: int = 0

    @property
    def differences(self) -> int:
        return self.missing + self.surplus + self.different + self.changing


@dataclass
class Look:
    """One comparison of a source that changes meanwhile, and what the next one needs to judge it.

    `before`: what differed at the look before, None at the first; `rows`: what differs at this one;
    both (table, key) -> hash of the source's row, None where it has none. `changing` counts rows
    that differ again and that the source has changed since.
    """

    before: dict[tuple[str, Row], int | None] | None = None
    rows: dict[tuple[str, Row], int | None] = field(default_factory=dict)
    changing: int = 0

    def counts(self, table: str, key: Row, ours: Row | None) -> bool:
        """Whether a row that differs is a difference, and not a change that is on its way.

        All that was committed at the look before is in the vault by now. So it is one where the
        source's row is the same as then; what differs for the first time was changed since.
        """
        digest = None if ours is None else hash(ours)
        if self.before is not None and (table, key) not in self.before:
            return False
        if len(self.rows) <= ROWS_AGAIN:
            self.rows[table, key] = digest
        if self.before is not None and self.before[table, key] != digest:
            self.changing += 1
            return False
        return True


def audit(
    source_dsn: str, warehouse_dsn: str, *, names: int = NAMED_ROWS, look: Look | None = None
) -> Iterator[TableResult]:
    """Yields the result of each table of the source, in the order of their names.

    `names` is how many rows are named per table and kind of difference; `look` says which count.
    Raises psycopg2.Error where a side cannot be read, LookupError where the source has no tables.
    """
    look = look or Look()
    with _snapshot(source_dsn) as source, _snapshot(warehouse_dsn) as vault:
        with vault.cursor() as cursor:
            # The snapshot that is compared begins here, before the source's: the vault is never
            # ahead of that.
            load_batch = incomplete_transactions.newest_load_batch(cursor, loaded=True)
            waiting = set_aside.waiting(cursor)
        for table, key, columns in tables(source):
            result = _compare(source, vault, table, key, columns, names, look)
            result.load_batch = load_batch
            result.set_aside = waiting.get(table, 0)
            yield result


def settle(warehouse_dsn: str, results: Sequence[TableResult]) -> int:
    """Settles what is open of incomplete transactions in the tables that were found equal.

    `results`: of one audit of all tables. `warehouse_dsn`: as a role that may write in dwh_control,
    dbt's. What was loaded after the comparison stays open. Returns how many rows were settled.
    """
    clean = [each.table for each in results if not each.differences]
    if not clean:
        return 0
    if len(clean) == len(results):
        clean.append(incomplete_transactions.ANY)
    load_batch = min((each.load_batch for each in results), default=0)
    with (
        closing(psycopg2.connect(warehouse_dsn)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        return incomplete_transactions.settle(cursor, clean, load_batch, "audit")


def pending_events(warehouse_dsn: str) -> int:
    """How many landed offsets no closed load batch has read yet."""
    with _snapshot(warehouse_dsn) as connection, connection.cursor() as cursor:
        unread, _ = warehouse.pending(cursor)
        return unread


def _snapshot(dsn: str) -> psycopg2.extensions.connection:
    # The text of a timestamp must not depend on the client's settings.
    connection = psycopg2.connect(dsn, options="-c timezone=UTC -c datestyle=ISO")
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    return connection


def tables(source: psycopg2.extensions.connection) -> list[tuple[str, list[str], list[str]]]:
    """(table, key columns, all columns) of every table of the source's schema."""
    with source.cursor() as cursor:
        cursor.execute(
            """
            select
                class.relname,
                array(
                    select attribute.attname::text
                    from unnest(index.indkey) with ordinality as part (attnum, position)
                    inner join pg_attribute as attribute
                        on attribute.attrelid = class.oid and attribute.attnum = part.attnum
                    order by part.position
                ),
                array(
                    select attribute.attname::text
                    from pg_attribute as attribute
                    where attribute.attrelid = class.oid
                        and attribute.attnum > 0 and not attribute.attisdropped
                    order by attribute.attnum
                )
            from pg_publication_tables as published
            inner join pg_class as class on class.relname = published.tablename
            inner join pg_namespace as namespace
                on namespace.oid = class.relnamespace and namespace.nspname = published.schemaname
            inner join pg_index as index on index.indrelid = class.oid and index.indisprimary
            where published.schemaname = 'public'
            group by class.oid, class.relname, index.indkey
            order by class.relname
            """
        )
        tables = cursor.fetchall()
    if not tables:
        raise LookupError(
            "the source publishes no tables, so there is nothing to compare; "
            "run './airline up' to create them"
        )
    return tables


def _compare(
    source: psycopg2.extensions.connection,
    warehouse: psycopg2.extensions.connection,
    table: str,
    key: list[str],
    columns: list[str],
    names: int,
    look: Look,
) -> TableResult:
    kept = _view_columns(warehouse, table)
    result = TableResult(table, key, not_kept=[name for name in columns if name not in kept])
    columns = [name for name in columns if name in kept]
    # Key first, as text under one collation: both servers then sort alike.
    ordered = key + [column for column in columns if column not in key]
    width = len(key)

    def name(kind: str, count: int, row: Row, note: str = "") -> None:
        if count <= names:
            shown = ", ".join(f"{column}={value}" for column, value in zip(key, row, strict=False))
            result.named.append(f"{kind}: {shown}{note}")

    ours = _rows(source, sql.Identifier("public", table), ordered, width)
    theirs = _rows(warehouse, sql.Identifier("dwh_business", f"current_{table}"), ordered, width)
    changing = look.changing
    left, right = next(ours, None), next(theirs, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left[:width] < right[:width]):
            result.source_rows += 1
            if look.counts(table, left[:width], left):
                result.missing += 1
                name("not in the vault", result.missing, left)
            left = next(ours, None)
        elif left is None or right[:width] < left[:width]:
            result.vault_rows += 1
            if look.counts(table, right[:width], None):
                result.surplus += 1
                name("not in the source", result.surplus, right)
            right = next(theirs, None)
        else:
            result.source_rows += 1
            result.vault_rows += 1
            if left != right and look.counts(table, left[:width], left):
                result.different += 1
                changed = [
                    column for column, a, b in zip(ordered, left, right, strict=True) if a != b
                ]
                name("different", result.different, left, f" in {', '.join(changed)}")
            left, right = next(ours, None), next(theirs, None)
    result.changing = look.changing - changing
    return result


def _view_columns(warehouse: psycopg2.extensions.connection, table: str) -> set[str]:
    with warehouse.cursor() as cursor:
        cursor.execute(
            "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0",
            (f"dwh_business.current_{table}",),
        )
        return {name for (name,) in cursor}


def _rows(
    connection: psycopg2.extensions.connection,
    relation: sql.Composable,
    columns: list[str],
    key_width: int,
) -> Iterator[Row]:
    texts = [
        sql.SQL("{}::text collate {}").format(sql.Identifier(column), sql.Identifier("C"))
        for column in columns
    ]
    query = sql.SQL("select {} from {} order by {}").format(
        sql.SQL(", ").join(texts),
        relation,
        sql.SQL(", ").join(sql.Literal(position + 1) for position in range(key_width)),
    )
    with connection.cursor(name="audit") as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(query)
        yield from cursor


def _shown(results: Iterator[TableResult]) -> list[TableResult]:
    """Prints each as it comes."""
    heads = ("source", "vault", "missing", "surplus", "different")
    print(f"{'table':<16}" + "".join(f"{head:>11}" for head in heads))
    shown = []
    for result in results:
        shown.append(result)
        counts = (
            result.source_rows,
            result.vault_rows,
            result.missing,
            result.surplus,
            result.different,
        )
        print(f"{result.table:<16}" + "".join(f"{count:>11,}" for count in counts), flush=True)
        for line in result.named:
            print(f"    {line}")
        if result.changing:
            print(f"    {result.changing:,} rows differ again, and the source changed them since")
        if result.set_aside:
            print(
                f"    set aside: {result.set_aside:,} events that cannot be loaded as they are; "
                "'./airline dead-letters' says which, and why"
            )
        if result.not_kept:
            print(f"    not compared: {', '.join(result.not_kept)} (no such column in the vault)")
    return shown


def main(
    argv: list[str],
    source_dsn: str,
    warehouse_dsn: str,
    bring_through: Callable[[bool], object],
    settling_dsn: str | None = None,
) -> int:
    """Prints the comparison; returns 0 where source and vault are equal, else 1.

    `bring_through(quietly)` loads what the source has committed and the vault has not;
    `settling_dsn` is for `settle`, where the role of `warehouse_dsn` is not to write.
    """
    parser = argparse.ArgumentParser(
        prog="airline audit",
        description="Loads what the source has committed so far, then compares source and vault "
        "row for row and column for column, in both directions. Rows that differ are looked at "
        "again once what is committed by then is loaded: what the source changed meanwhile is no "
        "difference.",
    )
    parser.add_argument(
        "--as-is", action="store_true", help="load nothing, compare with the vault as it stands"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--names", type=int, default=NAMED_ROWS, metavar="N", help="rows named per difference"
    )
    options = parser.parse_args(argv)

    if not options.as_is:
        bring_through(options.json)

    def compare(look: Look) -> list[TableResult]:
        results = audit(source_dsn, warehouse_dsn, names=options.names, look=look)
        return list(results) if options.json else _shown(results)

    look = Look()
    results = compare(look)
    # What is loaded after the first look is not judged by a later one.
    load_batch = min((each.load_batch for each in results), default=0)
    for _ in range(0 if options.as_is else LOOKS_AGAIN):
        if not look.rows or len(look.rows) > ROWS_AGAIN or (look.before and not look.changing):
            break
        if not options.json:
            print(f"looking again at {len(look.rows):,} rows, with what is committed by now loaded")
        bring_through(options.json)
        look = Look(before=look.rows)
        results = compare(look)
        for each in results:
            each.load_batch = load_batch

    differences = sum(result.differences for result in results)
    settled = settle(settling_dsn or warehouse_dsn, results)
    pending = pending_events(warehouse_dsn)
    if options.json:
        tables = [vars(result) for result in results]
        print(
            json.dumps(
                {
                    "differences": differences,
                    "pending_events": pending,
                    "settled": settled,
                    "tables": tables,
                }
            )
        )
    elif differences:
        print(f"audit: {differences:,} differences")
        if pending:
            print(
                f"{pending:,} landed events are not loaded yet: "
                + (
                    "'./airline audit' without --as-is loads them first"
                    if options.as_is
                    else "they came meanwhile, or wait for the rest of their transaction; ask again"
                )
            )
    else:
        print("audit: clean, 0 differences")
    if settled and not options.json:
        print(f"{settled:,} tables of incomplete transactions are settled: they are equal")
    return 1 if differences else 0
