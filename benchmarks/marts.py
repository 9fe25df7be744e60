"""What each mart costs with a history, and with one ten times as large.

Two warehouses on one server, filled with the booking system's own made histories as a snapshot of
it would land, and loaded by the project's dbt graph. A view costs when it is read, a table when it
is built: after a batch that changes segments of a single day. Ratios within one run are what the
figures are worth.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.server import warehouse_server
from infra.source.database import setup
from infra.source.history import load_history
from tests.integration.conftest import PostgresServer, scratch_folder
from tests.support.events import KEYS
from tests.support.warehouse import Warehouse, messages

TIMES = 10
# Segments that the batch before a refresh changes, all of one day.
BATCH = 500
# How a value of a source column stands in an event.
IN_EVENTS = {
    "timestamp with time zone": (
        "to_char({} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    ),
    "numeric": "{}::text",
    "jsonb": "{}::text",
}


class Marts:
    """A warehouse of its own with a history of the given scale, loaded, its marts built."""

    def __init__(self, server: PostgresServer, name: str, folder: Path, scale: float) -> None:
        self.warehouse = Warehouse(server, name, folder)
        setup(self.warehouse.dsn)
        load_history(self.warehouse.dsn, scale=scale, progress=lambda line: report.say(f"  {line}"))
        self.segments = self._count("ticket_flights")
        for table in KEYS:
            self._land(table)
        self.run("vault")
        self.dbt("seed")
        self.run("marts")
        self.warehouse.rows("analyze")

    def _count(self, table: str) -> int:
        return int(self.warehouse.rows(f"select count(*) from public.{table}")[0][0])

    def _row(self, table: str) -> str:
        """SQL for a row of a source table as it stands in an event."""
        columns = self.warehouse.rows(
            "select column_name, data_type from information_schema.columns"
            " where table_schema = 'public' and table_name = %s",
            table,
        )
        pairs = [f"'{name}', {IN_EVENTS.get(kind, '{}').format(name)}" for name, kind in columns]
        return f"jsonb_build_object({', '.join(pairs)})"

    def _land(self, table: str) -> None:
        """Lands every row of a source table as an event of a snapshot."""
        key = ", ".join(f"'{column}', {column}" for column in KEYS[table])
        self.warehouse.rows(
            f"insert into staging.{table}"
            " (kafka_partition, kafka_offset, kafka_timestamp, key, value)"
            f" select 0, row_number() over () - 1, now(), jsonb_build_object({key}),"
            f" jsonb_build_object('before', null, 'after', {self._row(table)}, 'source',"
            " jsonb_build_object('connector', 'postgresql', 'name', 'airline', 'schema', 'public',"
            f" 'table', '{table}', 'txId', 1, 'ts_us', 1770000000000000, 'lsn', 10000000),"
            " 'transaction', null, 'op', 'r')"
            f" from public.{table}"
        )
        self.warehouse.rows(
            "insert into staging.ingest_offset (topic, kafka_partition, next_offset)"
            " values (%s, 0, %s)",
            f"airline.public.{table}",
            self._count(table),
        )
        self.warehouse.source.next_offset[table, 0] = self._count(table)

    def run(self, selector: str) -> dict[str, float]:
        """Seconds of each model, in one `dbt run` of the selector."""
        done = self.dbt("run", "--selector", selector, "--threads", "1")
        return {result.node.name: result.execution_time for result in done.result}

    def dbt(self, *arguments: str) -> Any:
        """Runs dbt; SystemExit with what it says if it fails."""
        done = self.warehouse.dbt(*arguments)
        if not done.success:
            raise SystemExit(f"dbt {' '.join(arguments)} failed: {messages(done)}")
        return done

    def models(self) -> dict[str, Any]:
        """{name: node} of the marts."""
        return {
            node.name: node
            for node in self.warehouse.manifest.nodes.values()
            if node.resource_type == "model" and node.fqn[1] == "marts"
        }

    def change_a_day(self) -> None:
        """Loads a batch that changes segments flown three days ago, and nothing else."""
        rows = self.warehouse.rows(
            f"select {self._row('ticket_flights')} from public.ticket_flights"
            " where flight_id in (select flight_id from public.flights where status = 'Arrived'"
            " and (actual_departure at time zone 'UTC')::date = current_date - 3) limit %s",
            BATCH,
        )
        if not rows:
            raise SystemExit("nobody has flown in this history: give a larger --scale")
        self.warehouse.source.commit(*(("u", "ticket_flights", row) for (row,) in rows))
        self.warehouse.source.land()
        self.run("vault")

    def read(self, relation: str, rounds: int) -> dict[str, float]:
        """Milliseconds and pages of reading all rows and columns, the least of several rounds."""
        plans = [
            self.warehouse.rows(
                "explain (analyze, buffers, timing off, format json)"
                f" select * from {relation} offset 0"
            )[0][0][0]
            for _ in range(rounds)
        ]
        plan = min(plans, key=lambda plan: plan["Execution Time"])
        pages = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
        return {"ms": plan["Execution Time"], "pages": pages}

    def days_of_newest_batch(self) -> tuple[int, int]:
        """Days of airport_passenger_flow that the newest load wrote, and days in all."""
        return self.warehouse.rows(
            "select count(distinct flight_date) filter (where load_batch_id = newest),"
            " count(distinct flight_date) from presentation.airport_passenger_flow,"
            " (select max(load_batch_id) as newest from dwh_control.load_batch) as batches"
        )[0]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="airline bench marts", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        metavar="X",
        help="size of the smaller history, as of `up --scale` (1); nothing is kept of another",
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="the least counts (3)")
    options = parser.parse_args(arguments)

    results: dict[str, Any] = {"machine": report.machine(), "segments": {}, "marts": {}}
    with ExitStack() as cleanup:
        folder = cleanup.enter_context(scratch_folder("airline-bench-"))
        server = cleanup.enter_context(warehouse_server(folder))
        for label, scale in (("1×", options.scale), (f"{TIMES}×", options.scale * TIMES)):
            report.say(f"{label}: a history of scale {scale:g}, loaded from the first event")
            marts = Marts(server, f"bench_{len(results['segments'])}", folder / label, scale)
            results["segments"][label] = marts.segments
            report.say(f"  {marts.segments:,} segments; a day changes, then the marts are read")
            for name, cost in _costs(marts, options.rounds).items():
                results["marts"].setdefault(name, {})[label] = cost
            written, days = marts.days_of_newest_batch()
            results["days written by the newest load"] = {"written": written, "days": days}
    _print(results)
    if options.scale == 1:
        report.keep("marts", results)
    return 0


def _costs(marts: Marts, rounds: int) -> dict[str, dict[str, Any]]:
    built: list[dict[str, float]] = []
    for _ in range(rounds):
        marts.change_a_day()
        built.append(marts.run("marts"))
    costs = {}
    for name, node in sorted(marts.models().items()):
        kind = node.config.materialized
        costs[name] = {"kind": kind, "read": marts.read(f"{node.schema}.{node.alias}", rounds)}
        if kind != "view":
            costs[name]["refresh seconds"] = min(run[name] for run in built)
    return costs


def _print(results: dict[str, Any]) -> None:
    less, more = results["segments"]
    print(f"{results['segments'][less]:,} and {results['segments'][more]:,} segments")
    rows = []
    for name, costs in results["marts"].items():
        small, large = costs[less], costs[more]
        row = [name, small["kind"]]
        for figure in ("ms", "pages"):
            first, second = small["read"][figure], large["read"][figure]
            row += [f"{first:,.0f}", f"{second:,.0f}", f"{second / max(first, 1):.1f}"]
        first, second = small.get("refresh seconds"), large.get("refresh seconds")
        row += [f"{first:.2f}", f"{second:.2f}", f"{second / first:.1f}"] if first else [""] * 3
        rows.append(row)
    heads = ("", "kind", *("read, ms", more, "ratio"), *("pages", more, "ratio"))
    report.table((*heads, "refresh, s", more, "ratio"), rows)
    flow = results["days written by the newest load"]
    print(f"airport_passenger_flow: the newest load wrote {flow['written']} of {flow['days']} days")
