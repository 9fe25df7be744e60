"""What root would do, for tests that may become root."""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from infra.settings import ROOT

# Takes away the rights that tests were left.
USUAL = ("setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--securebits=-no_setuid_fixup")
# A process of root's. The umask is that of a person who clones; ./airline's own is stricter.
OF_ROOT: dict[str, Any] = {"user": 0, "group": 0, "extra_groups": [], "umask": 0o022}
# Of a terminal that tests make.
COLUMNS = 91


def can_be() -> bool:
    """Whether root started the tests (infra/testing/as_root.py)."""
    try:
        return run(["id", "-u"], {"PATH": os.environ["PATH"]}).stdout.strip() == "0"
    except OSError:
        return False


def skip_unless_root_can_be() -> None:
    if not can_be():
        pytest.skip("it is about root, and another account started the tests")


def run(
    command: Sequence[str], environment: Mapping[str, str], *, cwd: Path = Path("/"), user: int = 0
) -> subprocess.CompletedProcess[str]:
    """Runs it as root, as it is where tests have not changed its rights, or as another account."""
    usual = [f"--reuid={user}", "--regid=0", "--clear-groups"] if user else []
    return subprocess.run(
        [*USUAL, *usual, *command],
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        **OF_ROOT,
    )


class Terminal:
    """A terminal at which root sits, and the command that was called there."""

    def __init__(self, process: subprocess.Popen[bytes], keyboard: int, screen: int) -> None:
        self.process, self._keyboard, self._screen = process, keyboard, screen
        self._output = b""

    def type(self, keys: bytes) -> None:
        os.write(self._keyboard, keys)

    def output(self) -> bytes:
        """All that was written so far."""
        while select.select([self._keyboard], [], [], 0)[0]:
            self._output += os.read(self._keyboard, 65_536)
        return self._output

    def wait_for(self, text: bytes, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.output():
            assert time.monotonic() < deadline, self._output
            time.sleep(0.05)

    def attributes(self) -> list:
        return termios.tcgetattr(self._screen)


@contextmanager
def on_terminal(
    command: Sequence[str], environment: Mapping[str, str], cwd: Path, *, is_session: bool = True
) -> Iterator[Terminal]:
    """Runs it as root does who types it; without a session of its own in a shell that has no
    control of its terminal, as some containers start one.
    """
    keyboard, screen = os.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("4H", 24, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [*USUAL, "setsid", *(["--ctty"] if is_session else []), "--wait", *command],
        cwd=cwd,
        env=dict(environment),
        stdin=screen,
        stdout=screen,
        stderr=screen,
        **OF_ROOT,
    )
    try:
        yield Terminal(process, keyboard, screen)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
        os.close(keyboard)
        os.close(screen)


def become(user: int) -> None:
    """This process, a child of the tests' own, is another account's from here on, and has no right
    of root's that the tests were left.
    """
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    libc = ctypes.CDLL(None, use_errno=True)
    # PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL; then the third version of capset(2), with none.
    refused = libc.prctl(47, 4, 0, 0, 0)
    refused |= libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
    if refused:
        raise OSError(ctypes.get_errno(), "rights of root's stay")


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a program with this project's modules as root."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    return run(
        [sys.executable, "-P", "-B", "-c", code, *arguments],
        environment | {"PYTHONUTF8": "1"},
    )


@contextmanager
def folder() -> Iterator[Path]:
    """A folder of root's that everybody can enter, below one that everybody can write."""
    code = "import os, sys, tempfile; made = tempfile.mkdtemp(prefix='airline-root-');"
    made = Path(python(f"{code} os.chmod(made, 0o755); print(made)").stdout.strip())
    assert made.parent == Path(tempfile.gettempdir()), made
    yield made
    run(["rm", "-rf", str(made)], {"PATH": os.environ["PATH"]})
