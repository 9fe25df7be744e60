"""What supervisord does for services that end at once, and where their logs cannot be written."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.stack.program import RUNNING, Program
from infra.stack.supervision import Supervisor
from tests.integration.conftest import scratch_folder, settings_in
from tests.support.small_disk import SmallDisk, skip_unless_mountable

PATIENCE = 120


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with scratch_folder("airline-supervision-") as folder:
        supervisor = Supervisor(settings_in(folder))
        supervisor.logs.mkdir()
        yield supervisor
        supervisor.stop()


def program(name: str, folder: Path, text: str) -> Program:
    """A service that runs these lines of Python in `folder`."""
    script = folder / f"{name}.py"
    script.write_text(text)
    return Program(name, [sys.executable, "-u", str(script)], folder)


def wait(until, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.2)


def test_a_service_that_ends_at_once_is_started_until_it_stays(supervisor, tmp_path):
    """A disk that is full for half a minute keeps a server down until `up`."""
    text = (
        "import pathlib, time\n"
        "with open('tries', 'a') as file: file.write('.')\n"
        "if not pathlib.Path('cause-is-over').exists(): raise SystemExit('not yet')\n"
        "time.sleep(3600)"
    )
    supervisor.start([program("server", tmp_path, text)])
    supervisor.run("server")
    # More often than the five times after which supervisord gives up by default.
    tries = tmp_path / "tries"
    wait(lambda: tries.exists() and len(tries.read_text()) > 7, "it was tried eight times")
    (tmp_path / "cause-is-over").touch()
    wait(lambda: supervisor.states()["server"].state == RUNNING, "it runs by itself")


def test_logs_on_a_full_disk_end_no_service(supervisor, tmp_path):
    """A full disk ends supervisord, or a service hangs in writing its log."""
    skip_unless_mountable()
    text = (
        "import itertools, time\n"
        "for number in itertools.count():\n"
        "    print('line', number, 'x' * 5000)\n"
        "    with open('progress', 'w') as file: file.write(str(number))\n"
        "    time.sleep(0.01)"
    )

    def progress() -> int:
        try:
            return int((tmp_path / "progress").read_text())
        except (OSError, ValueError):
            return 0

    with SmallDisk(supervisor.logs, room=1 << 20) as disk:
        try:
            supervisor.start([program("server", tmp_path, text)])
            supervisor.run("server")
            wait(progress, "it writes")
            disk.fill()
            before = progress()
            # More than the pipe between the two holds.
            wait(lambda: progress() > before + 100, "it goes on on a full disk")
            assert supervisor.is_alive()
            size = supervisor.log("server").stat().st_size
            disk.make_room()
            wait(lambda: supervisor.log("server").stat().st_size > size, "it logs again")
            assert supervisor.states()["server"].restarts == 0
        finally:
            supervisor.stop()
