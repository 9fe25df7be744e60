"""The supervised services."""

from __future__ import annotations

from infra.cli.registry import registry
from infra.cli.supervision import RUNNING, Supervisor
from infra.health.finding import Finding
from infra.settings import Settings


def services(settings: Settings) -> list[Finding]:
    states = Supervisor(settings).states()
    findings = []
    for service in registry(settings):
        state = states.get(service.name)
        port = settings.port(service.ports[0]) if service.ports else None
        values = {
            "state": state.state if state else "STOPPED",
            "pid": state.pid if state else 0,
            "uptime": round(state.uptime) if state else 0,
            "restarts": state.restarts if state else 0,
            "port": port,
        }
        problem = "" if values["state"] == RUNNING else "not running"
        findings.append(Finding(service.name, values["state"], problem, values))
    return findings
