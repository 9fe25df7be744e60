"""How the last audit ended."""

from __future__ import annotations

from infra.health.finding import Finding, age, span
from infra.settings import Settings
from infra.warehouse.service import Warehouse


def audit(settings: Settings) -> Finding:
    """Whether source and vault were equal when they were compared last."""
    rows = Warehouse(settings).ask(
        "select finished_at, differences, findings, tables from dwh_control.audit_result"
        " order by audit_id desc limit 1"
    )
    if not rows:
        return Finding("", "none yet: './airline audit' compares source and vault")
    [(at, differences, findings, tables)] = rows
    problem = ""
    if differences or findings:
        where = f" in {', '.join(tables)}" if tables else ""
        problem = (
            f"it found {differences:,} differences and {findings} findings{where}: './airline "
            "audit' names rows, './airline resync' finds changes that were missed"
        )
    return Finding(
        "",
        f"{'clean' if not problem else 'not clean'}, {span(age(at))} ago",
        problem,
        {"at": at, "differences": differences, "findings": findings, "tables": tables},
    )
