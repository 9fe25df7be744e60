"""Stops what runs of a stack."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import psutil

from infra.parts.registry import registry
from infra.settings import Settings
from infra.stack.processes import end
from infra.stack.program import BACKOFF, RUNNING, STARTING
from infra.stack.supervision import Supervisor


def stop(settings: Settings, say: Callable[[str], None]) -> None:
    """Stops what runs, orphans of a killed supervisord included. Says what it stopped."""
    supervisor = Supervisor(settings)
    states = supervisor.states()
    for service in reversed(registry(settings)):
        state = states.get(service.name)
        if state is not None and state.state in (RUNNING, STARTING, BACKOFF):
            supervisor.halt(service.name)
            say(f"{service.name} stopped")
    supervisor.stop()
    end_orphans(supervisor, say)


def end_orphans(supervisor: Supervisor, say: Callable[[str], None]) -> None:
    """Ends services that outlived a killed supervisord."""
    for orphan in supervisor.orphans():
        # One may end by itself meanwhile.
        with suppress(psutil.NoSuchProcess):
            say(f"ending {orphan.name()} (process {orphan.pid}), which outlived its supervisor")
            end(orphan)
