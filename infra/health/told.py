"""Findings as troubles: what they come from, and whose they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from infra.alerts.trouble import Trouble
from infra.health import messages
from infra.health.checks import CHECKS, SETTLING
from infra.health.finding import Finding
from infra.parts.registry import registry
from infra.settings import Settings

# With a full disk everything may be ill.
DISK = "disk space"
SUPERVISOR = "supervisor"
# A busy machine answers late, in seconds.
BUSY = 180.0


def troubles(
    settings: Settings, services: Collection[Finding], findings: Collection[Finding]
) -> tuple[list[Trouble], set[str]]:
    """(what is wrong, the checks of which nobody knows)"""
    needs = {each.name: each.needs for each in registry(settings)}
    found = [*_of_services(services, needs), *_of_checks(findings)]
    unanswered = {each.name for each in findings if not each.is_known}
    unanswered |= {cause_of(each.name) for each in services if each.values["state"] == "UNKNOWN"}
    return found, unanswered


def cause_of(service: str) -> str:
    return f"service {service}"


def _of_services(
    services: Iterable[Finding], needs: Mapping[str, tuple[str, ...]]
) -> Iterator[Trouble]:
    for each in services:
        if not each.problem:
            continue
        if each.values["state"] == "UNKNOWN":
            # The same of each service: nobody can be asked about any.
            yield Trouble(SUPERVISOR, each.problem, SUPERVISOR, patience=SETTLING)
            return
        # Not its last error: a server's words may quote a row.
        text = (
            f"{each.problem}: './airline up' starts what does not run, './airline logs "
            f"{each.name}' says more"
        )
        behind = tuple(cause_of(need) for need in needs.get(each.name, ()))
        cause = cause_of(each.name)
        yield Trouble(cause, text, cause, because=(*behind, DISK), patience=SETTLING)


def _of_checks(findings: Iterable[Finding]) -> Iterator[Trouble]:
    checks = {check.name: check for check in CHECKS}
    for each in findings:
        check = checks.get(each.name)
        # What cannot be sent cannot be told; what waits for a service is that service's trouble.
        if check is None or each.name == messages.NAME or each.awaits:
            continue
        own = () if each.name == DISK else (DISK,)
        behind = (*(cause_of(need) for need in sorted(check.needs)), *check.because, *own)
        if each.troubles:
            for trouble in each.troubles:
                because = () if trouble.is_own else (*trouble.because, *behind)
                yield replace(trouble, because=because)
        elif each.problem and each.is_known:
            yield Trouble(each.name, each.problem, each.name, because=behind)
        elif each.problem:
            cause = f"{each.name} not known"
            text = f"{each.problem}; './airline status' asks again"
            yield Trouble(cause, text, cause, because=behind, patience=BUSY)
