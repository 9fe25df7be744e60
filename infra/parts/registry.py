"""Which services a stack has: the core always, other parts unless `up --only core` left them out.

What a part is made of stands in its own folder; here are only the names.
"""

from __future__ import annotations

import json

from infra.airflow.services import SERVICES as AIRFLOW
from infra.connect.service import AutoRestart, Connect
from infra.dbt.service import Docs
from infra.kafka.service import Kafka
from infra.loading.ingesters import Ingest
from infra.metrics.service import Metrics
from infra.settings import Settings
from infra.source.servers import Primary, Replica
from infra.stack import runtime
from infra.stack.service import Service
from infra.superset.services import Superset, Worker
from infra.warehouse.service import Warehouse

# part -> its services, in an order in which they can be started; `down` goes the other way
PARTS: dict[str, tuple[type[Service], ...]] = {
    "core": (Primary, Warehouse, Kafka, Replica, Connect, AutoRestart, Ingest, Metrics),
    "superset": (Superset, Worker),
    "docs": (Docs,),
    "airflow": AIRFLOW,
}


def parts(settings: Settings) -> list[str]:
    """The parts that this stack was last brought up with; all of them where it never was."""
    try:
        chosen = json.loads(_file(settings).read_text())
    except (OSError, ValueError):
        return list(PARTS)
    return [part for part in PARTS if part in chosen]


def choose(settings: Settings, only: str | None) -> list[str]:
    """Remembers what `up` was asked for: `only` one part (and the core), or all of them."""
    chosen = [part for part in PARTS if only is None or part in ("core", only)]
    runtime.make_folder(settings, _file(settings).parent)
    _file(settings).write_text(json.dumps(chosen))
    return chosen


def instances(part: str, settings: Settings) -> list[Service]:
    """Every service of a part."""
    return [service for kind in PARTS[part] for service in kind.instances(settings)]


def registry(settings: Settings) -> list[Service]:
    """Every service of the stack's parts."""
    return [service for part in parts(settings) for service in instances(part, settings)]


def _file(settings: Settings):
    # Goes with the configuration that `reset` removes.
    return settings.home / "config" / "parts.json"
