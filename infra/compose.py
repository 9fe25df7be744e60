"""`python -m infra.compose STEP`: what ./airline does between services, for infra/compose.yaml.

The containers share one network (see there), so the settings, and with them every address,
configuration file and command, are those of a stack without Docker.
"""

from __future__ import annotations

import os
import sys

from infra import source
from infra.connect import connector, resync_due
from infra.connect.worker import Worker
from infra.dbt import packages
from infra.errors import AirlineError
from infra.kafka import artifacts
from infra.kafka.broker import Broker
from infra.loading import catch_up
from infra.parts.registry import PARTS
from infra.postgres import roles
from infra.settings import Settings
from infra.source.servers import Primary
from infra.stack import home, runtime, venv
from infra.stack.progress import Progress
from infra.stack.service import Service
from infra.warehouse.service import Warehouse


def configure(settings: Settings, progress: Progress) -> None:
    """Before anything runs: jars, configuration files, passwords of the services' roles."""
    if venv.main(sorted({service.lock for service in services(settings)})):
        raise AirlineError("the packages are not installed", "see above; `up -d` tries again")
    home.make(settings)
    artifacts.fetch(settings, progress.say)
    broker = Broker(settings)
    broker.configure()
    runtime.make_folder(settings, broker.data, mode=0o700, servers=True)
    Worker(settings).configure()
    for role in (*roles.SOURCE_ROLES, *roles.WAREHOUSE_ROLES):
        settings.secret(role)


def furnish(settings: Settings, progress: Progress) -> None:
    """Once primary and warehouse answer: roles, the replica's slot, schemas, a history."""
    for service in (Warehouse(settings), Primary(settings)):
        for line in service.furnish():
            progress.say(line)
    dsn = settings.dsn("primary")
    resync_due.set_up(settings)
    if source.is_empty(dsn):
        source.load_history(dsn, progress=progress.say)
    packages.put_in_place(progress.say)
    for service in further(settings):
        service.prepare()


def load(settings: Settings, progress: Progress) -> None:
    """Once everything runs: the connector, the first load, what services show of it."""
    runtime.make_folder(settings, settings.home / "logs")
    connector.register(settings)
    connector.wait_until_running(settings)
    catch_up.land(settings, progress)
    catch_up.build(settings, progress)
    for service in further(settings):
        service.fill(progress)


def run(settings: Settings, name: str) -> None:
    """Becomes the process of a service, with the environment that the supervisor would give it."""
    found = {service.name: service for service in services(settings)}
    if name not in found:
        raise AirlineError(f"there is no service {name!r}", f"name one of {', '.join(found)}")
    program = found[name].program()
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    os.chdir(program.directory)
    os.execve(
        program.command[0], program.command, {**environment, "LC_ALL": "C", **program.environment}
    )


def services(settings: Settings) -> list[Service]:
    return [kind(settings) for kinds in PARTS.values() for kind in kinds]


def further(settings: Settings) -> list[Service]:
    """The services beyond the core: they run from our packages, and their contents are ours."""
    return [kind(settings) for part, kinds in PARTS.items() if part != "core" for kind in kinds]


STEPS = {step.__name__: step for step in (configure, furnish, load)}


def main(arguments: list[str]) -> int:
    settings = Settings.from_environment()
    try:
        match arguments:
            case [step] if step in STEPS:
                STEPS[step](settings, Progress())
            case ["run", name]:
                run(settings, name)
            case _:
                print(f"usage: python -m infra.compose {'|'.join(STEPS)}|run NAME", file=sys.stderr)
                return 2
    except AirlineError as error:
        print(f"{arguments[0]}: {error}\n{error.detail or ''}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
