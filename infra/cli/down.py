"""`down` and `reset`: what runs is stopped; `reset` removes its data too."""

from __future__ import annotations

import argparse

from infra.parts.stopping import stop
from infra.settings import Settings
from infra.stack import consent, home
from infra.stack.progress import Progress


def down(settings: Settings, _options: argparse.Namespace) -> int:
    """Stops every service, the primary last; keeps the data."""
    progress = Progress()
    if not settings.home.exists():
        print(f"there is no stack in {settings.home}")
        return 0
    with home.alone(settings, progress.say):
        stop(settings, progress.say)
        progress.say("nothing runs; the data is kept")
    return 0


def reset(settings: Settings, options: argparse.Namespace) -> int:
    """Stops everything and removes data, slots and topics. Keeps the fetched jars."""
    if not settings.home.exists():
        print(f"there is no stack in {settings.home}")
        return 0
    what = f"This removes all data of the stack in {settings.home}."
    if not (options.yes or consent.is_given("reset", what)):
        return 1
    progress = Progress()
    with home.alone(settings, progress.say):
        stop(settings, progress.say)
        home.remove(settings)
        progress.say(f"data removed from {settings.home}")
    return 0
