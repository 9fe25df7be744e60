"""What `./airline status` asks, and what each ingester says of itself, as Prometheus metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

import requests
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from infra.health.finding import Finding
from infra.health.readings import READINGS
from infra.loading.ingesters import Ingest
from infra.metrics.service import EXAMINED
from infra.settings import Settings
from infra.stack.program import RUNNING

# How long an ingester may take to answer, in seconds.
PATIENCE = 2


def collect(settings: Settings, services: list[Finding], findings: list[Finding]) -> list[Metric]:
    """Everything as it was found, and what each ingester says of itself."""
    return [
        *_services(services),
        *_findings(findings),
        *_ingesters(settings, [each.name for each in Ingest.instances(settings)]),
        examined(),
    ]


def examined() -> Metric:
    """When everything was asked last; at first, when the asking began."""
    return GaugeMetricFamily(EXAMINED, "When all this was asked", value=time.time())


def _services(services: list[Finding]) -> Iterator[Metric]:
    measures: tuple[tuple[str, str, Callable[[Finding], float]], ...] = (
        (
            "airline_service_up",
            "1 if the service's process runs",
            lambda each: float(each.values["state"] == RUNNING),
        ),
        (
            "airline_service_answers",
            "1 if the service does what it is asked: its readiness probe",
            lambda each: float(each.values["answers"]),
        ),
        (
            "airline_service_healthy",
            "1 if the service runs, answers and does not end again and again",
            lambda each: float(not each.problem),
        ),
        (
            "airline_service_restarts",
            "How often the service ended by itself since the supervisor runs",
            lambda each: float(each.values["restarts"]),
        ),
        (
            "airline_service_recent_restarts",
            "How often the service ended by itself in the last five minutes",
            lambda each: float(each.values["recent_restarts"]),
        ),
    )
    for name, what, value in measures:
        family = GaugeMetricFamily(name, what, labels=["service"])
        for each in services:
            family.add_metric([each.name], value(each))
        yield family


def _findings(findings: list[Finding]) -> Iterator[Metric]:
    problem = GaugeMetricFamily(
        "airline_problem", "1 if './airline status' says what to do about this", labels=["check"]
    )
    for each in findings:
        problem.add_metric([each.name], float(bool(each.problem)))
    yield problem
    values = {each.name: each.values for each in findings}
    for reading in READINGS:
        value = reading.value(values.get(reading.check, {}))
        family = GaugeMetricFamily(reading.name, reading.what)
        if value is not None:
            family.add_metric([], value)
        yield family


def _ingesters(settings: Settings, services: Iterable[str]) -> Iterator[Metric]:
    """The ingesters' own metrics, each with the label `ingester`."""
    up = GaugeMetricFamily("airline_ingester_up", "1 if it answers", labels=["ingester"])
    families: dict[str, Metric] = {}
    for name in services:
        try:
            url = f"http://{settings.host}:{settings.port(f'{name} metrics')}/metrics"
            answer = requests.get(url, timeout=PATIENCE)
            published = list(text_string_to_metric_families(answer.text)) if answer.ok else []
        except requests.RequestException:
            published = []
        up.add_metric([name], float(bool(published)))
        for family in published:
            merged = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for sample in family.samples:
                labels = {**sample.labels, "ingester": name}
                merged.samples.append(sample._replace(labels=labels))
    yield up
    yield from families.values()
