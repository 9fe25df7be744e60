"""Verbs that hand their arguments on as they stand, to a program or a parser of its own."""

from __future__ import annotations

import os
import sys

from infra.audit import command
from infra.dbt import packages, runner
from infra.loading import catch_up
from infra.parts import running
from infra.postgres import roles
from infra.settings import Settings
from infra.stack.progress import Progress, complain
from infra.warehouse import IDENTITY_KEY, dbt_dsn, rows_dsn


def dbt(settings: Settings, arguments: list[str]) -> int:
    # `dbt deps` is how a person mends packages: it must not ask for mended ones.
    if "deps" not in arguments:
        packages.put_in_place(complain)
    return runner.call(settings, arguments)


def simulate(_settings: Settings, arguments: list[str]) -> int:
    from infra.source import command

    return command.main(["simulate", *arguments], prog="./airline")


def audit(settings: Settings, arguments: list[str]) -> int:
    def bring_through(quietly: bool) -> None:
        running.refuse_down(settings)
        packages.put_in_place(complain)
        catch_up.bring_through(settings, Progress(quiet=quietly), complain)

    return command.main(
        arguments,
        roles.login(settings, "primary", roles.AUDIT),
        rows_dsn(settings),
        bring_through,
        dbt_dsn(settings),
        settings.secret(IDENTITY_KEY),
    )


def bench(_settings: Settings, arguments: list[str]) -> int:
    """Goes on as another program: that works with the tests' servers, and the product has none."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "benchmarks", *arguments])
