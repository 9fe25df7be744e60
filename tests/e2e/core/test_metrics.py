"""Everything that can be seen is on one endpoint, and each alert asks for something it serves."""

from __future__ import annotations

import re

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from infra.settings import ROOT

pytestmark = pytest.mark.timeout(2700)

ALERTS = ROOT / "infra" / "metrics" / "alerts.yaml"
# 1 where all is well; of each there is a sample at least.
WELL = (
    "airline_service_up",
    "airline_ingester_up",
    "airline_slot_active",
    "airline_connector_running",
    "airline_replication_streaming",
)
# Words of the rules' expressions that are no metrics.
WORDS = {"time", "increase", "rate", "and", "or", "unless", "sum", "max", "by", "m", "h"}


@pytest.fixture(scope="module")
def served(stack) -> dict[str, list]:
    """Name of each series that the endpoint serves -> its samples."""
    url = f"http://{stack.settings.host}:{stack.settings.port('metrics')}/metrics"

    def ask() -> dict[str, list]:
        found: dict[str, list] = {}
        for family in text_string_to_metric_families(requests.get(url, timeout=30).text):
            # Declared is served: a stack without Airflow has no samples of its DAGs.
            found.setdefault(family.name, [])
            for sample in family.samples:
                found.setdefault(sample.name, []).append(sample)
        return found

    found: dict[str, list] = {}

    def is_well() -> bool:
        """A round is asked for every few seconds: the newest may be of what a test broke before."""
        found.clear()
        found.update(ask())
        series = [found.get(name) for name in WELL]
        return all(series) and all(each.value == 1 for samples in series for each in samples)

    stack.wait(is_well, f"all of {WELL} are 1")
    return found


def test_the_endpoint_tells_what_status_tells(stack, served):
    """Dashboards and alerts are blind to a part of the pipeline."""
    shown = stack.status()
    up = {sample.labels["service"]: sample.value for sample in served["airline_service_up"]}
    assert up.keys() == shown["services"].keys()
    assert set(up.values()) == {1.0}
    for name in ("airline_service_answers", "airline_service_healthy"):
        assert {sample.labels["service"] for sample in served[name]} == up.keys()
    for name in (
        "airline_slot_active",
        "airline_connector_running",
        "airline_replication_streaming",
    ):
        assert served[name][0].value == 1, name
    assert served["airline_slot_limit_bytes"][0].value == 16 << 30
    assert served["airline_newest_mart_row_age_seconds"][0].value > 0
    problems = {sample.labels["check"] for sample in served["airline_problem"]}
    assert problems <= shown["checks"].keys() and "slot" in problems


def test_every_ingester_is_on_it(stack, served):
    """An ingester that stands still is not seen."""
    wanted = {name for name in stack.status()["services"] if name.startswith("ingest")}
    up = {sample.labels["ingester"]: sample.value for sample in served["airline_ingester_up"]}
    assert up == dict.fromkeys(wanted, 1.0)
    assert {sample.labels["ingester"] for sample in served["airline_ingest_healthy"]} == wanted


def rules() -> list[dict]:
    return [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_is_served(served, rule):
    """An alert can never fire, because its metric has another name."""
    # Without the labels that it picks by.
    names = set(re.findall(r"[a-z_]+", re.sub(r"\{.*?\}", "", rule["expr"]))) - WORDS
    assert names and names <= served.keys()
    assert rule["annotations"]["summary"] and rule["annotations"]["runbook"]
    assert rule["labels"]["severity"] in ("critical", "warning")
