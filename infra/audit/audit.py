"""Compares the source with the vault, row for row and column for column, in both directions.

The vault side are the views `dwh_business.current_<table>`, which rebuild each source table from
hubs, links and satellites. Both sides are read in the order of the primary key, each in one
snapshot, and merged: memory does not grow with the tables.

Which tables and columns are compared is the project's own list (catalogue) and the
source's catalogue. What does not fit (a table that is missing, not published, another one) is a
finding, and the rest is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

import psycopg2

import catalogue
from infra.audit.comparison import compare
from infra.audit.persons import Persons
from infra.audit.results import LOOKS_AGAIN, NAMED_ROWS, ROWS_AGAIN, Findings, Look, TableResult
from infra.postgres import sessions
from infra.source import capture
from infra.warehouse import incomplete_transactions, set_aside


def audit(
    source_dsn: str,
    warehouse_dsn: str,
    *,
    key: str | None = None,
    names: int = NAMED_ROWS,
    look: Look | None = None,
    findings: Findings | None = None,
) -> Iterator[TableResult]:
    """Yields the result of each declared table, in the order of their names.

    `key` is the book's, by which whoever was forgotten is recognised; `names` is how many rows are
    named per table and kind of difference; `look` says which count;
    `findings` is filled before the first. Raises psycopg2.OperationalError where a side does not
    answer.
    """
    look = look or Look()
    findings = findings or Findings()
    with snapshot(source_dsn) as source, snapshot(warehouse_dsn) as vault:
        with vault.cursor() as cursor:
            # The snapshot that is compared begins here, before the source's: the vault is never
            # ahead of that.
            load_batch = incomplete_transactions.newest_load_batch(cursor, loaded=True)
            waiting = set_aside.waiting(cursor)
            persons = Persons(cursor, key)
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
                compare(source, vault, table, relation, result, names, look, persons)
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
        result.findings.append(f"{result.table} cannot be compared: {sessions.reason(error)}")
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


def note(warehouse_dsn: str, results: Sequence[TableResult], findings: int) -> None:
    """Keeps how an audit ended, for `status` and the messages to owners: counts and tables' names.

    `warehouse_dsn`: as a role that may write in dwh_control, dbt's. A warehouse that `up` has not
    brought up yet has no place for it.
    """
    with (
        closing(psycopg2.connect(warehouse_dsn)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select to_regclass('dwh_control.audit_result') is not null")
        if cursor.fetchone()[0]:
            cursor.execute(
                "insert into dwh_control.audit_result (differences, findings, tables)"
                " values (%s, %s, %s)",
                (
                    sum(each.differences for each in results),
                    findings,
                    [each.table for each in results if not each.is_clean],
                ),
            )


def snapshot(dsn: str) -> psycopg2.extensions.connection:
    # The text of a value must not depend on the client's or the server's settings; nor how long
    # one side may be silent while rows of the other are read.
    connection = psycopg2.connect(
        dsn,
        options="-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres"
        " -c extra_float_digits=1 -c bytea_output=hex -c statement_timeout=0"
        " -c idle_in_transaction_session_timeout=0 -c transaction_timeout=0",
    )
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    return connection
