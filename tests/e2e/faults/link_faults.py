"""What can go wrong on the way between two parts: it takes long, it breaks, it says nothing.

While it lasts `./airline status` answers in time; afterwards everything goes on by itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

from infra.settings import ROOT
from tests.e2e.faults.faults import begin_load
from tests.e2e.faults.scene import Scene

MODES = ("delayed", "cut", "half-open")
# What each piece of what is sent takes longer, in seconds.
DELAY = 0.25
# `status` asks a dozen things one after the other, each with a limit of its own.
STATUS_PATIENCE = 120


def link_fault(mode: str, link: str) -> Callable[[Scene], None]:
    """This link is so for a while."""

    def fault(scene: Scene) -> None:
        who, _ = link.split("→")
        load = begin_load(scene, scene.links.environment("load")) if who == "load" else None
        proxy = scene.links.proxy(link)
        begun = time.monotonic()
        {
            "delayed": lambda: proxy.delay(DELAY),
            "cut": proxy.cut,
            "half-open": proxy.half_open,
        }[mode]()
        try:
            status = ask_status(scene, through_links=who == "status")
            if who == "status" and mode != "delayed":
                assert not status["healthy"], f"{link} {mode}, and status says that all is well"
            lasts = scene.dice.uniform(60, 90) if scene.long else scene.dice.uniform(8, 12)
            time.sleep(max(0.0, begun + lasts - time.monotonic()))
        finally:
            proxy.heal()
            if load is not None:
                end_load(load, hangs=mode == "half-open")

    return fault


def ask_status(scene: Scene, *, through_links: bool) -> dict[str, Any]:
    """What `./airline status` says; subprocess.TimeoutExpired where it hangs."""
    environment = scene.links.environment("status") if through_links else None
    done = subprocess.run(
        ["./airline", "status", "--json"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=STATUS_PATIENCE,
    )
    return json.loads(done.stdout)


def end_load(load: subprocess.Popen[bytes], *, hangs: bool) -> None:
    """Waits for it. One that will never hear of the warehouse again is ended, as a person or
    Airflow's limit would; what it had begun in the warehouse is left to the warehouse.
    """
    if hangs:
        os.killpg(load.pid, signal.SIGKILL)
    load.wait()


def every_link(names: list[str]) -> dict[str, Callable[[Scene], None]]:
    """Each kind of fault of each of these links."""
    return {f"{name} {mode}": link_fault(mode, name) for name in names for mode in MODES}
