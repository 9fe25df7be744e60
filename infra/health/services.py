"""The supervised services: whether each runs, answers, and does not end again and again."""

from __future__ import annotations

import functools

import psutil

from infra.errors import AirlineError
from infra.health.asking import ASKER
from infra.health.finding import Finding
from infra.health.last_error import last_error
from infra.parts.registry import registry
from infra.settings import Settings
from infra.stack.program import EXITS_COUNT_FOR, RUNNING, STARTING, ProgramState
from infra.stack.redaction import redacted
from infra.stack.service import Service
from infra.stack.supervision import Supervisor

# How long a service may take to answer, in seconds.
PATIENCE = 10.0


def services(settings: Settings) -> list[Finding]:
    """One finding per service; `values["answers"]`: whether checks that need it can run."""
    supervisor = Supervisor(settings)
    try:
        states = supervisor.states()
        unknown = ""
    except AirlineError as error:
        states = {}
        unknown = str(error)
    found = registry(settings)
    answers = ASKER.ask(
        {
            f"service {each.name}": functools.partial(_probe, each)
            for each in found
            if (state := states.get(each.name)) and state.state == RUNNING and not _frozen(state)
        },
        PATIENCE,
    )
    findings = []
    for each in found:
        state = states.get(each.name)
        answer = answers.get(f"service {each.name}")
        findings.append(_finding(settings, supervisor, each, state, answer, unknown))
    return findings


def _finding(
    settings: Settings,
    supervisor: Supervisor,
    service: Service,
    state: ProgramState | None,
    answer: tuple[str] | None,
    unknown: str,
) -> Finding:
    problem = ""
    if unknown:
        problem = unknown
    elif state is None or state.state not in (RUNNING, STARTING):
        problem = "not running"
    elif state.state == STARTING:
        problem = "starting"
    elif _frozen(state):
        problem = f"its process is stopped: 'kill -CONT {state.pid}' lets it go on"
    elif answer is None:
        problem = f"does not answer within {PATIENCE:.0f} s"
    else:
        [problem] = answer
    said = ""
    answering = not problem
    if state is not None and state.is_flapping:
        often = f"ended {len(state.exits)} times in the last {EXITS_COUNT_FOR / 60:.0f} minutes"
        problem = f"{often}; {problem}" if problem else often
    # A service stopped on purpose did not end because of its last error.
    if problem and state is not None and state.state != "STOPPED":
        said = last_error(supervisor.log(service.name))
    port = settings.port(service.ports[0]) if service.ports else None
    return Finding(
        service.name,
        state.state if state else "STOPPED",
        problem,
        {
            "state": state.state if state else "UNKNOWN" if unknown else "STOPPED",
            "answers": answering,
            "pid": state.pid if state else 0,
            "uptime": round(state.uptime) if state else 0,
            "restarts": state.restarts if state else 0,
            "recent_restarts": len(state.exits) if state else 0,
            "port": port,
            "last_error": said or None,
        },
    )


def _probe(service: Service) -> str:
    try:
        return service.problem()
    except Exception as error:
        # A bug in a probe must not hide the results of the others.
        return f"its probe failed: {redacted(repr(error))}"


def _frozen(state: ProgramState) -> bool:
    try:
        return psutil.Process(state.pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False
