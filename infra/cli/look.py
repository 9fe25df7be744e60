"""`logs`, `psql`, `env`: for people who look for themselves."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys

from infra.errors import AirlineError
from infra.parts.registry import registry
from infra.settings import Settings
from infra.stack import runtime
from infra.stack.arguments import meant
from infra.stack.supervision import Supervisor

# Logs that are no service's.
OTHERS = ("supervisord", "dbt-build")


def logs(settings: Settings, options: argparse.Namespace) -> int:
    """Shows the end of the logs by `tail`; returns its exit code."""
    supervisor = Supervisor(settings)
    names = [service.name for service in registry(settings)]
    if options.service and options.service not in (*names, *OTHERS):
        raise AirlineError(
            f"there is no service {options.service!r}",
            f"name one of {', '.join([*names, *OTHERS])}"
            f"{meant(options.service, [*names, *OTHERS])}",
        )
    wanted = [options.service] if options.service else names
    files = [str(supervisor.log(name)) for name in wanted if supervisor.log(name).exists()]
    if not files:
        raise AirlineError(
            f"no logs in {supervisor.logs} yet", "start the services with './airline up'"
        )
    follow = ["-F"] if options.follow else []
    return subprocess.run(["tail", "-n", str(options.lines), *follow, *files]).returncode


def psql(settings: Settings, options: argparse.Namespace) -> int:
    """Goes on as psql on one server: Ctrl-C ends a query there, and not the session."""
    environment = os.environ | {
        "PGHOST": settings.host,
        "PGPORT": str(settings.port(options.server)),
        "PGUSER": settings.admin_user,
        "PGPASSWORD": settings.admin_password,
        "PGDATABASE": settings.database(options.server),
    }
    program = runtime.postgres_bin(settings) / "psql"
    sys.stdout.flush()
    os.execve(program, [str(program), *options.arguments], environment)


def env(settings: Settings, _options: argparse.Namespace) -> int:
    """Prints the settings for a shell."""
    for name, value in settings.environment().items():
        print(f"export {name}={shlex.quote(value)}")
    return 0
