"""A client for the parts of Airflow's REST API that the stack uses, as the operator's account."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from infra.airflow import config
from infra.errors import AirlineError
from infra.settings import Settings


class Api:
    """One login. Raises AirlineError where Airflow refuses or does not answer."""

    def __init__(
        self, settings: Settings, user: str = "", password: str = "", seconds: float = 60
    ) -> None:
        self._seconds = seconds
        self._url = settings.airflow_url
        self._token = ""
        answer = self.ask(
            "POST",
            "/auth/token",
            {
                "username": user or config.OPERATOR,
                "password": password or settings.secret("airflow_operator"),
            },
        )
        self._token = answer["access_token"]

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"}
            | ({"Authorization": f"Bearer {self._token}"} if self._token else {}),
        )
        try:
            with urllib.request.urlopen(request, timeout=self._seconds) as response:
                text = response.read()
                return json.loads(text) if text else {}
        except urllib.error.HTTPError as error:
            raise AirlineError(
                f"Airflow answered {error.code} to {method} {path}",
                "see './airline logs airflow-api-server'",
                error.read().decode(errors="replace")[:500],
            ) from None
        except OSError as error:
            raise AirlineError(
                f"Airflow does not answer at {self._url} ({error})",
                "see './airline status'; './airline up' starts what does not run",
            ) from None

    def dags(self) -> dict[str, bool]:
        """DAG id -> whether it is paused; the ones Airflow has parsed."""
        return {dag["dag_id"]: dag["is_paused"] for dag in self._listed()}

    def scheduled(self) -> set[str]:
        """The DAGs that Airflow starts by itself."""
        return {dag["dag_id"] for dag in self._listed() if dag["timetable_summary"]}

    def _listed(self) -> list[dict[str, Any]]:
        return self.ask("GET", "/api/v2/dags?limit=100")["dags"]

    def import_errors(self) -> list[str]:
        """Import errors of DAG files, the last line of each."""
        answer = self.ask("GET", "/api/v2/importErrors")
        return [
            f"{each['filename']}: {each['stack_trace'].strip().splitlines()[-1]}"
            for each in answer["import_errors"]
        ]

    def pause(self, dag_id: str, paused: bool) -> None:
        self.ask("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": paused})

    def runs(self, dag_id: str, *, over: bool = False, limit: int = 20) -> list[dict[str, Any]]:
        """The newest runs of a DAG, the newest first; or of those that are `over`."""
        states = "&state=success&state=failed" if over else ""
        answer = self.ask(
            "GET", f"/api/v2/dags/{dag_id}/dagRuns?limit={limit}&order_by=-run_after{states}"
        )
        return answer["dag_runs"]

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        run = urllib.parse.quote(run_id, safe="")
        answer = self.ask("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run}/taskInstances?limit=100")
        instances = answer["task_instances"]
        while len(instances) < answer["total_entries"]:
            answer = self.ask(
                "GET",
                f"/api/v2/dags/{dag_id}/dagRuns/{run}/taskInstances"
                f"?limit=100&offset={len(instances)}",
            )
            instances += answer["task_instances"]
        return instances

    def trigger(self, dag_id: str, **body: Any) -> str:
        """Starts a run now; returns its id."""
        answer = self.ask("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None} | body)
        return answer["dag_run_id"]
