"""Brings what was committed at the source through to staging, vault and marts."""

from __future__ import annotations

from collections.abc import Callable

from infra.dbt import runner
from infra.loading import landing
from infra.settings import Settings
from infra.stack import home
from infra.stack.progress import Progress
from infra.warehouse import figures_dsn
from infra.warehouse.pending import pending

# A batch may be left open, or more may land during a build: then it is built again, this often.
MOST_BUILDS = 3
# The vault and the views on its current state: all that an audit reads.
VAULT = ("run", "--selector", "loading")


def land(settings: Settings, progress: Progress) -> None:
    """Waits until everything committed before this call is in staging."""
    before = sum(landing.landed_offsets(settings).values())
    landed = landing.wait_until_landed(settings, progress.say)
    if landed > before:
        progress.say(f"landed {landed - before:,} offsets in staging")


def bring_through(settings: Settings, progress: Progress, say: Callable[[str], None]) -> None:
    """Has what was committed before this call in the vault; `say` is told whom it waits for."""
    with home.alone(settings, say):
        land(settings, progress)
        build(settings, progress, VAULT)


def build(
    settings: Settings,
    progress: Progress,
    command: tuple[str, ...] = runner.EVERYTHING,
    *,
    always: bool = False,
) -> bool:
    """Runs dbt until nothing landed is unread. Returns whether there was anything to do.

    `command` is runner.EVERYTHING or VAULT; `always` runs it once even where nothing is unread.
    """
    built = False
    for _ in range(MOST_BUILDS):
        unread = pending(figures_dsn(settings))
        stale = command == runner.EVERYTHING and not runner.is_built(settings)
        if not (unread or stale or (always and not built)):
            break
        shown = f"dbt {command[0]}"
        progress.say(f"{shown} ({unread.offsets:,} offsets landed and not loaded)")
        with progress.step(shown):
            runner.build(settings, progress.say, command)
        built = True
    return built
