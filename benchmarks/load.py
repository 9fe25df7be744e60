"""What a load of the vault costs: as history grows, as the batch grows, and the first time.

Figures are ratios within one run on one machine. Buffers are the pages that the whole load touched
in the warehouse (dbt's own look-ups included); seconds are dbt's, with one thread, the least of
several rounds.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg2

from benchmarks import report
from benchmarks.server import warehouse_server
from tests.integration.conftest import PostgresServer, scratch_folder
from tests.support.warehouse import Warehouse, messages

BATCH = 5_000
HISTORY = {"1×": 10_000, "20×": 200_000, "100×": 1_000_000}
BATCHES = (1_000, 10_000, 100_000)
FIRST_LOAD = 1_000_000
TABLES = ("bookings", "tickets", "ticket_flights", "boarding_passes", "flights", "transaction")


class Loads:
    """A warehouse of its own, filled with made events and loaded by the project's dbt graph."""

    def __init__(self, server: PostgresServer, name: str, folder: Path) -> None:
        self.warehouse = Warehouse(server, name, folder)
        self.warehouse.rows((Path(__file__).parent / "history.sql").read_text())
        self.next = 0

    def land(self, events: int) -> None:
        """Lands that many events more. A multiple of 20."""
        self.warehouse.rows("call bench.land(%s, %s)", self.next, events)
        self.next += events

    def tend(self, statement: str = "vacuum analyze") -> None:
        """What the server does by itself, sooner or later: done now."""
        with closing(psycopg2.connect(self.warehouse.dsn)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)

    def load(self) -> dict[str, Any]:
        """Loads what has landed: seconds in all and by part, and the buffers touched."""
        before = self.buffers()
        begun = time.perf_counter()
        done = self.warehouse.dbt("run", "--selector", "vault", "--threads", "1")
        seconds = time.perf_counter() - begun
        if not done.success:
            raise SystemExit(f"the load failed: {messages(done)}")
        parts: dict[str, float] = defaultdict(float)
        models: dict[str, float] = {}
        for result in done.result:
            node = result.node
            part = node.resource_type if node.resource_type != "model" else node.fqn[1]
            parts[part] += result.execution_time
            models[node.name] = result.execution_time
        parts["dbt itself"] = seconds - sum(parts.values())
        return {
            "seconds": seconds,
            "buffers": self.buffers() - before,
            "parts": dict(parts),
            "models": models,
        }

    def buffers(self) -> int:
        """Pages touched in this database so far."""
        # dbt's sessions have ended and told the statistics; this one says nothing of itself yet.
        [(pages,)] = self.warehouse.rows(
            "select blks_hit + blks_read from pg_stat_database where datname = current_database()"
        )
        return int(pages)

    def copy_seconds(self) -> float:
        """How long bare COPY takes for all landed events, into tables like those of `staging`."""
        rows = self.warehouse.rows
        folder = self.warehouse.rows("show data_directory")[0][0]
        taken = 0.0
        for table in TABLES:
            file = f"{folder}/bench-{table}"
            rows(f"copy staging.{table} to '{file}'")
            rows(f"create table bench.{table} (like staging.{table} including all)")
            begun = time.perf_counter()
            rows(f"copy bench.{table} from '{file}'")
            taken += time.perf_counter() - begun
            rows(f"drop table bench.{table}")
            rows(f"copy (select) to '{file}'")
        return taken


def best(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The fastest of several loads: what the others took longer is the machine's doing."""
    return min(runs, key=lambda run: run["seconds"])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="airline bench load", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="loads per figure (3)")
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        metavar="X",
        help="size of the histories; below 1 to try the benchmark itself, and nothing is kept",
    )
    options = parser.parse_args(arguments)

    def scaled(events: int) -> int:
        return max(20, round(events * options.scale) // 20 * 20)

    results: dict[str, Any] = {"machine": report.machine()}
    with ExitStack() as cleanup:
        folder = cleanup.enter_context(scratch_folder("airline-bench-"))
        server = cleanup.enter_context(warehouse_server(folder))

        report.say("history: batches of 5,000 changes on 10,000, 200,000 and 1,000,000 events")
        growing = Loads(server, "bench_history", folder / "history")
        results["empty load"] = _empty(growing)
        results["history"] = {}
        for label, events in HISTORY.items():
            growing.land(scaled(events) - growing.next)
            growing.load()
            growing.tend()
            runs = []
            for _ in range(options.rounds):
                growing.land(BATCH)
                runs.append(growing.load())
            results["history"][label] = best(runs)
            report.say(f"  {label}: {best(runs)['seconds']:.1f} s")
        # A page that is changed for the first time after a checkpoint goes into the log as a whole.
        growing.land(BATCH)
        growing.tend("checkpoint")
        results["after a checkpoint"] = growing.load()
        report.say(f"  after a checkpoint: {results['after a checkpoint']['seconds']:.1f} s")

        report.say("batches of 1,000, 10,000 and 100,000 changes on the longest history")
        results["batches"] = {}
        for events in BATCHES:
            runs = []
            for _ in range(options.rounds):
                growing.land(scaled(events))
                runs.append(growing.load())
            results["batches"][f"{events:,}"] = best(runs) | {"events": scaled(events)}
            report.say(f"  {events:,}: {best(runs)['seconds']:.1f} s")

        report.say("first load of 1,000,000 events, and bare COPY of the same")
        first = Loads(server, "bench_first", folder / "first")
        first.land(scaled(FIRST_LOAD))
        first.tend()
        copied = first.copy_seconds()
        results["first load"] = first.load() | {"events": first.next, "copy seconds": copied}

    _print(results)
    if options.scale == 1:
        report.keep("load", results)
        _draw(results)
    return 0


def _empty(loads: Loads) -> dict[str, Any]:
    """What a load costs that has nothing to load: dbt, hooks and 50 statements."""
    loads.land(20)
    loads.load()
    loads.load()
    return loads.load()


def _draw(results: dict[str, Any]) -> None:
    history, batches = results["history"], results["batches"]
    shortest, run = next(iter(history.values())), results["first load"]
    largest = next(reversed(batches.values()))

    def per_change(each: dict[str, Any]) -> float:
        return each["seconds"] / each["events"]

    report.bars(
        "load",
        "Loads of the vault",
        {
            "5,000 changes: time, by history": {
                label: each["seconds"] / shortest["seconds"] for label, each in history.items()
            },
            "5,000 changes: pages touched, by history": {
                label: each["buffers"] / shortest["buffers"] for label, each in history.items()
            },
            "time per change, by size of the batch": {
                label: per_change(each) / per_change(largest) for label, each in batches.items()
            },
            "first load of 1,000,000 events": {
                "bare COPY": 1.0,
                "hubs, links, satellites": run["seconds"] / run["copy seconds"],
            },
        },
        "×",
    )


def _print(results: dict[str, Any]) -> None:
    fixed = results["empty load"]
    empty = fixed["buffers"]
    print("\nA batch of 5,000 changes as history grows")
    first = next(iter(results["history"].values()))
    rows = results["history"] | {"and a checkpoint": results["after a checkpoint"]}
    report.table(
        ("history", "seconds", "ratio", "buffers", "ratio", "without the empty load's"),
        [
            (
                label,
                f"{run['seconds']:.2f}",
                f"{run['seconds'] / first['seconds']:.2f}",
                f"{run['buffers']:,}",
                f"{run['buffers'] / first['buffers']:.2f}",
                f"{(run['buffers'] - empty) / (first['buffers'] - empty):.2f}",
            )
            for label, run in rows.items()
        ],
    )
    print("\nOne change, by the size of the batch, on the longest history")
    report.table(
        ("batch", "seconds", "µs per change", "buffers per change"),
        [
            (
                label,
                f"{run['seconds']:.2f}",
                f"{run['seconds'] / run['events'] * 1e6:,.0f}",
                f"{run['buffers'] / run['events']:,.1f}",
            )
            for label, run in results["batches"].items()
        ],
    )
    run = results["first load"]
    print(
        f"\nFirst load of {run['events']:,} events: {run['seconds']:.1f} s, "
        f"{run['seconds'] / run['copy seconds']:.1f} times bare COPY of them"
        f" ({run['copy seconds']:.1f} s)"
    )
    print("\nWhere the time goes, in seconds")
    columns = {
        "empty": fixed,
        "5,000": next(reversed(results["history"].values())),
        "100,000": results["batches"]["100,000"],
        "first load": run,
    }
    parts = sorted({part for each in columns.values() for part in each["parts"]})
    report.table(
        ("part", *columns),
        [
            (part, *(f"{each['parts'].get(part, 0):.2f}" for each in columns.values()))
            for part in parts
        ],
    )
    print("\nThe dearest models, in seconds")
    dearest = sorted(run["models"], key=run["models"].get, reverse=True)[:12]
    report.table(
        ("model", *columns),
        [
            (model, *(f"{each['models'].get(model, 0):.2f}" for each in columns.values()))
            for model in dearest
        ],
    )
