"""`up`: brings a stack up and data through it."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from kafka.errors import KafkaError

from infra.cli import report
from infra.connect import connector, resync_due, slot_gap
from infra.dbt import packages
from infra.errors import AirlineError
from infra.health import checks
from infra.kafka import artifacts
from infra.loading import catch_up
from infra.parts.registry import choose, instances, registry
from infra.parts.stopping import end_orphans
from infra.postgres.service import Postgres
from infra.settings import Settings
from infra.source import capture
from infra.stack import home, plan, ports, venv
from infra.stack.journal import refuse_unfinished
from infra.stack.plan import Step
from infra.stack.progress import Progress
from infra.stack.service import Service, bring_up
from infra.stack.supervision import BACKOFF, RUNNING, STARTING, Supervisor
from infra.warehouse import layout
from infra.warehouse.service import Warehouse


def up(settings: Settings, options: argparse.Namespace) -> int:
    """Brings everything up that is not, and data through it. Idempotent."""
    progress = Progress()
    if settings.home != settings.wanted_home:
        progress.say(
            f"state is kept in {settings.home}: user {settings.service_user!r}, as whom the "
            f"servers run, cannot enter {settings.wanted_home}"
        )
    home.make(settings)
    with home.alone(settings, progress.say):
        # A second primary would be a second truth.
        refuse_unfinished(settings, "failover")
        # Where the stack runs this is before anything is told anything; where it does not, the
        # warehouse comes first and says the same.
        found = layout.recorded_in(settings.dsn("dwh"))
        layout.refuse_newer(found)
        supervisor = Supervisor(settings)
        choose(settings, options.only)
        services = registry(settings)
        _clear_the_way(settings, supervisor, services, progress.say)
        if found.is_older:
            _end_older(supervisor, services, progress.say)
        supervisor.start([service.program() for service in services])
        built: list[bool] = []
        steps = [
            *(_packages_step(lock) for lock in _locks(services)),
            Step("AutomateDV", lambda: packages.put_in_place(progress.say)),
            Step("jars", lambda: _fetch(settings, progress)),
            *(_service_step(service, supervisor, progress) for service in services),
            Step("slot", lambda: _look_for_a_gap(settings, progress), ("primary", "kafka")),
            Step("source tables", lambda: _make_source(settings, progress), ("primary",)),
        ]
        loaded = "source tables"
        if not options.no_data:
            loaded = "history"
            history = lambda: _load_history(settings, options, progress.say)  # noqa: E731
            steps.append(Step("history", history, ("source tables",)))
        steps += [
            Step("connector", lambda: _register(settings, progress), ("connect", loaded)),
            Step(
                "landing",
                lambda: catch_up.land(settings, progress),
                ("connector", *(each.name for each in instances("core", settings))),
            ),
            Step("marts", lambda: built.append(catch_up.build(settings, progress)), ("landing",)),
            *(_fill_step(service, progress) for service in services if _fills(service)),
        ]
        plan.run(steps, progress)
        for finding in checks.settle(settings):
            progress.say(f"not well yet: {finding.name}: {finding.problem}")
        faults = capture.faults(resync_due.look(settings))
    print(report.marts(settings))
    if any(built):
        progress.print_steps()
    print(report.addresses(settings))
    # Last of all, for it is to be read.
    due = resync_due.request(resync_due.noted(settings))
    for line in [*map(str, faults), *([due] if due else [])]:
        print(f"\nnot well: {line}")
    return 0


def _clear_the_way(
    settings: Settings,
    supervisor: Supervisor,
    services: list[Service],
    say: Callable[[str], None],
) -> None:
    """Ends what outlived a killed supervisor, then refuses to go on where a port is taken or a
    server that runs knows another password: before any service is told anything new.
    """
    if not supervisor.is_alive():
        end_orphans(supervisor, say)
    states = supervisor.states()
    wanted = []
    for service in services:
        state = states.get(service.name)
        if state is not None and state.state == BACKOFF:
            # Its next try may be half a minute away.
            supervisor.halt(service.name)
        if state is None or state.state not in (RUNNING, STARTING):
            wanted += service.ports
        elif isinstance(service, Postgres):
            service.answers()
    ports.refuse_taken(settings, wanted)


def _end_older(supervisor: Supervisor, services: list[Service], say: Callable[[str], None]) -> None:
    """Ends what runs the code of the version before: it must not write into tables of this one.
    `up` starts it anew, also one that goes on after this one was killed.
    """
    states = supervisor.states()
    for service in services:
        state = states.get(service.name)
        if state and state.state in (RUNNING, STARTING) and not service.program().as_servers:
            supervisor.halt(service.name)
            say(f"{service.name} stopped: it runs the version before")


def _service_step(service: Service, supervisor: Supervisor, progress: Progress) -> Step:
    packages = (_packages(service.lock),) if service.lock in _locks([service]) else ()
    # Nothing else runs before the warehouse has been brought up to this version, or has refused.
    first = () if service.name == Warehouse.name else (Warehouse.name,)
    return Step(
        service.name,
        lambda: bring_up(service, supervisor, progress),
        (*first, *service.needs, *service.after_steps, *packages),
    )


def _fill_step(service: Service, progress: Progress) -> Step:
    return Step(
        f"{service.name}'s contents", lambda: service.fill(progress), (service.name, "marts")
    )


def _fills(service: Service) -> bool:
    return type(service).fill is not Service.fill


def _locks(services: list[Service]) -> list[str]:
    """The locks that must be installed besides the core's, which ./airline itself runs on."""
    return sorted({service.lock for service in services} - {"core"})


def _packages(lock: str) -> str:
    return f"{lock} packages"


def _packages_step(lock: str) -> Step:
    def install() -> None:
        if venv.main([lock]):
            raise AirlineError(
                f"the packages of requirements/{lock}.txt are not installed",
                "see the message above; './airline up --only core' does without them",
            )

    return Step(_packages(lock), install)


def _fetch(settings: Settings, progress: Progress) -> None:
    if artifacts.fetch(settings, progress.say):
        progress.say("jars fetched")


def _make_source(settings: Settings, progress: Progress) -> None:
    for line in resync_due.set_up(settings):
        progress.say(line)


def _load_history(
    settings: Settings, options: argparse.Namespace, say: Callable[[str], None]
) -> None:
    from infra import source

    dsn = settings.dsn("primary")
    if not source.is_empty(dsn):
        return
    seed = {} if options.seed is None else {"seed": options.seed}
    source.load_history(dsn, scale=options.scale, progress=say, **seed)


def _look_for_a_gap(settings: Settings, progress: Progress) -> None:
    """Before Connect starts: when the connector goes on, nothing shows any more."""
    try:
        gap = slot_gap.look(settings)
    except KafkaError as error:
        raise AirlineError(
            f"Kafka does not say what the connector's position is ({error})",
            "see './airline logs kafka'; './airline up' tries again",
        ) from None
    if gap:
        progress.say(str(gap))


def _register(settings: Settings, progress: Progress) -> None:
    resync_due.note_configuration(settings, connector.captures_otherwise(settings))
    if connector.register(settings):
        progress.say(f"{connector.NAME} registered")
    connector.wait_until_running(settings)
