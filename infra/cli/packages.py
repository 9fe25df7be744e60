"""AutomateDV: the real package where the dbt hub answers, else the stand-in of this project."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.errors import AirlineError
from infra.settings import ROOT

WANTED = ROOT / "packages.yml"
STAND_IN = ROOT / "infra" / "dbt_packages" / "automate_dv"
PLACE = ROOT / "dbt_packages" / "automate_dv"
# Where the package in place came from; a file of ours in it.
ORIGIN = PLACE / ".airline-origin.json"
HUB, OURS = "dbt hub", "stand-in"
# How long the hub may take, in seconds.
PATIENCE = 20


def in_use() -> str:
    """One line: which AutomateDV dbt finds now."""
    try:
        origin = json.loads(ORIGIN.read_text())
    except (OSError, ValueError):
        return "none" if not PLACE.exists() else "put there by hand"
    if origin["origin"] == HUB:
        return f"{origin['version']} from the dbt hub"
    return "the stand-in of infra/dbt_packages (the dbt hub did not answer)"


def put_in_place(say: Callable[[str], None]) -> None:
    """Puts AutomateDV into dbt_packages, unless what is there is still right.

    The hub is asked once for each content of packages.yml; remove dbt_packages to ask again.
    """
    wanted = hashlib.sha256(WANTED.read_bytes()).hexdigest()
    if _is_right(wanted):
        return
    with _alone():
        if _is_right(wanted):
            return
        origin = _read_origin()
        asked = origin.get("packages") == wanted
        with tempfile.TemporaryDirectory(dir=PLACE.parent, prefix=".new-") as folder:
            if not asked and _from_hub(Path(folder)):
                package = Path(folder) / "dbt_packages" / "automate_dv"
                told = {"origin": HUB, "version": _version(package)}
            else:
                package = Path(folder) / "automate_dv"
                shutil.copytree(STAND_IN, package)
                told = {"origin": OURS, "content": _digest(STAND_IN)}
            (package / ORIGIN.name).write_text(json.dumps(told | {"packages": wanted}))
            if PLACE.is_symlink():
                PLACE.unlink()
            shutil.rmtree(PLACE, ignore_errors=True)
            package.rename(PLACE)
    say(f"AutomateDV: {in_use()}")


def _read_origin() -> dict[str, str]:
    try:
        return json.loads(ORIGIN.read_text())
    except (OSError, ValueError):
        return {}


def _is_right(wanted: str) -> bool:
    origin = _read_origin()
    if origin.get("packages") != wanted:
        return False
    return origin["origin"] == HUB or origin.get("content") == _digest(STAND_IN)


def _from_hub(folder: Path) -> bool:
    """Whether `dbt deps` delivered the packages into `folder`, which it uses as a project."""
    shutil.copy(WANTED, folder / "packages.yml")
    (folder / "dbt_project.yml").write_text("name: fetch\nversion: '1.0'\nprofile: none\n")
    try:
        done = subprocess.run(
            [Path(sys.executable).with_name("dbt"), "deps", "--project-dir", folder],
            env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and (folder / "dbt_packages" / "automate_dv").is_dir()


def _version(package: Path) -> str:
    for line in (package / "dbt_project.yml").read_text().splitlines():
        if line.startswith("version:"):
            return line.partition(":")[2].strip(" '\"")
    return "of unknown version"


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            digest.update(f"{file.relative_to(folder)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


@contextmanager
def _alone() -> Iterator[None]:
    """Two stacks of one clone share dbt_packages: one at a time."""
    try:
        PLACE.parent.mkdir(exist_ok=True)
        lock = (PLACE.parent / ".lock").open("w")
    except OSError as error:
        raise AirlineError(
            f"cannot write to {PLACE.parent} ({error.strerror})",
            "use a clone that belongs to you",
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
