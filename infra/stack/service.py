"""What a service is: what it needs, how it is made, run and asked whether it is ready.

A new service is one more class and one more line in infra/parts/registry.py.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from infra.errors import MAKE_ROOM, AirlineError, is_full_disk
from infra.settings import Settings
from infra.stack.plan import Step
from infra.stack.processes import tail
from infra.stack.program import RUNNING, STARTING, Program, ProgramState
from infra.stack.progress import Progress
from infra.stack.supervision import Supervisor
from infra.stack.waiting import wait_until

# How long a service may take to become ready, in seconds, and how often it may end meanwhile: the
# supervisor goes on trying, but `up` says why it ends.
PATIENCE = 180
MOST_TRIES = 5
ALIVE = (RUNNING, STARTING)


@dataclass
class Up:
    """What `up` was asked for, and what its steps leave behind."""

    settings: Settings
    progress: Progress
    # All services of the stack.
    services: list[Service]
    # Size of the history, and its seed; `no_data`: tables without rows.
    scale: float = 1.0
    seed: int | None = None
    no_data: bool = False
    # Whether it waits for what it began and others end.
    wait: bool = False
    # Whether anything was loaded.
    has_loaded: bool = False


class Service:
    """One supervised process. `needs` are services that must be ready before it is made."""

    name = ""
    needs: tuple[str, ...] = ()
    # Names in Settings.ports.
    ports: tuple[str, ...] = ()
    # Steps of `up` other than services that come before.
    after_steps: tuple[str, ...] = ()
    # The lock of infra/stack/venv.py whose packages it runs on; `up` installs them.
    lock = "core"
    # Whether `up` begins with it, and with no other service before it is ready.
    comes_first = False

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod
    def instances(cls, settings: Settings) -> list[Service]:
        """The processes of this kind that the stack runs."""
        return [cls(settings)]

    @classmethod
    def steps(cls, up: Up) -> list[Step]:
        """What this kind of service adds to `up`, once, besides being made, run and filled."""
        return []

    def program(self) -> Program:
        raise NotImplementedError

    def module(self, environment: dict[str, str], *arguments: str, **options: int) -> Program:
        """The program that runs a module of this project (`python -m` these arguments)."""
        return Program(
            self.name,
            [sys.executable, "-m", *arguments],
            self.settings.root,
            environment,
            is_ours=True,
            **options,
        )

    def is_of_older_version(self) -> bool:
        """Whether a version before this one made what it holds: then services that run write what
        that version knows. Raises AirlineError where a newer one did. Asked before `up` changes
        anything, and whether or not it runs.
        """
        return False

    def refuse_if_strange(self) -> None:
        """Raises AirlineError where it runs and will not do what this stack asks of it. Asked
        before any service is told anything new.
        """

    def prepare(self) -> bool:
        """Makes data and configuration. Returns whether a running process must start again."""
        return False

    def before_start(self) -> None:
        """What is done to its data while it does not run, just before it is started."""

    def answers(self) -> bool:
        """Whether it is ready. Raises AirlineError when waiting cannot help."""
        return True

    def problem(self) -> str:
        """What is wrong with it though its process runs, and what to do; '' where nothing is.

        Asked by `status`, `up` and the metrics, all services at once, within seconds.
        """
        try:
            return "" if self.answers() else "does not answer"
        except AirlineError as error:
            return str(error)

    def furnish(self) -> list[str]:
        """What must be in it before anybody uses it: databases, roles. Returns what is to be told
        of it.
        """
        return []

    def fill(self, progress: Progress) -> None:
        """What is put into it once the marts are there; asked at each `up`."""

    def warnings(self) -> list[str]:
        """What people must know of it once all is up; `up` prints it at its very end."""
        return []

    def goes_on(self) -> list[str]:
        """What `up` began and did not wait for, and where to look; `up` prints it near its end."""
        return []

    def address(self) -> str:
        """Where people find it, as `up` prints it at its end; '' where it is not for people."""
        return ""


def bring_up(service: Service, supervisor: Supervisor, progress: Progress) -> None:
    """Makes, starts and furnishes one service; returns when it is ready."""
    was_running = _state(service.name, supervisor) in ALIVE
    begin = time.monotonic()
    if service.prepare() and was_running:
        supervisor.halt(service.name)
        was_running = False
    if not was_running:
        service.before_start()
    ended_before = _told(service.name, supervisor).restarts
    supervisor.run(service.name)

    def is_ready() -> bool:
        if service.answers() and _state(service.name, supervisor) in ALIVE:
            return True
        now = _told(service.name, supervisor)
        if now.state == "STOPPED" or now.restarts - ended_before > MOST_TRIES:
            raise failure(service.name, supervisor, now.state)
        return False

    wait_until(
        is_ready,
        PATIENCE,
        lambda: failure(service.name, supervisor, _state(service.name, supervisor)),
        every=0.1,
    )
    for line in service.furnish():
        progress.say(line)
    if not was_running:
        progress.say(f"{service.name} ready ({time.monotonic() - begin:.1f} s)")


def _state(name: str, supervisor: Supervisor) -> str:
    return _told(name, supervisor).state


def _told(name: str, supervisor: Supervisor) -> ProgramState:
    states = supervisor.states()
    if name not in states:
        raise AirlineError(
            f"supervisord, which runs {name}, went away", "'./airline up' starts it again"
        )
    return states[name]


def failure(name: str, supervisor: Supervisor, state: str) -> AirlineError:
    """The error for a service that does not come up: what it logged last, and where."""
    log = supervisor.log(name)
    last = tail(log, 12)
    todo = f"see the end of its log below, all of it in {log}; './airline up' tries again"
    if is_full_disk(tail(log, 60)):
        todo = f"{MAKE_ROOM}, then './airline up'"
    return AirlineError(f"{name} did not become ready (it is {state})", todo, last)
