"""The ingesters as services, and what `python -m ingest` runs with."""

from __future__ import annotations

import os

import requests

from infra import warehouse
from infra.dbt import packages, runner
from infra.kafka import access
from infra.loading import catch_up
from infra.postgres import roles
from infra.settings import Settings
from infra.stack.plan import Step
from infra.stack.program import Program
from infra.stack.service import Service, Up
from infra.warehouse.service import Warehouse


class Ingest(Service):
    """One of the ingesters, which share the topics as a consumer group."""

    needs = ("dwh", "kafka")

    def __init__(self, settings: Settings, number: int = 1) -> None:
        super().__init__(settings)
        self.name = "ingest" if number == 1 else f"ingest-{number}"
        self.ports = (f"{self.name} metrics",)

    @classmethod
    def instances(cls, settings: Settings) -> list[Service]:
        return [cls(settings, number) for number in range(1, settings.ingesters + 1)]

    @classmethod
    def steps(cls, up: Up) -> list[Step]:
        """What the ingesters land is waited for and loaded, with dbt's packages in place."""
        # The replica has what CDC may read, and a connector that failed is started again.
        needs = ("connector", "replica", "auto-restart")
        ingesters = (each.name for each in up.services if isinstance(each, cls))
        return [
            Step("AutomateDV", lambda: packages.put_in_place(up.progress.say)),
            Step("landing", lambda: catch_up.land(up.settings, up.progress), (*needs, *ingesters)),
            # While there is nothing to load yet.
            Step("project", lambda: _parse(up), ("AutomateDV",)),
            Step("marts", lambda: _build(up), ("landing", "project")),
        ]

    def program(self) -> Program:
        environment = ingest_environment(self.settings)
        environment["AIRLINE_INGEST_METRICS_PORT"] = str(self.settings.port(self.ports[0]))
        return self.module(environment, "ingest")

    def answers(self) -> bool:
        """Whether its tables are there: it makes them as soon as it has both its ends."""
        [(table,)] = Warehouse(self.settings).ask("select to_regclass('staging.ingest_offset')")
        return table is not None

    def problem(self) -> str:
        """Whether it says how it is; what it says is the check `ingesters`."""
        url = f"http://{self.settings.host}:{self.settings.port(self.ports[0])}/health"
        try:
            # 503 is an answer too.
            requests.get(url, timeout=5)
        except requests.RequestException:
            return f"does not answer on {url}"
        return ""


def ingest_environment(settings: Settings) -> dict[str, str]:
    """What `python -m ingest` runs with: logged in as its own role."""
    environment = settings.service_environment()
    environment["AIRLINE_INGEST_PASSWORD"] = settings.secret(roles.INGEST)
    environment["AIRLINE_INGEST_IDENTITY_KEY"] = settings.secret(warehouse.IDENTITY_KEY)
    environment["AIRLINE_INGEST_KAFKA_USER"] = access.INGEST
    environment["AIRLINE_INGEST_KAFKA_PASSWORD"] = settings.secret(access.INGEST)
    # Its own settings (flush sizes, limits) are no part of Settings.
    own = {name: os.environ[name] for name in os.environ if name.startswith("AIRLINE_INGEST_")}
    return own | environment


def _parse(up: Up) -> None:
    runner.parse(up.settings)


def _build(up: Up) -> None:
    up.has_loaded = catch_up.build(up.settings, up.progress)
