"""The ingester's HTTP endpoints: Prometheus metrics on /metrics, health on /health."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    exposition,
)

from ingest.faults import IngestError

_FLUSH_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)  # seconds


class Metrics:
    """The metrics; each part of the ingester updates its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, what: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"airline_ingest_{name}", what, labels, registry=registry)

        def gauge(name: str, what: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(f"airline_ingest_{name}", what, labels, registry=registry)

        topic, partition = ("topic",), ("topic", "partition")
        self.rows = counter("rows", "Events landed in staging", topic)
        self.bytes = counter("bytes", "Bytes of the landed events' values", topic)
        self.flushes = counter("flushes", "Transactions that landed a batch")
        self.dead_letters = counter("dead_letters", "Events that jsonb refused", topic)
        self.fenced = counter("fenced", "Times another ingester had the partition", partition)
        self.retries = counter("warehouse_retries", "Attempts that failed: warehouse away")
        self.flush_seconds = Histogram(
            "airline_ingest_flush_seconds",
            "Time from the begin of a flush to its commit",
            buckets=_FLUSH_BUCKETS,
            registry=registry,
        )
        self.lag = gauge("lag", "Offsets in Kafka that have not landed", partition)
        self.position = gauge("next_offset", "Next offset to land", partition)
        self.refused = gauge("refused", "1: not landed until repaired, see /health", partition)
        self.healthy = gauge("healthy", "1 if /health answers 200")
        self.last_event = 0.0  # time.time() of the newest flush with events
        gauge(
            "seconds_since_last_event", "Since events landed last; NaN before the first"
        ).set_function(self.seconds_since_last_event)

    def seconds_since_last_event(self) -> float:
        return time.time() - self.last_event if self.last_event else float("nan")


def serve(host: str, port: int, metrics: Metrics, health: Callable[[], dict]) -> None:
    """Serves host:port until the process ends. `health` returns a dictionary with `healthy`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                encode, kind = exposition.choose_encoder(self.headers.get("Accept"))
                # Updates the gauge `healthy`.
                health()
                self._answer(200, kind, encode(metrics.registry))
            elif path == "/health":
                state = health()
                body = json.dumps(state, ensure_ascii=False, default=str).encode() + b"\n"
                self._answer(200 if state["healthy"] else 503, "application/json", body)
            else:
                self._answer(404, "text/plain", b"/metrics or /health\n")

        def _answer(self, code: int, kind: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_) -> None:
            pass  # no log line for each scrape

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    try:
        server = Server((host, port), Handler)
    except OSError as error:
        raise IngestError(
            f"Cannot listen on {host}:{port} for /metrics and /health ({os.strerror(error.errno)})."
            " Is another ingester running? Set AIRLINE_INGEST_METRICS_PORT to a free port, or to"
            " 0 for none."
        ) from error
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
