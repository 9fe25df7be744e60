"""`status`: one screen on a stack that may be whole, half dead or not there."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from infra.dbt import packages
from infra.health import checks
from infra.health.finding import Finding, span
from infra.settings import Settings
from infra.stack.progress import aligned


def status(settings: Settings, options: argparse.Namespace) -> int:
    """Prints the state of everything; returns 1 where anything is unhealthy."""
    services, findings = checks.examine(settings)
    findings.append(Finding("AutomateDV", packages.in_use(), values={"in_use": packages.in_use()}))
    healthy = not any(each.problem for each in (*services, *findings))
    if options.json:
        print(
            json.dumps(
                {
                    "healthy": healthy,
                    "home": str(settings.home),
                    "services": {each.name: _plain(each) for each in services},
                    "checks": {each.name: _plain(each) for each in findings},
                },
                default=str,
            )
        )
    else:
        _print(settings, services, findings, healthy)
    return 0 if healthy else 1


def _plain(finding: Finding) -> dict[str, Any]:
    told = asdict(finding)
    return {"problem": told["problem"] or None, **told["values"]}


def _print(
    settings: Settings, services: list[Finding], findings: list[Finding], healthy: bool
) -> None:
    rows = [
        tuple(each.values[key] for key in ("state", "pid", "uptime", "restarts", "port"))
        for each in services
    ]
    table = [
        (each.name, state, pid or "", span(uptime) if pid else "", str(restarts), port or "")
        for each, (state, pid, uptime, restarts, port) in zip(services, rows, strict=True)
    ]
    print(aligned(table, ("service", "state", "pid", "uptime", "restarts", "port"), ""))
    for each in services:
        if each.problem:
            print(f"{each.name}: {each.problem}")
            if each.values["last_error"]:
                print(f"    last error it logged: {each.values['last_error']}")
    print()
    for each in findings:
        print(f"{each.name:<17}{each.text}{'  ← ' + each.problem if each.problem else ''}")
    print(f"\n{'healthy' if healthy else 'not healthy'} ({settings.home})")
    if not healthy and any(each.problem for each in services):
        print("'./airline up' starts what does not run; './airline logs SERVICE' says more")
