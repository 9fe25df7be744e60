"""The disk of a server is full for a while: it is said, and with room again all goes on by itself.

Each server gets a small file system of its own for that. The logs' disk is in
tests/integration/test_supervision.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.e2e.faults.link_faults import ask_status
from tests.e2e.faults.scene import Scene
from tests.support.small_disk import SmallDisk

SERVERS = ("primary", "replica", "dwh", "kafka")
# For what comes before it is full, and for catching up.
ROOM = 512 << 20


def disk_full(server: str) -> Callable[[Scene], None]:
    """The disk of this server is full while traffic goes on."""

    def fault(scene: Scene) -> None:
        supervisor = scene.stack.supervisor
        folder = scene.stack.home / "data" / server
        supervisor.halt(server)
        with SmallDisk(folder, ROOM) as disk:
            try:
                supervisor.run(server)
                scene.stack.wait_for_services(server)
                time.sleep(scene.dice.uniform(1, 5))
                disk.fill()
                problem = ask_status(scene, through_links=False)["checks"]["disk space"]["problem"]
                assert problem and "is full" in problem and str(folder) in problem, problem
                time.sleep(scene.dice.uniform(20, 60) if scene.long else scene.dice.uniform(8, 12))
                disk.make_room()
                scene.stack.wait_for_services(server)
                scene.wait_for_connector()
            finally:
                supervisor.halt(server)
        supervisor.run(server)
        scene.stack.wait_for_services(server)

    return fault


EVERY = {f"{server}'s disk full": disk_full(server) for server in SERVERS}
