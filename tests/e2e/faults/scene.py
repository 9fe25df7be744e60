"""What every fault needs: a stack under traffic, and the dice."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from infra.connect import connector
from infra.kafka.broker import Broker
from tests.e2e.faults.links import Links


@dataclass
class Scene:
    """A stack under traffic, and the dice."""

    stack: Any
    dice: Random
    long: bool
    # The proxies between the parts; None where the parts reach each other without.
    links: Links | None

    def services(self, name: str) -> list[str]:
        """The running services whose name begins so."""
        states = self.stack.supervisor.states()
        return sorted(each for each in states if each.startswith(name) and states[each].pid)

    def register(self) -> None:
        """The connector, as this scene's parts reach each other."""
        if self.links is None:
            connector.register(self.stack.settings)
        else:
            self.links.register()

    def wait_for_connector(self) -> None:
        self.stack.wait(Broker(self.stack.settings).answers, "Kafka answers")

        def runs() -> bool:
            try:
                now = connector.state(self.stack.settings)
            except Exception:
                return False
            return now is not None and now.is_running

        self.stack.wait(runs, "the connector runs by itself")
