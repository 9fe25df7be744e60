"""Which parts have known vulnerabilities: wheels by pip-audit, jars by the same OSV server.

A part that nobody could tell of is named as such, and is not a good one: pip-audit by itself ends
well where it passed over every package.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from infra.errors import AirlineError
from infra.stack import certificates
from infra.supply import sbom
from infra.supply.parts import Part

OSV = "https://api.osv.dev"
# OSV takes no more queries in one request.
AT_ONCE = 1000
TIMEOUT = 60


@dataclass(frozen=True, order=True)
class Known:
    """A vulnerability of a part. `mended_in` are the versions that have it no more."""

    part: str
    version: str
    identity: str
    mended_in: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """`asked` is how many parts somebody told of, `not_asked` names the others with the reason."""

    asked: int
    known: tuple[Known, ...]
    not_asked: tuple[str, ...]


def of_wheels(locks: Iterable[Path], server: str, say: Callable[[str], None]) -> Answer:
    """Asks pip-audit about each lock. Packages for other machines than this one are left out, as
    pip leaves them out.
    """
    told: dict[tuple[str, str], dict[str, Any]] = {}
    for lock in locks:
        say(f"asking about the packages of {lock.name}")
        for package in _pip_audit(lock, server):
            told[package["name"], package.get("version", "")] = package
    known = {
        Known(name, version, flaw["id"], tuple(flaw["fix_versions"]))
        for (name, version), package in told.items()
        for flaw in package.get("vulns", ())
    }
    skipped = [
        f"{name}: {each['skip_reason']}"
        for (name, _), each in told.items()
        if "skip_reason" in each
    ]
    return Answer(len(told) - len(skipped), tuple(sorted(known)), tuple(sorted(skipped)))


def _pip_audit(lock: Path, server: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "pip_audit", "--requirement", lock),
            *("--require-hashes", "--disable-pip", "--progress-spinner", "off"),
            *("--vulnerability-service", "osv", "--osv-url", f"{server}/v1/query"),
            *("--format", "json", "--desc", "off"),
        ],
        env=certificates.for_another_program(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    try:
        return json.loads(done.stdout)["dependencies"]
    except ValueError:
        raise _unreachable(server, done.stderr) from None


def of_jars(parts: Sequence[Part], server: str, say: Callable[[str], None]) -> Answer:
    """Asks about parts of Maven."""
    say(f"asking about {len(parts)} jars")
    found = [
        each
        for start in range(0, len(parts), AT_ONCE)
        for each in _ask(server, parts[start : start + AT_ONCE])
    ]
    flaws = {identity: _get(server, identity) for identity in {each for _, each in found}}
    known = {
        Known(
            f"{part.group}:{part.name}", part.version, identity, _mended_in(part, flaws[identity])
        )
        for part, identity in found
        if "withdrawn" not in flaws[identity]
    }
    return Answer(len(parts), tuple(sorted(known)), ())


def _ask(server: str, parts: Sequence[Part]) -> list[tuple[Part, str]]:
    """(part, identity of a vulnerability); asks on where an answer has further pages."""
    found = []
    queries = [(part, {"package": {"purl": str(sbom.purl(part))}}) for part in parts]
    while queries:
        answer = _post(f"{server}/v1/querybatch", {"queries": [query for _, query in queries]})
        results = answer.get("results", [])
        if len(results) != len(queries):
            raise _unreachable(server, f"{len(results)} answers to {len(queries)} questions")
        further = []
        for (part, query), result in zip(queries, results, strict=True):
            found += [(part, flaw["id"]) for flaw in result.get("vulns", ())]
            if "next_page_token" in result:
                further.append((part, query | {"page_token": result["next_page_token"]}))
        queries = further
    return found


def _mended_in(part: Part, flaw: dict[str, Any]) -> tuple[str, ...]:
    name = f"{part.group}:{part.name}"
    versions = [
        event["fixed"]
        for affected in flaw.get("affected", ())
        if affected.get("package", {}).get("name") == name
        for each in affected.get("ranges", ())
        for event in each.get("events", ())
        if "fixed" in event
    ]
    return tuple(dict.fromkeys(versions))


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    return _answer(url, lambda: requests.post(url, json=body, timeout=TIMEOUT))


def _get(server: str, identity: str) -> dict[str, Any]:
    url = f"{server}/v1/vulns/{identity}"
    return _answer(url, lambda: requests.get(url, timeout=TIMEOUT))


def _answer(url: str, ask: Callable[[], requests.Response]) -> dict[str, Any]:
    try:
        response = ask()
        response.raise_for_status()
        return response.json()
    except (requests.RequestException, ValueError) as error:
        raise _unreachable(url, str(error)) from None


def _unreachable(server: str, detail: str) -> AirlineError:
    last = detail.strip().rpartition("\n")[2].strip()
    return AirlineError(
        f"nothing is known of vulnerabilities: {server} does not answer as an OSV server does",
        "check the network, or name a mirror: './airline sbom --check --osv URL'",
        last,
    )
