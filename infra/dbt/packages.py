"""The dbt packages: AutomateDV and what it needs where the dbt hub answers, else our stand-in.

`packages.yml` names AutomateDV, `package-lock.yml` (dbt's own, committed) the versions of all. What
a version is, packages.toml says: a checksum for each package, written by
`python -m infra.dbt.packages` where the hub answers. Of a package that has none there the first one
that this clone met is remembered: the same version with other files is refused either way.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from infra.errors import AirlineError
from infra.settings import ROOT
from infra.stack import caller, certificates
from infra.stack.failures import explained

WANTED = ROOT / "packages.yml"
LOCK = ROOT / "package-lock.yml"
SUMS = Path(__file__).with_suffix(".toml")
STAND_IN = ROOT / "infra" / "dbt_packages" / "automate_dv"
PLACE = ROOT / "dbt_packages"
# What is in place; a file of ours beside the packages, which dbt passes over.
ORIGIN = PLACE / ".airline-origin.json"
# On the same disk, and not in dbt_packages: dbt takes every folder there for a package.
WORK = ROOT / ".airline-packages"
SET_ASIDE = WORK / "before"
# Checksums of packages that SUMS does not name, as they were met first.
MET = WORK / "met.json"
HUB, OURS, BY_HAND = "dbt hub", "stand-in", "by hand"
# How long the hub may do nothing, and take in all, in seconds.
PATIENCE = 20
LIMIT = 300


def in_use() -> str:
    """One line: which AutomateDV dbt finds now."""
    origin = _origin()
    if not origin:
        there = (PLACE / "automate_dv").exists()
        return "put there by hand" if there else "none"
    if origin["origin"] == OURS:
        return "the stand-in of infra/dbt_packages (the dbt hub did not answer)"
    where = "from the dbt hub" if origin["origin"] == HUB else "put there by 'dbt deps'"
    stale = origin["packages"] != origin["asked"]
    return f"{origin['version']} {where}" + (
        ", as package-lock.yml had it before (the dbt hub did not answer)" if stale else ""
    )


def from_elsewhere() -> list[tuple[str, str, str]]:
    """(name, version, SHA-256 over names and contents of its files) of each package that dbt finds
    and that is not of this project.
    """
    if _origin().get("origin") == OURS:
        return []
    found = sorted(file.parent for file in PLACE.glob("*/dbt_project.yml"))
    return [(package.name, _version(package), _digest(package)) for package in found]


def put_in_place(say: Callable[[str], None]) -> None:
    """Puts AutomateDV and what it needs into dbt_packages, unless what is there is still right.

    The hub is asked once for each content of packages.yml and package-lock.yml; remove
    dbt_packages to ask again. All packages change together: whatever ends this half-way, dbt finds
    those of before or those of now. Raises AirlineError where the lock is for other packages, and
    where a package is another than its checksum says.
    """
    wanted = _wanted()
    if _is_right(wanted):
        return
    locked = _locked()
    with _alone():
        _finish_swap()
        if _is_right(wanted):
            return
        # A stand-in that changed is put there anew, and the hub is not asked again.
        asked = _origin().get("asked") == wanted and _origin()["origin"] == OURS
        if not _origin() and _is_complete(locked) and _version() == locked["automate_dv"]:
            _check(PLACE, locked)
            _note(PLACE, BY_HAND, locked, wanted, wanted)
            say(f"AutomateDV: {in_use()}")
            return
        fresh = WORK / "new"
        _remove(fresh)
        fresh.mkdir()
        why = "" if asked else _from_hub(fresh, locked)
        if not asked and not why:
            _check(fresh / "dbt_packages", locked)
            _note(fresh / "dbt_packages", HUB, locked, wanted, wanted)
            _swap(fresh / "dbt_packages")
        elif _runs_without_hub(locked):
            before = _origin()
            names = before.get("names") or locked
            _note(PLACE, before.get("origin", BY_HAND), names, before.get("packages", ""), wanted)
        else:
            shutil.copytree(STAND_IN, fresh / "stand-in" / "automate_dv")
            stand_in = {"automate_dv": _version(STAND_IN)}
            _note(fresh / "stand-in", OURS, stand_in, wanted, wanted)
            _swap(fresh / "stand-in")
        _remove(fresh)
    say(f"AutomateDV: {in_use()}" + (f"; {why}; remove dbt_packages to ask again" if why else ""))


def lock_sums() -> None:
    """Writes packages.toml for what package-lock.yml names, as the hub delivers it now."""
    locked = _locked()
    with _alone():
        fresh = WORK / "sums"
        _remove(fresh)
        fresh.mkdir()
        if why := _from_hub(fresh, locked):
            raise AirlineError(
                f"the dbt hub brought no packages: {why}", "do it where the dbt hub answers"
            )
        lines = ["# Made by `python -m infra.dbt.packages`: over names and contents of the files."]
        for name, version in sorted(locked.items()):
            digest = _digest(fresh / "dbt_packages" / name)
            lines += ["", f"[{name}]", f'version = "{version}"', f'sha256 = "{digest}"']
            print(f"{name} {version}  {digest}")
        SUMS.write_text("\n".join(lines) + "\n")
        _remove(fresh)


def _check(folder: Path, locked: dict[str, str]) -> None:
    """Raises AirlineError for a package in `folder` that is not what its checksum says."""
    sums = tomllib.loads(SUMS.read_text()) if SUMS.exists() else {}
    met = json.loads(MET.read_text()) if MET.exists() else {}
    for name, version in locked.items():
        digest, part = _digest(folder / name), f"{name} {version}"
        listed = sums.get(name, {})
        is_listed = listed.get("version") == version
        wanted = listed["sha256"] if is_listed else met.setdefault(part, digest)
        if digest != wanted:
            where = SUMS if is_listed else MET
            raise AirlineError(
                f"{part} has other files than {where} knows of it (SHA-256 {digest}, and not "
                f"{wanted}); it is not used",
                "ask its authors whether they published this version anew; if they did, take it "
                f"out of {where}: what comes next is remembered",
            )
    half = MET.with_name(f"{MET.name}.half")
    half.write_text(json.dumps(met))
    half.replace(MET)


def _wanted() -> str:
    """Changes when other packages are wanted."""
    digest = hashlib.sha256()
    for file in (WANTED, LOCK):
        digest.update(file.read_bytes() if file.exists() else b"")
        digest.update(b"\0")
    return digest.hexdigest()


def _locked() -> dict[str, str]:
    """Package -> version of package-lock.yml. Raises AirlineError if it is not of packages.yml."""
    anew = (
        "where the dbt hub answers, run './airline dbt deps --lock' and commit both files;"
        " or put back the committed ones: git checkout packages.yml package-lock.yml"
    )
    if not LOCK.exists():
        raise AirlineError("package-lock.yml, which fixes the versions of packages, is gone", anew)
    # By dbt's own reading: it would make another lock, and install what that says.
    from dbt.config.project import load_yml_dict, package_config_from_data
    from dbt.constants import PACKAGE_LOCK_HASH_KEY
    from dbt.task.deps import _create_sha1_hash

    told = load_yml_dict(str(LOCK))
    named = [load_yml_dict(str(WANTED)) for _ in ("rendered", "as it stands")]
    wanted = package_config_from_data(*named).packages
    if told.get(PACKAGE_LOCK_HASH_KEY) != _create_sha1_hash(wanted):
        raise AirlineError("package-lock.yml was made for another packages.yml", anew)
    return {each["name"]: str(each.get("version", "")) for each in told["packages"]}


def _origin() -> dict[str, Any]:
    try:
        return json.loads(ORIGIN.read_text())
    except (OSError, ValueError):
        return {}


def _note(folder: Path, origin: str, names: dict[str, str], packages: str, asked: str) -> None:
    """Writes down in `folder` what it holds: for which wanted packages, and which were asked."""
    told = {
        "origin": origin,
        "names": names,
        "version": _version(folder / "automate_dv"),
        "packages": packages,
        "asked": asked,
        "content": _digest(STAND_IN) if origin == OURS else "",
    }
    half = folder / f"{ORIGIN.name}.half"
    half.write_text(json.dumps(told))
    half.replace(folder / ORIGIN.name)


def _is_right(wanted: str) -> bool:
    origin = _origin()
    if origin.get("asked") != wanted or not _is_complete(origin["names"]):
        return False
    return origin["origin"] != OURS or origin["content"] == _digest(STAND_IN)


def _is_complete(names: dict[str, str]) -> bool:
    """Whether dbt finds every one of these packages."""
    return all((PLACE / name / "dbt_project.yml").is_file() for name in names)


def _runs_without_hub(locked: dict[str, str]) -> bool:
    """Whether what is in place came from the hub once, with all that it needs."""
    origin = _origin()
    if origin:
        return origin["origin"] != OURS and _is_complete(origin["names"])
    return _is_complete(locked)


def _from_hub(folder: Path, locked: dict[str, str]) -> str:
    """Has `dbt deps` deliver the packages into `folder`/dbt_packages; why not, '' if it did."""
    for file in (WANTED, LOCK):
        shutil.copy(file, folder)
    (folder / "dbt_project.yml").write_text("name: fetch\nversion: '1.0'\nprofile: none\n")
    told, logs = folder / "told", folder / "logs"
    # dbt leaves its downloads behind where they fail.
    downloads = folder / "downloads"
    with told.open("w") as output:
        fetching = subprocess.Popen(
            [
                *(Path(sys.executable).with_name("dbt"), "--log-path", logs),
                *("deps", "--project-dir", folder),
            ],
            env={
                **certificates.for_another_program(caller.without_dbt_options(os.environ)),
                "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
                "DBT_DOWNLOADS_DIR": str(downloads),
            },
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    if not _wait(fetching, lambda: _progress(told, logs, (downloads, folder / "dbt_packages"))):
        return f"it has not answered for {PATIENCE} s"
    if fetching.returncode:
        return _reason(told.read_text(errors="replace"))
    lacking = [
        name
        for name in locked
        if not (folder / "dbt_packages" / name / "dbt_project.yml").is_file()
    ]
    return f"it did not deliver {', '.join(lacking)}" if lacking else ""


def _reason(told: str) -> str:
    """What `dbt deps` said last, in a line's length."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    said = lines[-1].rpartition("exception occurred: ")[2] if lines else "it said nothing"
    if "Max retries exceeded" in said:
        return "it cannot be reached"
    return said if len(said) <= 120 else f"{said[:120]}…"


def _progress(told: Path, logs: Path, folders: tuple[Path, ...]) -> int:
    """Grows with all that the hub does; 0 while dbt only starts."""
    log = logs / "dbt.log"
    answers = log.read_text(errors="replace").count("Response from registry") if log.exists() else 0
    files = [told, *(file for folder in folders for file in folder.rglob("*"))]
    sizes = 0
    for file in files:
        try:
            sizes += file.stat().st_size
        except FileNotFoundError:
            # dbt renames what it has unpacked.
            continue
    return answers + sizes


def _wait(fetching: subprocess.Popen[bytes], progress: Callable[[], int]) -> bool:
    """Waits for its end; ends it, and returns False, where nothing comes any more."""
    seen, begun = 0, time.monotonic()
    since = begun
    while fetching.poll() is None:
        now, done = time.monotonic(), progress()
        if done != seen or not done:
            seen, since = done, now
        if now - since > PATIENCE or now - begun > LIMIT:
            os.killpg(fetching.pid, signal.SIGKILL)
            fetching.wait()
            return False
        time.sleep(0.1)
    return True


def _swap(packages: Path) -> None:
    """Puts the folder in dbt_packages' place."""
    try:
        _remove(SET_ASIDE)
        if PLACE.is_symlink() or PLACE.exists():
            PLACE.rename(SET_ASIDE)
        packages.rename(PLACE)
        _remove(SET_ASIDE)
    except OSError as error:
        _finish_swap()
        raise AirlineError(
            f"cannot put packages into {PLACE} ({error.strerror})",
            "use a clone that belongs to you, on one disk",
        ) from None


def _finish_swap() -> None:
    """Puts back what was set aside, if somebody was killed between."""
    if SET_ASIDE.exists() and not PLACE.exists():
        SET_ASIDE.rename(PLACE)


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _version(package: Path = PLACE / "automate_dv") -> str:
    try:
        told = yaml.safe_load((package / "dbt_project.yml").read_text())
        return str(told["version"])
    except (OSError, KeyError, TypeError, yaml.YAMLError):
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
        WORK.mkdir(exist_ok=True)
        lock = (WORK / "lock").open("w")
    except OSError as error:
        raise AirlineError(
            f"cannot write to {WORK} ({error.strerror})",
            "use a clone that belongs to you",
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """`python -m infra.dbt.packages`; returns its exit code."""
    lock_sums()
    return 0


if __name__ == "__main__":
    sys.exit(explained(main))
