"""The service `metrics`: the Prometheus endpoint of the stack."""

from __future__ import annotations

import time

import requests
from prometheus_client.parser import text_string_to_metric_families

from infra.mail import delivery
from infra.postgres import roles
from infra.stack.program import Program
from infra.stack.service import Service

EXAMINED = "airline_examined_timestamp_seconds"
# The greatest age of its results in seconds; the same as in the alert NotExamined.
TOO_OLD = 120


class Metrics(Service):
    """Serves all metrics on one endpoint."""

    name = "metrics"
    needs = ("primary", "dwh")
    ports = ("metrics",)

    def program(self) -> Program:
        # It runs the checks of `status` as a role that can read figures and no rows.
        environment = roles.environment(self.settings, roles.MONITOR) | delivery.authorities()
        return self.module(environment, "infra.health")

    def answers(self) -> bool:
        try:
            return requests.get(self.address(), timeout=5).ok
        except requests.RequestException:
            return False

    def problem(self) -> str:
        """Whether it answers, and its last round of checks is recent."""
        try:
            answer = requests.get(self.address(), timeout=5)
        except requests.RequestException:
            return f"does not answer on {self.address()}"
        for family in text_string_to_metric_families(answer.text if answer.ok else ""):
            if family.name == EXAMINED:
                age = time.time() - family.samples[0].value
                return "" if age < TOO_OLD else f"what it tells is {age:.0f} s old"
        return f"answers {answer.status_code} on {self.address()}, without its own metrics"

    def address(self) -> str:
        return f"http://{self.settings.host}:{self.settings.port('metrics')}/metrics"
