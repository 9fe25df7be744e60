"""Findings as `status` shows them: for people, and as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from infra.health.finding import Finding, span
from infra.settings import Settings
from infra.stack.progress import aligned
from infra.stack.terminal import GREEN, RED, coloured, wrapped

SHOWN = ("state", "pid", "uptime", "restarts", "port")


def is_healthy(services: list[Finding], findings: list[Finding]) -> bool:
    return not any(each.problem for each in (*services, *findings))


def document(settings: Settings, services: list[Finding], findings: list[Finding]) -> str:
    """One JSON object."""
    return json.dumps(
        {
            "healthy": is_healthy(services, findings),
            "home": str(settings.home),
            "services": {each.name: _plain(each) for each in services},
            "checks": {each.name: _plain(each) for each in findings},
        },
        default=str,
    )


def text(settings: Settings, services: list[Finding], findings: list[Finding]) -> str:
    """A table of the services, then a line for each check; what is wrong stands beside it."""
    lines = [aligned([_row(each) for each in services], ("service", *SHOWN), "")]
    for each in services:
        if each.problem:
            lines.append(coloured(wrapped(f"{each.name}: {each.problem}"), RED))
            if each.values["last_error"]:
                lines.append(wrapped(f"    last error it logged: {each.values['last_error']}", 8))
    lines.append("")
    for each in findings:
        problem = f"  ← {each.problem}" if each.problem else ""
        line = wrapped(f"{each.name:<17}{each.text}{problem}", 17)
        lines.append(coloured(line, RED) if problem else line)
    healthy = is_healthy(services, findings)
    verdict = coloured("healthy", GREEN) if healthy else coloured("not healthy", RED)
    lines.append(f"\n{verdict} ({settings.home})")
    if not healthy and any(each.problem for each in services):
        lines.append(
            wrapped("'./airline up' starts what does not run; './airline logs SERVICE' says more")
        )
    return "\n".join(lines)


def _row(service: Finding) -> tuple[Any, ...]:
    state, pid, uptime, restarts, port = (service.values[key] for key in SHOWN)
    return service.name, state, pid or "", span(uptime) if pid else "", str(restarts), port or ""


def _plain(finding: Finding) -> dict[str, Any]:
    plain = asdict(finding)
    return {"problem": plain["problem"] or None, **plain["values"]}
