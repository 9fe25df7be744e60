"""Compares the source with the vault, row for row and column for column, in both directions.

The vault side are the views `dwh_business.current_<table>`, which rebuild each source table from
hubs, links and satellites. Both sides are read in the order of the primary key, each in one
snapshot, and merged: memory does not grow with the tables.

Which tables and columns are compared is the project's own list (catalogue) and the
source's catalogue. What does not fit (a table that is missing, not published, another one) is a
finding, and the rest is compared.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import psycopg2
from psycopg2 import sql

import catalogue
from infra import postgres, warehouse
from infra.cli import values
from infra.connect import capture
from infra.errors import AirlineError
from infra.warehouse import incomplete_transactions, set_aside

# Rows fetched at a time from each side.
FETCH_ROWS = 10_000
# Rows named per table and kind of difference, unless asked for more.
NAMED_ROWS = 5
# Differences are looked at again this often at most, where there are no more of them than that.
# Each look leaves those that changed while it was loaded: a few in a hundred, where loads are long.
LOOKS_AGAIN, ROWS_AGAIN = 5, 100_000

Row = tuple[str | None, ...]
Pair = tuple[int | None, int | None]


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
    # Rows that differed at each look, and that changed between: never seen equal.
    changing: int = 0
    named: list[str] = field(default_factory=list)
    # What keeps it from being captured or compared as it should be: the audit is not clean then.
    findings: list[str] = field(default_factory=list)
    # Columns that only the source has: somebody added them, and the vault does not keep them yet.
    not_kept: list[str] = field(default_factory=list)
    # Newest load batch that the compared vault had loaded; 0 where none was.
    load_batch: int = 0
    # Events of the table that cannot be loaded as they are, and wait for a decision.
    set_aside: int = 0

    @property
    def differences(self) -> int:
        return self.missing + self.surplus + self.different + self.changing

    @property
    def is_clean(self) -> bool:
        return not (self.differences or self.findings)


@dataclass
class Findings:
    """What is wrong with the source as a whole, and its tables that nobody loads (no fault)."""

    source: list[str] = field(default_factory=list)
    unloaded: list[str] = field(default_factory=list)


@dataclass
class Look:
    """One comparison of a source that changes meanwhile, and what the next one needs to judge it.

    `before`: what differed at the look before, None at the first; `rows`: what differs at this one;
    both (table, key) -> hashes of the source's row and of the vault's, None where there is none.
    `changing` counts rows that differ again and that have changed since.
    """

    before: dict[tuple[str, Row], Pair] | None = None
    rows: dict[tuple[str, Row], Pair] = field(default_factory=dict)
    changing: int = 0

    def counts(self, table: str, key: Row, ours: Row | None, theirs: Row | None) -> bool:
        """Whether a row that differs is a difference, and not a change that is on its way.

        All that was committed at the look before is in the vault by now. So it is one where both
        rows are the same as then; what differs for the first time was changed since. Where the
        source's row alone is the same it may have been another one in between, as the vault's is.
        """
        pair = (_digest(ours), _digest(theirs))
        if self.before is not None and (table, key) not in self.before:
            return False
        if len(self.rows) <= ROWS_AGAIN:
            self.rows[table, key] = pair
        if self.before is not None and self.before[table, key] != pair:
            self.changing += 1
            return False
        return True


def audit(
    source_dsn: str,
    warehouse_dsn: str,
    *,
    names: int = NAMED_ROWS,
    look: Look | None = None,
    findings: Findings | None = None,
) -> Iterator[TableResult]:
    """Yields the result of each declared table, in the order of their names.

    `names` is how many rows are named per table and kind of difference; `look` says which count;
    `findings` is filled before the first. Raises psycopg2.OperationalError where a side does not
    answer.
    """
    look = look or Look()
    findings = findings or Findings()
    with _snapshot(source_dsn) as source, _snapshot(warehouse_dsn) as vault:
        with vault.cursor() as cursor:
            # The snapshot that is compared begins here, before the source's: the vault is never
            # ahead of that.
            load_batch = incomplete_transactions.newest_load_batch(cursor, loaded=True)
            waiting = set_aside.waiting(cursor)
        with source.cursor() as cursor:
            there = capture.read(cursor)
        faults = capture.faults(there)
        findings.source[:] = [str(each) for each in faults if each.table is None]
        findings.unloaded[:] = there.others
        for table in catalogue.tables().values():
            relation = there.relations.get(table.name)
            result = TableResult(table.name, list(table.key), load_batch=load_batch)
            result.findings = [
                str(each) for each in faults if each.table == table.name and not each.is_harmless
            ]
            result.set_aside = waiting.get(table.name, 0)
            with _others_go_on(result, source, vault):
                _compare(source, vault, table, relation, result, names, look)
            yield result


def judged(
    compare: Callable[[Look], list[TableResult]],
    bring_through: Callable[[], object],
    *,
    quietly: bool = False,
) -> list[TableResult]:
    """What `compare` finds once it has looked again at the rows that differ, with what is committed
    by then loaded by `bring_through`: what the source changed meanwhile is no difference.
    """
    look = Look()
    results = compare(look)
    # What is loaded after the first look is not judged by a later one.
    load_batch = min((each.load_batch for each in results), default=0)
    for _ in range(LOOKS_AGAIN):
        if not look.rows or len(look.rows) > ROWS_AGAIN or (look.before and not look.changing):
            break
        if not quietly:
            print(f"looking again at {len(look.rows):,} rows, with what is committed by now loaded")
        bring_through()
        look = Look(before=look.rows)
        results = compare(look)
        for each in results:
            each.load_batch = load_batch
    return results


@contextmanager
def _others_go_on(result: TableResult, *sides: psycopg2.extensions.connection) -> Iterator[None]:
    """What a server refuses of one table is a finding, and the snapshots stay."""
    for side in sides:
        with side.cursor() as cursor:
            cursor.execute("savepoint one_table")
    try:
        yield
    except psycopg2.OperationalError:
        raise
    except psycopg2.Error as error:
        result.findings.append(f"{result.table} cannot be compared: {postgres.reason(error)}")
        for side in sides:
            with side.cursor() as cursor:
                cursor.execute("rollback to savepoint one_table")


def settle(warehouse_dsn: str, results: Sequence[TableResult]) -> int:
    """Settles what is open of incomplete transactions in the tables that were found equal.

    `results`: of one audit of all tables. `warehouse_dsn`: as a role that may write in dwh_control,
    dbt's. What was loaded after the comparison stays open. Returns how many rows were settled.
    """
    clean = [each.table for each in results if each.is_clean]
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
    # The text of a value must not depend on the client's or the server's settings.
    connection = psycopg2.connect(
        dsn,
        options="-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres"
        " -c extra_float_digits=1 -c bytea_output=hex",
    )
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    return connection


def _compare(
    source: psycopg2.extensions.connection,
    vault: psycopg2.extensions.connection,
    table: catalogue.Table,
    there: capture.Relation | None,
    result: TableResult,
    names: int,
    look: Look,
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
    with (
        closing(_rows(source, here, texts, len(key))) as left,
        closing(_rows(vault, view, texts, len(key))) as right,
    ):
        _merge(result, left, right, ordered, pairs, names, look)


def _merge(
    result: TableResult,
    ours: Iterator[Row],
    theirs: Iterator[Row],
    ordered: list[str],
    types: list[tuple[str, str]],
    names: int,
    look: Look,
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
                if changed and look.counts(table, left[:width], left, right):
                    result.different += 1
                    name("different", result.different, left, f" in {', '.join(changed)}")
            left, right = next(ours, None), next(theirs, None)
    result.changing = look.changing - changing


def _digest(row: Row | None) -> int | None:
    return None if row is None else hash(row)


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
        for line in result.findings:
            print(f"    finding: {line}")
        for line in result.named:
            print(f"    {line}")
        if result.changing:
            print(f"    {result.changing:,} rows differ again, and were changed since")
        if result.set_aside:
            print(
                f"    set aside: {result.set_aside:,} events that cannot be loaded as they are; "
                "'./airline dead-letters' says which, and why"
            )
        if result.not_kept:
            print(
                f"    not compared: {', '.join(result.not_kept)} (only the source has it: "
                "'./airline evolve' takes it into the vault)"
            )
    return shown


def main(
    argv: list[str],
    source_dsn: str,
    warehouse_dsn: str,
    bring_through: Callable[[bool], object],
    settling_dsn: str | None = None,
) -> int:
    """Prints the comparison; returns 0 where source and vault are equal and every change of the
    source is captured, else 1.

    `bring_through(quietly)` loads what the source has committed and the vault has not;
    `settling_dsn` is for `settle`, where the role of `warehouse_dsn` is not to write.
    """
    parser = argparse.ArgumentParser(
        prog="airline audit",
        description="Loads what the source has committed so far, then compares source and vault "
        "row for row and column for column, in both directions. Rows that differ are looked at "
        "again once what is committed by then is loaded: what the source changed meanwhile is no "
        "difference. Values are compared, not how they are written. Whatever keeps a table from "
        "being captured or compared (it is missing, not published, another one) is a finding; with "
        "differences or findings the exit code is 1.",
    )
    parser.add_argument(
        "--as-is", action="store_true", help="load nothing, compare with the vault as it stands"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--names", type=int, default=NAMED_ROWS, metavar="N", help="rows named per difference"
    )
    options = parser.parse_args(argv)

    findings = Findings()
    unloaded = "" if options.as_is else _bring_through(source_dsn, bring_through, options.json)

    def compare(look: Look) -> list[TableResult]:
        results = audit(
            source_dsn, warehouse_dsn, names=options.names, look=look, findings=findings
        )
        return list(results) if options.json else _shown(results)

    if options.as_is or unloaded:
        results = compare(Look())
    else:
        results = judged(compare, lambda: bring_through(options.json), quietly=options.json)

    if unloaded:
        findings.source.append(unloaded)
    differences = sum(result.differences for result in results)
    ill = len(findings.source) + sum(len(result.findings) for result in results)
    settled = settle(settling_dsn or warehouse_dsn, results)
    pending = pending_events(warehouse_dsn)
    if options.json:
        tables = [vars(result) for result in results]
        print(
            json.dumps(
                {
                    "differences": differences,
                    "findings": findings.source,
                    "unloaded_tables": findings.unloaded,
                    "pending_events": pending,
                    "settled": settled,
                    "tables": tables,
                }
            )
        )
        return 1 if differences or ill else 0
    for line in findings.source:
        print(f"finding: {line}")
    if findings.unloaded:
        print(f"tables of the source that nobody loads: {', '.join(findings.unloaded)}")
    if differences or ill:
        print(_verdict(differences, ill))
        different = [result.table for result in results if result.differences]
        if different and not (options.as_is or pending or ill):
            what = different[0] if len(different) == 1 else "[TABLE]"
            print(f"'./airline resync {what}' finds changes that were missed, deletes included")
        if pending and differences:
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
    if settled:
        print(f"{settled:,} tables of incomplete transactions are settled: they are equal")
    return 1 if differences or ill else 0


def _bring_through(source_dsn: str, bring_through: Callable[[bool], object], quietly: bool) -> str:
    """Loads what is committed. Where that fails although the source is as it should be the error is
    raised; else the audit goes on, for it names what is wrong there, and this is a finding too.
    """
    try:
        bring_through(quietly)
    except AirlineError as error:
        with closing(_snapshot(source_dsn)) as source, source.cursor() as cursor:
            if not capture.faults(capture.read(cursor)):
                raise
        return f"what was committed is not all loaded, and compared as it stands: {error}"
    return ""


def _verdict(differences: int, findings: int) -> str:
    said = f"audit: {differences:,} differences"
    if findings:
        said += f", {findings:,} finding{'s' * (findings != 1)}"
    return said
