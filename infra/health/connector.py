"""Debezium's connector and its task."""

from __future__ import annotations

from infra.connect import connector as cdc
from infra.health.finding import Finding
from infra.settings import Settings


def connector(settings: Settings) -> Finding:
    state = cdc.state(settings)
    if state is None:
        return Finding("", "not registered", "'./airline up' registers it")
    return Finding(
        "",
        f"{state.connector}, task {state.task or 'none'}",
        _why_not(settings, state),
        {"connector": state.connector, "task": state.task},
    )


def _why_not(settings: Settings, state: cdc.State) -> str:
    """Why the connector does not run, and what to do; '' where it does."""
    if state.is_running:
        return ""
    if state.is_stopped:
        return "stopped: './airline resync' makes source and vault equal and starts it"
    if "RecordTooLargeException" in state.trace:
        return (
            f"a row is larger than a message of {settings.message_mb} MiB may be: raise "
            "AIRLINE_MESSAGE_MB and run './airline up'; nothing is skipped"
        )
    said = state.reason[:120] or "not running"
    return (
        f"{said}; the service auto-restart tries again within a minute, "
        "'./airline logs connect' has more"
    )
