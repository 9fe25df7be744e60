"""The end of a resync: what was open is settled, and both sides are compared."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg2

import catalogue
from infra import warehouse
from infra.audit import audit
from infra.audit.results import Findings, Look, TableResult
from infra.loading import catch_up
from infra.settings import Settings
from infra.source import resync_due
from infra.stack.progress import Progress, aligned
from infra.warehouse import incomplete_transactions


def settle(settings: Settings, told: dict[str, Any], landed: dict[tuple[str, int], int]) -> None:
    """Settles what was open of incomplete transactions before the tables were read anew.

    `told` is what the journal says. A table of which not all that had `landed` is loaded stays open
    ((topic, partition) -> offset).
    """
    with (
        closing(psycopg2.connect(warehouse.dbt_dsn(settings))) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        loaded = incomplete_transactions.loaded_offsets(cursor)
        late = {place[0] for place, end in landed.items() if loaded.get(place, 0) < end}
        tables = [
            table
            for table in ([told["table"]] if told["table"] else catalogue.names())
            if catalogue.topic(table) not in late
        ]
        if tables == list(catalogue.names()):
            tables.append(incomplete_transactions.ANY)
        # A journal of an earlier version does not say when it began: the comparison settles then.
        incomplete_transactions.settle(cursor, tables, told.get("load_batch", 0), "resync")


def compare_all(settings: Settings, progress: Progress) -> int:
    """Prints the audit; returns its exit code. Traffic at the source goes on beside it."""
    findings = Findings()

    def compare(look: Look) -> list[TableResult]:
        key = settings.secret(warehouse.IDENTITY_KEY)
        source, vault = settings.dsn("primary"), warehouse.rows_dsn(settings)
        return list(audit.audit(source, vault, key=key, look=look, findings=findings))

    results = audit.judged(
        compare, lambda: catch_up.bring_through(settings, progress, progress.say)
    )
    audit.settle(warehouse.dbt_dsn(settings), results)
    rows = [(each.table, each.source_rows, each.vault_rows, each.differences) for each in results]
    print(aligned(rows, ("table", "source", "vault", "differences"), ""))
    differences = sum(each.differences for each in results)
    ill = findings.source + [line for each in results for line in each.findings]
    audit.note(warehouse.dbt_dsn(settings), results, len(ill))
    for line in ill:
        print(f"finding: {line}")
    if request := resync_due.request(resync_due.noted(settings)):
        print(request)
    if differences:
        print(
            f"{differences:,} differences: './airline audit' compares again, and names some of them"
        )
    elif not ill:
        print("source and vault are equal")
    return 1 if differences or ill else 0
