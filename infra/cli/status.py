"""`status`: one screen on a stack that may be whole, half dead or not there."""

from __future__ import annotations

import argparse

from infra.dbt import packages
from infra.health import checks, screen
from infra.health.finding import Finding
from infra.settings import Settings


def status(settings: Settings, options: argparse.Namespace) -> int:
    """Prints the state of everything; returns 1 where anything is unhealthy."""
    services, findings = checks.examine(settings)
    findings.append(Finding("AutomateDV", packages.in_use(), values={"in_use": packages.in_use()}))
    shown = screen.document if options.json else screen.text
    print(shown(settings, services, findings))
    return 0 if screen.is_healthy(services, findings) else 1
