"""Airflow's four processes, as services of the stack."""

from __future__ import annotations

import json
import urllib.request

from infra.airflow import config, first_runs, metadata
from infra.dbt import runner
from infra.settings import Settings
from infra.stack.plan import Step
from infra.stack.program import Program
from infra.stack.progress import Progress
from infra.stack.service import Service, Up


class Component(Service):
    """One of Airflow's processes; `command` is its name on Airflow's command line, `health` its key
    in the API's health report.
    """

    lock = "airflow"
    needs: tuple[str, ...] = ("airflow-api-server",)
    command: tuple[str, ...] = ()
    health = ""

    def program(self) -> Program:
        environment = self.settings.service_environment()
        # Does not wait for a running load: the next scheduler starts it again.
        return self.module(environment, "infra.airflow", *self.words(), stop_seconds=15)

    def words(self) -> tuple[str, ...]:
        """What its command line has."""
        return self.command

    def answers(self) -> bool:
        return self._state(timeout=10) == "healthy"

    def problem(self) -> str:
        """Reads the API server's health report: it queries the database, and the time of each
        process's last heartbeat in it.
        """
        state = self._state(timeout=8)
        if state is None and self.health == ApiServer.health:
            return f"does not answer on {self.settings.airflow_url}"
        if state is None:
            return "nobody can say: airflow-api-server, which is asked, does not answer"
        if state == "healthy":
            return ""
        if self.health == ApiServer.health:
            return "it does not reach its database, which is in the warehouse"
        return "its last heartbeat is old: it runs and does nothing"

    def _state(self, timeout: float) -> str | None:
        """Its status in the API server's report, None if that does not answer."""
        try:
            url = f"{self.settings.airflow_url}/api/v2/monitor/health"
            with urllib.request.urlopen(url, timeout=timeout) as response:
                report = json.load(response)
        except (OSError, ValueError):
            return None
        return str((report.get(self.health) or {}).get("status"))


class ApiServer(Component):
    name = "airflow-api-server"
    needs = ("dwh",)
    ports = ("airflow",)
    command = ("api-server",)
    health = "metadatabase"
    # The DAGs whose first runs this `up` began and did not wait for.
    begun: tuple[str, ...] = ()

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._told: list[str] = []

    def words(self) -> tuple[str, ...]:
        # Who asks, and that it was by TLS, is told by the proxy; on loopback alone it is believed.
        proxied = ("--proxy-headers",) if self.settings.airflow_public_url else ()
        return (*self.command, *proxied)

    def prepare(self) -> bool:
        self._told = metadata.make(self.settings)
        return False

    def furnish(self) -> list[str]:
        return self._told

    def address(self) -> str:
        settings = self.settings
        url = settings.airflow_public_url or settings.airflow_url
        return f"{url} ({settings.login('airflow_user', 'airflow_password')})"

    def fill(self, progress: Progress) -> None:
        self.begun = tuple(first_runs.begin(self.settings, progress))

    @classmethod
    def steps(cls, up: Up) -> list[Step]:
        [server] = (each for each in up.services if isinstance(each, cls))

        def wait() -> None:
            first_runs.wait(up.settings, server.begun, up.progress)
            server.begun = ()

        return [Step("first runs", wait, (f"{cls.name}'s contents",))] if up.wait else []

    def goes_on(self) -> list[str]:
        if not self.begun:
            return []
        return [
            f"the first runs of {', '.join(self.begun)} go on: see {self.settings.airflow_url}, or "
            f"'./airline airflow dags list-runs {self.begun[0]}'; './airline up --wait' waits"
        ]


class Scheduler(Component):
    name = "airflow-scheduler"
    # Starts after the first load of `up`, so that Airflow does not load at the same time.
    after_steps = ("marts",)
    # Logs are read from the folder, so no log server is needed.
    command = ("scheduler", "--skip-serve-logs")
    health = "scheduler"


class DagProcessor(Component):
    name = "airflow-dag-processor"
    after_steps = ("project",)
    command = ("dag-processor",)
    health = "dag_processor"

    def prepare(self) -> bool:
        """Makes the manifest that DAG files are rendered from."""
        runner.publish_manifest(self.settings, config.dbt_artifacts(self.settings))
        return False


class Triggerer(Component):
    name = "airflow-triggerer"
    command = ("triggerer", "--skip-serve-logs")
    health = "triggerer"


SERVICES: tuple[type[Service], ...] = (ApiServer, Scheduler, DagProcessor, Triggerer)
