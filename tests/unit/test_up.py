"""What `up` does about services that outlived their supervisor."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import psutil

from infra.cli import up


def test_an_orphan_that_ends_by_itself_meanwhile_stops_nothing():
    """Wrong if it fails: `up` ends with a traceback, and leaves half of the orphans running."""
    children = [subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1) for _ in range(2)]
    gone, stays = (psutil.Process(child.pid) for child in children)
    children[0].communicate(b"\n")
    said: list[str] = []
    up.end_orphans(SimpleNamespace(orphans=lambda: [gone, stays]), said.append)
    assert len(said) == 1
    assert not stays.is_running()
