"""`python -m infra.compose STEP`: what ./airline does between services, for infra/compose.yaml.

The containers share one network (see there), so the settings, and with them every address and
configuration file, are those of a stack without Docker.
"""

from __future__ import annotations

import sys

from infra import roles, runtime, source
from infra.cli import catch_up, home, packages
from infra.cli.progress import Progress
from infra.cli.services import Primary, Warehouse
from infra.connect import connector
from infra.connect.worker import Worker
from infra.errors import AirlineError
from infra.kafka import artifacts
from infra.kafka.broker import Broker
from infra.project import site
from infra.settings import Settings


def configure(settings: Settings, progress: Progress) -> None:
    """Before anything runs: jars, configuration files, passwords of the services' roles."""
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
    Primary(settings).furnish()
    Warehouse(settings).furnish()
    dsn = settings.dsn("primary")
    source.setup(dsn)
    roles.let_cdc_read(dsn)
    if source.is_empty(dsn):
        source.load_history(dsn, progress=progress.say)


def load(settings: Settings, progress: Progress) -> None:
    """Once everything runs: the connector, the first load, the docs site."""
    packages.put_in_place(progress.say)
    runtime.make_folder(settings, settings.home / "logs")
    connector.register(settings)
    connector.wait_until_running(settings)
    catch_up.land(settings, progress)
    catch_up.build(settings, progress)
    if not site.is_new(settings):
        site.build(settings, progress.say)


STEPS = {step.__name__: step for step in (configure, furnish, load)}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in STEPS:
        print(f"usage: python -m infra.compose {'|'.join(STEPS)}", file=sys.stderr)
        return 2
    settings, progress = Settings.from_environment(), Progress()
    try:
        STEPS[arguments[0]](settings, progress)
    except AirlineError as error:
        print(f"{arguments[0]}: {error}\n{error.detail or ''}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
