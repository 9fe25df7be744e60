"""`python -m infra.health`: serves /metrics and writes to owners until it is stopped.

It uses the code of `./airline status`, but logs in as a role that can read figures and no rows:
its service (infra/metrics/service.py) passes that role in place of the admin.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
import traceback

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import Metric

from infra.alerts.desk import Desk
from infra.errors import AirlineError
from infra.health import checks, told
from infra.health.exporter import collect, examined
from infra.health.finding import Finding
from infra.settings import Settings

# Seconds between two rounds of checks. A scrape returns the results of the last round.
PAUSE = 10
# How long a message that is going out may take to end when the service is stopped, in seconds.
LAST_MESSAGE = 5


class Latest:
    """The results of the last round, shared by all scrapes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics: list[Metric] = [examined()]
        self._desk: Desk | None = None
        self._complaint = ""
        self._telling: threading.Thread | None = None

    def collect(self) -> list[Metric]:
        return self._metrics

    def keep_asking(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                services, findings = checks.examine(self._settings)
                self._metrics = collect(self._settings, services, findings)
                self._begin_to_tell(services, findings)
            except Exception:
                # airline_examined_timestamp_seconds stays old, and an alert fires.
                traceback.print_exc()
            stopping.wait(PAUSE)

    def _begin_to_tell(self, services: list[Finding], findings: list[Finding]) -> None:
        """In a thread of its own: a mail server that answers slowly holds up no check."""
        if self._telling and self._telling.is_alive():
            return
        self._telling = threading.Thread(target=self._tell, args=(services, findings), daemon=True)
        self._telling.start()

    def finish(self) -> None:
        """Waits for a message that is going out."""
        if self._telling:
            self._telling.join(LAST_MESSAGE)

    def _tell(self, services: list[Finding], findings: list[Finding]) -> None:
        """Writes to owners; where that is not possible `status` says so, and the log once."""
        try:
            if self._desk is None:
                self._desk = Desk(self._settings)
            self._desk.look(*told.troubles(self._settings, services, findings))
            complaint = ""
        except AirlineError as error:
            complaint = str(error)
        except OSError as error:
            complaint = f"{error.filename or self._settings.home}: {error.strerror}"
        except Exception:
            complaint = "an error of the program"
            traceback.print_exc()
        if complaint and complaint != self._complaint:
            print(f"owners are not told: {complaint}", file=sys.stderr)
        self._complaint = complaint


def main() -> int:
    settings = Settings.from_environment()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    latest = Latest(settings)
    registry = CollectorRegistry()
    registry.register(latest)
    asking = threading.Thread(target=latest.keep_asking, args=(stopping,), daemon=True)
    asking.start()
    start_http_server(settings.port("metrics"), settings.host, registry)
    while not stopping.is_set():
        time.sleep(0.2)
    latest.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
