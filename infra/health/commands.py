"""Commands of several steps (resync, failover, …) that were started and have not finished."""

from __future__ import annotations

from infra.health.finding import Finding
from infra.settings import Settings
from infra.stack.journal import VERBS, Journal


def under_way(settings: Settings) -> Finding:
    """A command of several steps that was begun and has not ended."""
    verbs = [verb for verb in VERBS if Journal(settings, verb).read() is not None]
    problem = "; ".join(
        f"unless it runs just now, './airline {verb}' goes on from where it was" for verb in verbs
    )
    return Finding("", ", ".join(verbs) or "nothing", problem, {"verbs": verbs})
