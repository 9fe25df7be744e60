"""Commands of several steps (resync, failover, …) that were started and have not finished."""

from __future__ import annotations

from infra.health.finding import Finding
from infra.kafka import segments
from infra.settings import Settings
from infra.stack.journal import VERBS, Journal


def under_way(settings: Settings) -> Finding:
    """A command of several steps that was begun and has not ended."""
    verbs = [verb for verb in VERBS if Journal(settings, verb).read() is not None]
    problems = [
        f"unless it runs just now, './airline {verb}' goes on from where it was" for verb in verbs
    ]
    if topics := segments.left_short(settings):
        problems.append(
            "unless somebody is being forgotten just now, './airline up' gives "
            f"{', '.join(topics)} files of the usual length again"
        )
    return Finding("", ", ".join(verbs) or "nothing", "; ".join(problems), {"verbs": verbs})
