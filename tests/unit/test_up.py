"""What `up` does about services that outlived their supervisor."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import psutil
import pytest

from infra.dbt import runner
from infra.errors import AirlineError
from infra.parts import stopping
from infra.settings import Settings
from infra.stack.service import failure
from infra.stack.supervision import Supervisor
from tests.integration.conftest import scratch_folder, settings_in


def test_an_orphan_that_ends_by_itself_meanwhile_stops_nothing():
    """`up` ends with a traceback, and leaves half of the orphans running."""
    children = [subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1) for _ in range(2)]
    gone, stays = (psutil.Process(child.pid) for child in children)
    children[0].communicate(b"\n")
    said: list[str] = []
    stopping.end_orphans(SimpleNamespace(orphans=lambda: [gone, stays]), said.append)
    assert len(said) == 1
    assert not stays.is_running()


@pytest.fixture
def settings() -> Iterator[Settings]:
    with scratch_folder("airline-up-") as folder:
        (folder / "logs").mkdir()
        yield settings_in(folder)


def test_a_service_on_a_full_disk_is_said_to_be_that(settings):
    """`up` shows a server's last lines and lets one guess what to do."""
    supervisor = Supervisor(settings)
    lines = ["PANIC:  could not write to file: No space left on device", *["shut down"] * 20]
    supervisor.log("dwh").write_text("\n".join(lines))
    error = failure("dwh", supervisor, "BACKOFF")
    assert "a disk is full" in error.todo and "./airline up" in error.todo


def test_a_build_on_a_full_disk_is_said_to_be_that(settings, monkeypatch):
    """One is told to mend a model, and the disk is what is full."""
    said = "Database Error in model x: could not extend file: No space left on device"
    monkeypatch.setattr(runner, "command", lambda *_: ["sh", "-c", f"echo '{said}'; exit 1"])
    monkeypatch.setattr(runner, "environment", lambda _: dict(os.environ))
    with pytest.raises(AirlineError) as raised:
        runner.build(settings, lambda _: None)
    assert "a disk is full" in raised.value.todo and said in raised.value.detail
