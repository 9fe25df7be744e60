"""Whether all of the stack runs."""

from __future__ import annotations

from infra.errors import AirlineError
from infra.parts.registry import registry
from infra.settings import Settings
from infra.stack.program import RUNNING
from infra.stack.supervision import Supervisor


def refuse_down(settings: Settings) -> None:
    """Raises AirlineError that names the services that do not run."""
    states = Supervisor(settings).states()
    late = [
        service.name
        for service in registry(settings)
        if service.name not in states or states[service.name].state != RUNNING
    ]
    if late:
        raise AirlineError(f"not running: {', '.join(late)}", "start them with './airline up'")
