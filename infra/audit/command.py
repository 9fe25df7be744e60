"""`audit`: prints the comparison, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing

from infra.audit.audit import audit, judged, note, settle, snapshot
from infra.audit.options import parser
from infra.audit.results import Findings, Look, TableResult
from infra.errors import AirlineError
from infra.source import capture
from infra.stack.terminal import GREEN, RED, coloured, wrapped
from infra.warehouse.pending import pending


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
            print(wrapped(f"    finding: {line}", 8))
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
    key: str | None = None,
) -> int:
    """Prints the comparison; returns 0 where source and vault are equal and every change of the
    source is captured, else 1.

    `bring_through(quietly)` loads what the source has committed and the vault has not;
    `settling_dsn` is for `settle`, where the role of `warehouse_dsn` is not to write; `key` is the
    book's.
    """
    options = parser().parse_args(argv)

    findings = Findings()
    unloaded = "" if options.as_is else _bring_through(source_dsn, bring_through, options.json)

    def compare(look: Look) -> list[TableResult]:
        results = audit(
            source_dsn,
            warehouse_dsn,
            key=key,
            names=options.names,
            look=look,
            findings=findings,
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
    if not options.as_is:
        # As it stands a vault may well be behind: that is nobody's trouble.
        note(settling_dsn or warehouse_dsn, results, ill)
    unread = pending(settling_dsn or warehouse_dsn).offsets
    if options.json:
        tables = [vars(result) for result in results]
        print(
            json.dumps(
                {
                    "differences": differences,
                    "findings": findings.source,
                    "unloaded_tables": findings.unloaded,
                    "pending_events": unread,
                    "settled": settled,
                    "tables": tables,
                }
            )
        )
        return 1 if differences or ill else 0
    for line in findings.source:
        print(wrapped(f"finding: {line}"))
    if findings.unloaded:
        print(f"tables of the source that nobody loads: {', '.join(findings.unloaded)}")
    if differences or ill:
        print(coloured(_verdict(differences, ill), RED))
        different = [result.table for result in results if result.differences]
        if different and not (options.as_is or unread or ill):
            what = different[0] if len(different) == 1 else "[TABLE]"
            print(f"'./airline resync {what}' finds changes that were missed, deletes included")
        if unread and differences:
            print(
                f"{unread:,} landed events are not loaded yet: "
                + (
                    "'./airline audit' without --as-is loads them first"
                    if options.as_is
                    else "they came meanwhile, or wait for the rest of their transaction; ask again"
                )
            )
    else:
        print(coloured("audit: clean, 0 differences", GREEN))
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
        with closing(snapshot(source_dsn)) as source, source.cursor() as cursor:
            if not capture.faults(capture.read(cursor)):
                raise
        return f"what was committed is not all loaded, and compared as it stands: {error}"
    return ""


def _verdict(differences: int, findings: int) -> str:
    said = f"audit: {differences:,} differences"
    if findings:
        said += f", {findings:,} finding{'s' * (findings != 1)}"
    return said
