"""Debezium's connector and its task."""

from __future__ import annotations

from infra.connect import connector as cdc
from infra.connect import worker
from infra.health.finding import Finding
from infra.settings import MOST_MESSAGE_MB, Settings
from infra.source import resync_due

# How long Connect may take to say how the connector is, in seconds.
PATIENCE = 8.0


def connector(settings: Settings) -> Finding:
    state = cdc.state_in_the_long_run(settings, PATIENCE)
    if state is None:
        return Finding("", "not registered", "'./airline up' registers it")
    others = cdc.captures_otherwise(settings, PATIENCE)
    # Changes may be missed from now on; recorded, because `up` repairs the configuration.
    resync_due.note_configuration(settings, others)
    problem = _why_not(settings, state)
    if others and not problem:
        problem = (
            f"its configuration is not ours, so it may leave changes out: {', '.join(others)}; "
            "'./airline up' sets it back"
        )
    return Finding(
        "",
        f"{state.connector}, task {state.task or 'none'}",
        problem,
        {"connector": state.connector, "task": state.task, "others": others},
    )


def _why_not(settings: Settings, state: cdc.State) -> str:
    """Why the connector does not run, and what to do; '' where it does."""
    if state.is_running:
        return ""
    if state.is_stopped:
        return "stopped: './airline resync' makes source and vault equal and starts it"
    if state.is_paused:
        return (
            f"paused, so no change comes; resume it: curl -u {worker.REST_USER} -X PUT "
            f"{settings.connect_url}/connectors/{cdc.NAME}/resume, with the password in "
            f"{settings.home / 'secrets' / worker.REST_SECRET}"
        )
    if state.connector == "RUNNING" and state.task is None:
        return "it has no task yet; './airline logs connect' says why where that stays"
    if "RecordTooLargeException" in state.trace:
        larger = f"a row is larger than a message of {settings.message_mb} MiB may be"
        if settings.message_mb < MOST_MESSAGE_MB:
            return f"{larger}: raise AIRLINE_MESSAGE_MB and run './airline up'; nothing is skipped"
        return (
            f"{larger}, and that is the most: make it smaller at the source, then './airline "
            "resync' reads every row as it is now, and not the change that is too large"
        )
    if state.has_lost_its_place:
        return cdc.LOST_PLACE
    said = state.reason[:120] or "not running"
    return (
        f"{said}; the service auto-restart tries again within a minute, "
        "'./airline logs connect' has more"
    )
