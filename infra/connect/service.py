"""Kafka Connect, and what starts its connector again, as services."""

from __future__ import annotations

from pathlib import Path

from kafka.errors import KafkaError

from infra.connect import auto_restart, connector, slot_gap
from infra.connect.worker import Worker
from infra.errors import AirlineError
from infra.kafka import access
from infra.kafka.broker import LANGUAGE
from infra.postgres import roles
from infra.settings import Settings
from infra.source import resync_due
from infra.stack.plan import Step
from infra.stack.program import Program
from infra.stack.service import Service, Up


class Connect(Service):
    name = "connect"
    needs = ("kafka",)
    ports = ("connect",)
    after_steps = ("jars", "slot")

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.worker = Worker(settings)

    @classmethod
    def steps(cls, up: Up) -> list[Step]:
        return [
            Step("slot", lambda: _look_for_a_gap(up), ("primary", "kafka")),
            Step("connector", lambda: _register(up), ("connect", "history")),
        ]

    def address(self) -> str:
        return f"{self.settings.connect_url}/connectors/{connector.NAME}/status"

    def program(self) -> Program:
        return Program(self.name, self.worker.command, Path("/"), LANGUAGE)

    def prepare(self) -> bool:
        return self.worker.configure()

    def answers(self) -> bool:
        return self.worker.answers()


class AutoRestart(Service):
    """Starts the connector again when it failed: Connect does not."""

    name = "auto-restart"
    needs = ("connect",)

    def program(self) -> Program:
        # It asks the primary for the slot, as a role that reads figures and no rows.
        environment = roles.environment(self.settings, roles.MONITOR)
        environment |= access.environment(self.settings, access.WATCH)
        return self.module(environment, "infra.connect.auto_restart")

    def problem(self) -> str:
        return auto_restart.problem(self.settings)


def _look_for_a_gap(up: Up) -> None:
    """Before Connect starts: when the connector goes on, nothing shows any more."""
    try:
        gap = slot_gap.look(up.settings)
    except KafkaError as error:
        raise AirlineError(
            f"Kafka does not say what the connector's position is ({error})",
            "see './airline logs kafka'; './airline up' tries again",
        ) from None
    if gap:
        up.progress.say(str(gap))


def _register(up: Up) -> None:
    resync_due.note_configuration(up.settings, connector.captures_otherwise(up.settings))
    if connector.register(up.settings):
        up.progress.say(f"{connector.NAME} registered")
    connector.wait_until_running(up.settings)
