"""`topics`: each partition of Kafka, and how far the warehouse has landed it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import psycopg2

from infra.errors import AirlineError
from infra.health.finding import size
from infra.kafka.broker import Broker, Log
from infra.loading.landing import Offsets, landed_offsets
from infra.settings import Settings
from infra.stack.progress import aligned, complain

HEADS = ("topic", "partition", "first", "end", "landed", "lag", "size")


@dataclass(frozen=True)
class Partition:
    """`first` and `end` (after the last committed message) are Kafka's; `landed` is the next offset
    that lands, None where the warehouse lands none of it, or does not answer.
    """

    topic: str
    partition: int
    first: int
    end: int
    landed: int | None
    lag: int | None
    bytes: int


def topics(settings: Settings, options: argparse.Namespace) -> int:
    """Prints them as a table, or as JSON. Raises AirlineError where Kafka does not answer."""
    broker = Broker(settings)
    if not broker.answers():
        raise AirlineError("Kafka does not answer", "'./airline up' starts it")
    try:
        landed = landed_offsets(settings)
    except psycopg2.errors.UndefinedTable:
        landed = {}  # nothing has ever landed
    except psycopg2.OperationalError as error:
        complain(f"the warehouse does not answer ({str(error).strip()}): what landed is not known")
        landed = {}
    found = list(partitions(broker.logs(), landed))
    print(json.dumps([asdict(each) for each in found]) if options.json else text(found))
    return 0


def partitions(logs: Iterable[Log], landed: Offsets) -> Iterable[Partition]:
    for each in sorted(logs):
        at = landed.get((each.topic, each.partition))
        lag = None if at is None else max(0, each.end - at)
        yield Partition(each.topic, each.partition, each.first, each.end, at, lag, each.bytes)


def text(found: list[Partition]) -> str:
    if not found:
        return "no topics yet: './airline up' makes them"
    rows = [tuple((asdict(each) | {"bytes": size(each.bytes)}).values()) for each in found]
    return aligned(rows, HEADS, "")
