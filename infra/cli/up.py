"""`up`: brings up what does not run, and data through it."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from infra.cli import report
from infra.errors import AirlineError
from infra.health import checks
from infra.parts.registry import choose, registry
from infra.parts.stopping import end_orphans
from infra.settings import Settings
from infra.stack import home, plan, ports, venv
from infra.stack.journal import refuse_unfinished
from infra.stack.plan import Step
from infra.stack.program import BACKOFF, RUNNING, STARTING
from infra.stack.progress import Progress
from infra.stack.service import Service, Up, bring_up
from infra.stack.supervision import Supervisor
from infra.stack.terminal import RED, coloured, wrapped
from infra.subject import forget


def up(settings: Settings, options: argparse.Namespace) -> int:
    """Brings everything up that is not, and data through it. Idempotent."""
    progress = Progress()
    home.make(settings)
    with home.alone(settings, progress.say):
        # A second primary would be a second truth.
        refuse_unfinished(settings, "failover")
        # Where the stack runs this is before anything is told anything; where it does not, what
        # comes first says the same.
        is_older = any([each.is_of_older_version() for each in registry(settings)])
        home.remember_mode(settings)
        supervisor = Supervisor(settings)
        choose(settings, options.only)
        services = registry(settings)
        _clear_the_way(settings, supervisor, services, progress.say)
        if is_older:
            _end_older(supervisor, services, progress.say)
        supervisor.start([service.program() for service in services])
        asked = Up(
            settings,
            progress,
            services,
            options.scale,
            options.seed,
            options.no_data,
            options.wait,
        )
        plan.run(_steps(asked, supervisor), progress)
        for finding in checks.settle(settings):
            progress.say(f"not well yet: {finding.name}: {finding.problem}")
        going_on = [line for service in services for line in service.goes_on()]
        warnings = [line for service in services for line in service.warnings()]
        try:
            forget.go_on(settings, progress.say)
        except AirlineError as error:
            warnings.append(f"somebody is not forgotten whole: {error}; {error.todo}")
    print(report.marts(settings))
    if asked.has_loaded:
        progress.print_steps()
    print(report.addresses(settings))
    for line in going_on:
        print(f"\n{wrapped(f'  {line}', 2)}")
    # Last of all, for it is to be read.
    for line in warnings:
        print("\n" + coloured(wrapped(f"not well: {line}"), RED))
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
        else:
            service.refuse_if_strange()
    ports.refuse_taken(settings, wanted)


def _end_older(supervisor: Supervisor, services: list[Service], say: Callable[[str], None]) -> None:
    """Ends what runs the code of the version before: it must not write into tables of this one.
    `up` starts it anew, also one that goes on after this one was killed.
    """
    states = supervisor.states()
    for service in services:
        state = states.get(service.name)
        if state and state.state in (RUNNING, STARTING) and service.program().is_ours:
            supervisor.halt(service.name)
            say(f"{service.name} stopped: it runs the version before")


def _steps(up: Up, supervisor: Supervisor) -> list[Step]:
    """The plan: packages, every service, what each kind of service adds, what is put into them."""
    first = tuple(each.name for each in up.services if each.comes_first)
    kinds = dict.fromkeys(type(service) for service in up.services)
    return [
        *(_packages_step(lock) for lock in _locks(up.services)),
        *(_service_step(each, first, supervisor, up.progress) for each in up.services),
        *(step for kind in kinds for step in kind.steps(up)),
        *(_fill_step(service, up.progress) for service in up.services if _fills(service)),
    ]


def _service_step(
    service: Service, first: tuple[str, ...], supervisor: Supervisor, progress: Progress
) -> Step:
    packages = (_packages(service.lock),) if service.lock in _locks([service]) else ()
    return Step(
        service.name,
        lambda: bring_up(service, supervisor, progress),
        (
            *(() if service.comes_first else first),
            *service.needs,
            *service.after_steps,
            *packages,
        ),
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
