"""dbt with the right environment: the warehouse's address and the role that owns what dbt
builds.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.dbt import packages
from infra.errors import MAKE_ROOM, AirlineError, is_full_disk
from infra.postgres import roles
from infra.settings import Settings, untold_passwords
from infra.stack import caller, certificates, runtime

PROJECT = (
    "dbt_project.yml",
    "packages.yml",
    "package-lock.yml",
    "profiles.yml",
    "macros",
    "models",
    "seeds",
    "snapshots",
)

# All that the project makes, with its data tests. Unit tests are about the code, which is tested
# before anybody brings a stack up.
EVERYTHING = ("build", "--exclude-resource-type", "unit_test")

# What dbt knows of the project when it begins.
PARSED = "partial_parse.msgpack"


def command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("dbt")), *arguments]


def environment(settings: Settings) -> dict[str, str]:
    """What a dbt of ours runs with: this process's environment, less what would change the command,
    and the stack's.
    """
    return {
        **certificates.for_another_program(caller.without_dbt_options(os.environ)),
        **settings.environment(),
        **untold_passwords(),
        # Said as Airflow says it: a project parsed for one is parsed for the other.
        "DBT_PROFILE": "airline",
        "DBT_TARGET": "warehouse",
        "AIRLINE_DBT_USER": roles.DBT,
        "AIRLINE_DBT_PASSWORD": settings.secret(roles.DBT),
    }


def complaint(settings: Settings, *arguments: str) -> str:
    """Runs a command that prints nothing. '' where it succeeded, else the end of what dbt said."""
    done = subprocess.run(
        command("--quiet", *arguments),
        cwd=settings.root,
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return (done.stdout[-3000:] or f"exit {done.returncode}") if done.returncode else ""


def build(
    settings: Settings, say: Callable[[str], None], arguments: Sequence[str] = EVERYTHING
) -> None:
    """`dbt build`, or another command that loads, with one line for what it did.

    Raises AirlineError with what failed.
    """
    log = settings.home / "logs" / "dbt-build.log"
    shown = f"dbt {arguments[0]}"
    with log.open("w") as file:
        done = subprocess.run(
            command(*arguments),
            cwd=settings.root,
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    text = log.read_text(errors="replace")
    totals = re.findall(r"Done\. (PASS=.*)", text)
    if done.returncode:
        failed = errors(text)
        todo = f"mend what it names, then './airline {shown}'; all it said is in {log}"
        if is_full_disk(text):
            todo = (
                f"{MAKE_ROOM}, then './airline {shown}'; nothing is lost, all it said is in {log}"
            )
        raise AirlineError(
            f"{shown} failed ({totals[-1] if totals else f'exit {done.returncode}'})",
            todo,
            "\n".join(failed[:20]) or text[-3000:],
        )
    say(f"{shown}: {totals[-1] if totals else 'done'}")
    if tuple(arguments) == EVERYTHING:
        _stamp(settings).write_text(project_digest(settings))


def errors(text: str) -> list[str]:
    """The lines of dbt's output that say what failed, each with what it says below about it."""
    found: list[str] = []
    inside = False
    for line in text.splitlines():
        # What an error says stands indented below it, without the time of day.
        inside = bool(re.search(r"\b(ERROR|FAIL \d+|Error)\b", line)) or (
            inside and line.startswith("  ") and bool(line.strip())
        )
        if inside:
            found.append(line)
    return found


def parse(settings: Settings) -> Path:
    """Parses the project where it changed since; returns the folder with its manifest.

    A folder of its own: a build that runs beside writes its manifest over the usual one. The next
    build begins with what was parsed here. Raises AirlineError with what dbt says.
    """
    folder = runtime.make_folder(settings, settings.home / "dbt" / "parsed")
    mark = project_digest(settings, (*PROJECT, "tests/data"))
    stamp = folder / "project"
    if stamp.exists() and stamp.read_text() == mark:
        return folder
    done = subprocess.run(
        command("--quiet", "parse", "--target-path", str(folder)),
        cwd=settings.root,
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise AirlineError(
            "dbt cannot parse the project",
            "mend what it names, then './airline dbt parse'",
            (done.stdout + done.stderr)[-3000:],
        )
    usual = Path(environment(settings).get("DBT_TARGET_PATH", settings.root / "target"))
    usual.mkdir(parents=True, exist_ok=True)
    _put(folder / PARSED, usual / PARSED)
    stamp.write_text(mark)
    return folder


def publish_manifest(settings: Settings, folder: Path) -> None:
    """Puts the project's manifest, and the parsed project that spares dbt a parse, into `folder`.

    Whole or not at all, and only when the project changed. Raises AirlineError with what dbt says.
    """
    parsed = parse(settings)
    mark = (parsed / "project").read_text()
    stamp = folder / "project"
    if stamp.exists() and stamp.read_text() == mark:
        return
    runtime.make_folder(settings, folder / "target")
    for name in (f"target/{PARSED}", "target/manifest.json", "manifest.json"):
        _put(parsed / Path(name).name, folder / name)
    stamp.write_text(mark)


def _put(file: Path, place: Path) -> None:
    """Copies a file, whole or not at all."""
    half = place.with_name(f"{place.name}.half")
    shutil.copyfile(file, half)
    half.replace(place)


def is_built(settings: Settings) -> bool:
    """Whether the project as it is now has been built by `build` before."""
    try:
        return _stamp(settings).read_text() == project_digest(settings)
    except OSError:
        return False


def project_digest(settings: Settings, names: Sequence[str] = PROJECT) -> str:
    """Changes when anything changes that dbt builds from, or in the files and folders `names`."""
    digest = hashlib.sha256(packages.in_use().encode())
    for name in names:
        start = settings.root / name
        files = [start] if start.is_file() else sorted(start.rglob("*"))
        for file in files:
            if file.is_file() and not file.name.startswith("."):
                digest.update(f"{file.relative_to(settings.root)}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


def call(settings: Settings, arguments: Sequence[str]) -> int:
    """Passes a dbt command through, with the caller's variables of dbt; returns its exit code."""
    return subprocess.run(
        command(*arguments), cwd=settings.root, env={**os.environ, **environment(settings)}
    ).returncode


def _stamp(settings: Settings) -> Path:
    # In the data folder: it goes with the data that `reset` removes.
    return settings.home / "data" / "dbt-built"
