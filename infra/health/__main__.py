"""`python -m infra.health`: serves /metrics until it is stopped.

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

from infra.health.exporter import collect, examined
from infra.settings import Settings

# Seconds between two rounds of checks. A scrape returns the results of the last round.
PAUSE = 10


class Latest:
    """The results of the last round, shared by all scrapes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics: list[Metric] = [examined()]

    def collect(self) -> list[Metric]:
        return self._metrics

    def keep_asking(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                self._metrics = collect(self._settings)
            except Exception:
                # airline_examined_timestamp_seconds stays old, and an alert fires.
                traceback.print_exc()
            stopping.wait(PAUSE)


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
    return 0


if __name__ == "__main__":
    sys.exit(main())
