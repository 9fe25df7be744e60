"""A power cut takes the end of a topic, and `./airline resync` repairs it while traffic goes on."""

from __future__ import annotations

from tests.e2e.faults.scene import Scene
from tests.support.power_cut import cut_power

# Those that traffic writes to all the time.
TABLES = ("bookings", "tickets", "ticket_flights", "flights")


def tail_cut(scene: Scene) -> None:
    """What the broker had not written to disk is lost, and resync brings it back."""
    scene.wait_for_connector()
    topic = f"airline.public.{scene.dice.choice(TABLES)}"
    cut_power(scene.stack, topic, scene.dice.randrange(1000, 20_000))
    scene.wait_for_connector()
    scene.stack.airline("resync", "--yes")


EVERY = {"tail cut": tail_cut}
