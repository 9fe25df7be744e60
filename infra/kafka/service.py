"""The broker as a service."""

from __future__ import annotations

from pathlib import Path

from infra.kafka import access, artifacts, first_login, segments
from infra.kafka.broker import LANGUAGE, Broker
from infra.settings import Settings
from infra.stack.plan import Step
from infra.stack.program import Program
from infra.stack.service import Service, Up


class Kafka(Service):
    name = "kafka"
    ports = ("kafka", "kafka controller")
    after_steps = ("jars",)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.broker = Broker(settings)

    @classmethod
    def steps(cls, up: Up) -> list[Step]:
        def fetch() -> None:
            if artifacts.fetch(up.settings, up.progress.say):
                up.progress.say("jars fetched")

        return [Step("jars", fetch)]

    def address(self) -> str:
        return self.settings.kafka_bootstrap

    def program(self) -> Program:
        return Program(self.name, self.broker.command, Path("/"), LANGUAGE, stop_seconds=90)

    def prepare(self) -> bool:
        changed = self.broker.configure()
        if self.broker.make():
            first_login.note(self.settings)
        return changed or first_login.is_missing(self.broker)

    def before_start(self) -> None:
        if first_login.is_missing(self.broker):
            first_login.make(self.broker)

    def furnish(self) -> list[str]:
        access.make(self.settings)
        segments.restore(self.settings)
        return []

    def answers(self) -> bool:
        return self.broker.answers()

    def problem(self) -> str:
        return (
            "" if self.broker.answers(4) else f"does not answer on {self.settings.kafka_bootstrap}"
        )
