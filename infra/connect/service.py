"""Kafka Connect, and what starts its connector again, as services."""

from __future__ import annotations

from pathlib import Path

from infra.connect import auto_restart
from infra.connect.worker import Worker
from infra.kafka.broker import LANGUAGE
from infra.postgres import roles
from infra.settings import Settings
from infra.stack.service import Service
from infra.stack.supervision import Program


class Connect(Service):
    name = "connect"
    needs = ("kafka",)
    ports = ("connect",)
    after_steps = ("jars", "slot")

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.worker = Worker(settings)

    def program(self) -> Program:
        return Program(
            self.name,
            self.worker.command,
            Path("/"),
            {"AIRLINE_CDC_PASSWORD": self.settings.secret(roles.CDC), **LANGUAGE},
        )

    def prepare(self) -> bool:
        return self.worker.configure()

    def answers(self) -> bool:
        return self.worker.answers()


class AutoRestart(Service):
    """Starts the connector again when it failed: Connect does not."""

    name = "auto-restart"
    needs = ("connect",)

    def program(self) -> Program:
        environment = self.settings.environment()
        # It asks the primary for the slot, as a role that reads figures and no rows.
        environment["AIRLINE_ADMIN_USER"] = roles.MONITOR
        environment["AIRLINE_ADMIN_PASSWORD"] = self.settings.secret(roles.MONITOR)
        return self.module(environment, "infra.connect.auto_restart")

    def problem(self) -> str:
        return auto_restart.problem(self.settings)
