"""`resync`, `failover`, `evolve`: their arguments given to what does them."""

from __future__ import annotations

import argparse

from infra.errors import AirlineError
from infra.evolve import command
from infra.repair import failover as switch
from infra.repair import resync as again
from infra.settings import Settings


def resync(settings: Settings, options: argparse.Namespace) -> int:
    return again.resync(settings, options.table, yes=options.yes)


def failover(settings: Settings, options: argparse.Namespace) -> int:
    return switch.failover(settings, yes=options.yes, discard=options.discard)


def evolve(settings: Settings, options: argparse.Namespace) -> int:
    if options.json:
        if options.apply:
            raise AirlineError("--json prints the plan and writes nothing", "leave --apply out")
        return command.show(settings)
    return command.evolve(settings, apply=options.apply)
