"""The service that answers for all others."""

from __future__ import annotations

import requests

from infra import roles
from infra.cli.services import Service
from infra.cli.supervision import Program


class Metrics(Service):
    """Everything that can be seen, on one endpoint."""

    name = "metrics"
    needs = ("primary", "dwh")
    ports = ("metrics",)

    def program(self) -> Program:
        environment = self.settings.environment()
        # It asks by the code of `status`, but as a role that reads figures and no rows.
        environment["AIRLINE_ADMIN_USER"] = roles.MONITOR
        environment["AIRLINE_ADMIN_PASSWORD"] = self.settings.secret(roles.MONITOR)
        return self.module(environment, "infra.metrics")

    def answers(self) -> bool:
        try:
            return requests.get(self.address(), timeout=5).ok
        except requests.RequestException:
            return False

    def address(self) -> str:
        return f"http://{self.settings.host}:{self.settings.port('metrics')}/metrics"
