"""How fast change events land in the warehouse, against bare consuming and the usual ways to do it.

Every contender takes the same events from the same topic of two partitions into the same server,
one after the other, in several rounds; medians count. A ratio is that of neighbours: each round's
contender to the same round's bare consuming, for a machine's speed drifts by a fifth in minutes.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import psutil
import psycopg2
import requests
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from benchmarks import report
from benchmarks.server import PARAMETERS
from infra.connect.worker import Worker, login
from infra.kafka import access, artifacts
from ingest import encode
from tests.integration.conftest import (
    KafkaBroker,
    PostgresServer,
    Running,
    scratch_folder,
    settings_in,
)

EVENTS = 500_000
# Rates of slow contenders are taken from a part of the events.
SLOW_PART = 20
PREFIX, TABLE = "bench", "ticket_flights"
TOPIC = f"{PREFIX}.public.{TABLE}"
PARTITIONS = [TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)]
ROLE = "bench_ingest"
SINK = (
    "io/debezium/debezium-connector-jdbc/3.4.0.Final/debezium-connector-jdbc-3.4.0.Final-plugin.tar.gz",
    "80f456b94f836f24f36e916f91f213b3ba42f1b22a6ab1a89aaa6366eecd87f0",
)
# A contender that gets no further for this long has failed; in seconds.
PATIENCE = 180

BARE, ONE, TWO = "bare consuming", "ingester, 1 process", "ingester, 2 processes"
# Events of tickets: with tokens for what identifies a person, and the same bytes as they are.
TOKENS, AS_THEY_ARE = "tickets, persons as tokens", "tickets, as they are"
TICKETS = {TOKENS: ("persons", "tickets"), AS_THEY_ARE: ("plain", "boarding_passes")}
TICKETS_A_PERSON = 4
ROW, COPY = "row at a time, commit a poll", "bare COPY, no Kafka"
SINK_NAME, REPLICATION = "Debezium JDBC sink", "logical replication"


@dataclass(frozen=True)
class Run:
    """Events per second, and what an event cost the Python processes, in µs of processor time.

    The second hardly depends on what else the machine does.
    """

    rate: float
    cpu: float | None = None


def event(n: int) -> tuple[bytes, bytes]:
    """Key and value of a change of ticket_flights as Debezium writes it."""
    row = {
        "ticket_no": f"{n:013d}",
        "flight_id": n % 5000,
        "fare_conditions": "Economy",
        "amount": "12345.00",
    }
    return _event(n, TABLE, row, ("ticket_no", "flight_id"))


def ticket(n: int) -> tuple[bytes, bytes]:
    """The same of tickets."""
    person = n // TICKETS_A_PERSON
    row = {
        "ticket_no": f"{n:013d}",
        "book_ref": f"{n // 2:06X}",
        "passenger_id": f"{person % 10_000:04d} {person:06d}",
        "passenger_name": f"PASSENGER NUMBER{person}",
        "contact_data": json.dumps(
            {"email": f"p{person}@example.org", "phone": f"+7{person:010d}"}
        ),
    }
    return _event(n, "tickets", row, ("ticket_no",))


def _event(n: int, table: str, row: dict, columns: tuple[str, ...]) -> tuple[bytes, bytes]:
    lsn, ms = 24_023_128 + n * 8, 1_764_000_000_000 + n
    source = {
        "version": "3.7.0.Final",
        "connector": "postgresql",
        "name": "airline",
        "ts_ms": ms,
        "snapshot": "false",
        "db": "airline_tickets",
        "sequence": f'["{lsn - 8}","{lsn}"]',
        "ts_us": ms * 1000,
        "ts_ns": ms * 1_000_000,
        "schema": "public",
        "table": table,
        "txId": n // 7,
        "lsn": lsn,
        "xmin": None,
    }
    order = n % 7 + 1
    transaction = {"id": f"{n // 7}:{lsn}", "total_order": order, "data_collection_order": order}
    value = {
        "before": None,
        "after": row,
        "source": source,
        "transaction": transaction,
        "op": "c",
        "ts_ms": ms,
        "ts_us": ms * 1000,
        "ts_ns": ms * 1_000_000,
    }
    key = {column: row[column] for column in columns}
    return tuple(json.dumps(part, separators=(",", ":")).encode() for part in (key, value))


class Bench:
    """The servers, the filled topic, and one method a contender: events per second."""

    def __init__(
        self,
        postgres: PostgresServer,
        kafka: KafkaBroker,
        folder: Path,
        events: int,
        cleanup: ExitStack,
    ) -> None:
        self.postgres = postgres
        self.kafka = kafka
        self.events = events
        self._folder = folder
        self._cleanup = cleanup
        self._runs = 0
        self.dsn = self.postgres.create_database("bench")
        # One for all questions: connecting anew at each look at a contender took a tenth of a core.
        self._connection = cleanup.enter_context(closing(psycopg2.connect(self.dsn)))
        self._connection.autocommit = True
        self.sql(f"create role {ROLE} login password '{ROLE}'")
        self.event_bytes = self._fill(TOPIC, event)
        self._filled = {TOPIC}

    def _fill(self, topic: str, event: Callable[[int], tuple[bytes, bytes]]) -> float:
        """Fills a topic; mean bytes of an event."""
        with closing(KafkaAdminClient(**self.kafka.client)) as admin:
            admin.create_topics([NewTopic(topic, len(PARTITIONS), 1)])
            admin.wait_for_topics([topic])
        producer = KafkaProducer(
            **self.kafka.client,
            acks=1,
            linger_ms=50,
            batch_size=1 << 18,
        )
        size, said = 0, time.monotonic()
        with closing(producer):
            for n in range(self.events):
                key, value = event(n)
                size += len(key) + len(value)
                producer.send(topic, key=key, value=value, partition=n % len(PARTITIONS))
                if time.monotonic() - said > 10:
                    said = time.monotonic()
                    report.say(f"  {n:,} events written to the topic")
            producer.flush()
        return size / self.events

    def sql(self, statement: str, *parameters) -> list[tuple]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def _reading(self) -> Iterator[KafkaConsumer]:
        """A consumer at the beginning of both partitions, with the ingester's fetch sizes."""
        consumer = KafkaConsumer(
            **self.kafka.client,
            enable_auto_commit=False,
            isolation_level="read_committed",
            max_poll_records=5000,
            max_partition_fetch_bytes=16 << 20,
            fetch_max_bytes=64 << 20,
        )
        with closing(consumer):
            consumer.assign(PARTITIONS)
            consumer.seek_to_beginning()
            yield consumer

    # -- contenders -----------------------------------------------------------------------------

    def bare_consuming(self) -> Run:
        """kafka-python alone: every event read and dropped."""
        with self._reading() as consumer:
            got, begun, cpu = 0, time.perf_counter(), time.process_time()
            while got < self.events:
                got += sum(map(len, consumer.poll(1000).values()))
            seconds = time.perf_counter() - begun
            return Run(got / seconds, (time.process_time() - cpu) / got * 1e6)

    def tickets(self, prefix: str, table: str) -> Run:
        """One ingester that lands change events of tickets as those of `table`."""
        topic = f"{prefix}.public.{table}"
        if topic not in self._filled:
            self._filled.add(topic)
            self._fill(topic, ticket)
        return self.ingesters(1, prefix, table)

    def ingesters(self, count: int, prefix: str = PREFIX, table: str = TABLE) -> Run:
        """`python -m ingest`, from the assignment of partitions to the last event's commit."""
        self._runs += 1
        for schema in ("staging", "staging_pii"):
            self.sql(f"drop schema if exists {schema} cascade")
            self.sql(f"create schema {schema} authorization {ROLE}")
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("AIRLINE_")
        } | {
            "AIRLINE_KAFKA_BOOTSTRAP": self.kafka.client["bootstrap_servers"],
            "AIRLINE_INGEST_KAFKA_USER": self.kafka.client["sasl_plain_username"],
            "AIRLINE_INGEST_KAFKA_PASSWORD": self.kafka.client["sasl_plain_password"],
            "AIRLINE_DWH_HOST": self.postgres.host,
            "AIRLINE_DWH_PORT": str(self.postgres.port),
            "AIRLINE_DWH_DB": "bench",
            "AIRLINE_INGEST_USER": ROLE,
            "AIRLINE_INGEST_PASSWORD": ROLE,
            "AIRLINE_INGEST_IDENTITY_KEY": ROLE,
            "AIRLINE_INGEST_GROUP": f"bench-{self._runs}",
            "AIRLINE_INGEST_METRICS_PORT": "0",
        }
        subprocess.run(
            [sys.executable, "-m", "ingest", "--init-only"],
            env=environment, check=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with ExitStack() as running:
            # Nobody may begin before everybody has its partitions: a lock holds them up.
            blocker = running.enter_context(closing(psycopg2.connect(self.dsn)))
            blocker.cursor().execute("lock staging.ingest_offset")
            processes = []
            for number in range(count):
                log = self._folder / f"ingest-{self._runs}-{number}.log"
                process = psutil.Popen(
                    [sys.executable, "-m", "ingest", "--topic-prefix", prefix],
                    env=environment,
                    stderr=running.enter_context(log.open("wb")),
                )
                processes.append(process)
                running.callback(process.wait)
                running.callback(process.send_signal, signal.SIGTERM)
            self._wait_for_members(count)
            blocker.rollback()
            begun, cpu = time.perf_counter(), _cpu_seconds(processes)
            stored = "select coalesce(sum(next_offset), 0) from staging.ingest_offset"
            seconds = self._until(lambda: self.sql(stored)[0][0], begun)
            cpu = _cpu_seconds(processes) - cpu
        [(landed,)] = self.sql(f"select count(*) from staging.{table}")
        assert landed == self.events, f"{landed} events landed of {self.events}"
        return Run(self.events / seconds, cpu / self.events * 1e6)

    def _wait_for_members(self, count: int) -> None:
        """Waits until so many ingesters wait for their positions: each has its partitions then."""
        deadline = time.monotonic() + PATIENCE
        waiting = (
            "select count(*) from pg_stat_activity where usename = %s and wait_event_type = 'Lock'"
        )
        while self.sql(waiting, ROLE)[0][0] < count:
            if time.monotonic() > deadline:
                raise SystemExit(f"{count} ingesters did not come up; see {self._folder}")
            time.sleep(0.1)

    def row_at_a_time(self) -> Run:
        """An INSERT an event, a COMMIT a poll: what a loader written in an afternoon does."""
        self._make_target("by_row")
        wanted = self.events // SLOW_PART
        with (
            self._reading() as consumer,
            closing(psycopg2.connect(self.dsn)) as connection,
            connection.cursor() as cursor,
        ):
            got, begun, cpu = 0, time.perf_counter(), time.process_time()
            while got < wanted:
                for records in consumer.poll(1000, max_records=500).values():
                    for each in records:
                        cursor.execute(
                            "insert into by_row values (%s, %s, to_timestamp(%s), %s, %s)",
                            (
                                each.partition,
                                each.offset,
                                each.timestamp / 1000,
                                each.key.decode(),
                                each.value.decode(),
                            ),
                        )
                    got += len(records)
                connection.commit()
            seconds = time.perf_counter() - begun
            return Run(got / seconds, (time.process_time() - cpu) / got * 1e6)

    def bare_copy(self) -> Run:
        """COPY of ready-made rows, as the ingester makes them, in transactions of its size."""
        self._make_target("by_copy")
        flushes = []
        for first in range(0, self.events, 20_000):
            records = [
                SimpleNamespace(
                    partition=n % 2, offset=n // 2, timestamp=n, key=event(n)[0], value=event(n)[1]
                )
                for n in range(first, min(first + 20_000, self.events))
            ]
            flushes.append(b"".join(iter(encode.CopyStream(records).read, b"")))
        columns = ", ".join(encode.COLUMNS)
        statement = f"copy by_copy ({columns}) from stdin (format binary)"
        with closing(psycopg2.connect(self.dsn)) as connection, connection.cursor() as cursor:
            begun = time.perf_counter()
            for flush in flushes:
                cursor.copy_expert(statement, io.BytesIO(flush), 1 << 20)
                connection.commit()
            return Run(self.events / (time.perf_counter() - begun))

    def jdbc_sink(self) -> Run:
        """Debezium's JDBC sink landing the value as text, under its Kafka position."""
        worker = self._connect()
        table = f"by_sink_{self._runs}"
        self._runs += 1
        configuration = {
            "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
            "tasks.max": "1",
            "topics": TOPIC,
            "connection.url": f"jdbc:postgresql://{self.postgres.host}:{self.postgres.port}/bench",
            "connection.username": self.postgres.admin_user,
            "connection.password": self.postgres.admin_password,
            "collection.name.format": table,
            "insert.mode": "insert",
            "primary.key.mode": "kafka",
            "schema.evolution": "basic",
            "batch.size": "5000",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "transforms": "hoist",
            "transforms.hoist.type": "org.apache.kafka.connect.transforms.HoistField$Value",
            "transforms.hoist.field": "value",
            "consumer.override.auto.offset.reset": "earliest",
            "consumer.override.max.poll.records": "5000",
            "consumer.override.isolation.level": "read_committed",
            # The stack's own connector reads no events.
            "consumer.override.sasl.jaas.config": access.jaas(worker.settings, access.ADMIN),
        }
        url = f"{worker.settings.connect_url}/connectors/{table}"
        asked = {"timeout": 60, "auth": login(worker.settings)}
        requests.put(f"{url}/config", json=configuration, **asked).raise_for_status()
        try:
            self._wait(lambda: self._rows(table), url)
            first, begun = self._rows(table), time.perf_counter()
            # Counting takes the server's time too.
            self._until(lambda: self._rows(table), begun, pause=0.5)
            return Run((self.events - first) / (time.perf_counter() - begun))
        finally:
            requests.delete(url, **asked)

    def _wait(self, until: Callable[[], object], url: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not until():
            answer = requests.get(
                f"{url}/status", timeout=30, auth=login(self._connect().settings)
            ).json()
            traces = [each["trace"] for each in answer.get("tasks", ()) if "trace" in each]
            if traces or time.monotonic() > deadline:
                raise SystemExit(f"the JDBC sink does not start: {traces or answer}")
            time.sleep(0.1)

    def _connect(self) -> Worker:
        """A Connect worker with the sink, started when it is first asked for."""
        if not hasattr(self, "_worker"):
            settings = self.kafka.broker.settings
            plugins = settings.cache / "benchmark-plugins"
            artifacts.fetch_plugin(settings, *SINK, plugins)
            # The worker has its own; two versions of Jackson in one process do not get along.
            for jar in plugins.glob("debezium-connector-jdbc/jackson-*.jar"):
                jar.unlink()
            worker = Worker(settings, plugins)
            worker.configure()
            running = Running(
                settings, worker.command, settings.home / "connect.log", worker.answers
            )
            running.start()
            self._cleanup.callback(running.stop, signal.SIGTERM)
            self._worker = worker
        return self._worker

    def logical_replication(self) -> Run:
        """PostgreSQL's own: rows of the source table, typed, into another database."""
        self._runs += 1
        slot = f"bench_{self._runs}"
        columns = (
            "ticket_no text, flight_id integer, fare_conditions text, amount numeric(10, 2),"
            " primary key (ticket_no, flight_id)"
        )
        self.sql(f"drop table if exists source; create table source ({columns})")
        self.sql("drop publication if exists bench; create publication bench for table source")
        target = self.postgres.create_database("bench_target")
        self.sql("select pg_create_logical_replication_slot(%s, 'pgoutput')", slot)
        self.sql(
            "insert into source select lpad(n::text, 13, '0'), n %% 5000, 'Economy', 12345"
            " from generate_series(1, %s) as n",
            self.events,
        )
        with closing(psycopg2.connect(target)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(f"create table source ({columns})")
            begun = time.perf_counter()
            cursor.execute(
                f"create subscription {slot} connection %s publication bench"
                f" with (create_slot = false, slot_name = '{slot}', copy_data = false)",
                (self.dsn,),
            )

            def applied() -> int:
                cursor.execute("select count(*) from (select from source limit 1) as any_row")
                return self.events if cursor.fetchone()[0] else 0

            seconds = self._until(applied, begun)
            cursor.execute("select count(*) from source")
            assert cursor.fetchone()[0] == self.events
            cursor.execute(f"drop subscription {slot}")
        return Run(self.events / seconds)

    # -- measuring ------------------------------------------------------------------------------

    def _make_target(self, table: str) -> None:
        self.sql(
            f"drop table if exists {table}; create table {table} (kafka_partition integer,"
            " kafka_offset bigint, kafka_timestamp timestamptz, key jsonb, value jsonb,"
            " landed_at timestamptz not null default now(),"
            " primary key (kafka_partition, kafka_offset))"
        )

    def _rows(self, table: str) -> int:
        if self.sql("select to_regclass(%s)", table)[0][0] is None:
            return 0
        return self.sql(f'select count(*) from "{table}"')[0][0]

    def _until(self, done: Callable[[], int], begun: float, pause: float = 0.02) -> float:
        """Seconds since `begun` until all events are there. SystemExit if they stop coming."""
        before, moved = 0, time.monotonic()
        while True:
            now = done()
            if now >= self.events:
                return time.perf_counter() - begun
            if now > before:
                before, moved = now, time.monotonic()
            if time.monotonic() - moved > PATIENCE:
                raise SystemExit(f"stopped at {now:,} of {self.events:,} events")
            time.sleep(pause)


def _cpu_seconds(processes: list[psutil.Popen]) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in processes)


def servers(folder: Path, cleanup: ExitStack) -> tuple[PostgresServer, KafkaBroker]:
    """A warehouse set up as in a stack, and a broker."""
    replication = {"wal_level": "logical", "max_wal_senders": 10}
    postgres = PostgresServer(settings_in(folder / "postgres"), PARAMETERS | replication)
    kafka = KafkaBroker(settings_in(folder / "kafka"))
    for server in (postgres, kafka):
        server.start()
        cleanup.callback(server.stop)
    return postgres, kafka


def contenders(bench: Bench) -> dict[str, Callable[[], Run]]:
    return {
        BARE: bench.bare_consuming,
        ONE: lambda: bench.ingesters(1),
        TWO: lambda: bench.ingesters(2),
        TOKENS: lambda: bench.tickets(*TICKETS[TOKENS]),
        AS_THEY_ARE: lambda: bench.tickets(*TICKETS[AS_THEY_ARE]),
        ROW: bench.row_at_a_time,
        COPY: bench.bare_copy,
        SINK_NAME: bench.jdbc_sink,
        REPLICATION: bench.logical_replication,
    }


def ratios(rounds: dict[str, list[Run]], base: str) -> dict[str, float]:
    """{contender: median over the rounds of its rate to that of `base` in the same round}."""
    return {
        name: median(run.rate / to.rate for run, to in zip(runs, rounds[base], strict=True))
        for name, runs in rounds.items()
    }


def targets(rounds: dict[str, list[Run]], rates: dict[str, float]) -> dict[str, bool]:
    """What is to be reached, and whether it was; of what was measured."""
    reached = {}
    if BARE in rounds and ONE in rounds:
        to_bare = ratios(rounds, BARE)[ONE]
        reached["1 process lands at least 0.7 of bare consuming"] = to_bare >= 0.7
        if rates[BARE] >= 100_000:
            reached["1 process lands at least 50,000 events/s"] = rates[ONE] >= 50_000
    if ONE in rounds and TWO in rounds:
        reached["2 processes land more than 1"] = ratios(rounds, ONE)[TWO] > 1
    return reached


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="airline bench landing", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--events",
        type=int,
        default=EVENTS,
        metavar="N",
        help=f"events in the topic ({EVENTS:,}); with fewer nothing is kept: to try it out",
    )
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="runs of each; the median counts (5)"
    )
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="only contenders whose name has this in it"
    )
    options = parser.parse_args(arguments)
    with ExitStack() as cleanup:
        folder = cleanup.enter_context(scratch_folder("airline-bench-"))
        postgres, kafka = servers(folder, cleanup)
        report.say(f"writing {options.events:,} events to a topic of {len(PARTITIONS)} partitions")
        bench = Bench(postgres, kafka, folder, options.events, cleanup)
        chosen = {
            name: run
            for name, run in contenders(bench).items()
            if not options.only or any(part in name for part in options.only)
        }
        rounds: dict[str, list[Run]] = {name: [] for name in chosen}
        busy = []
        for number in range(options.rounds):
            for name, run in chosen.items():
                # Nobody writes what the one before left in the server's buffers.
                bench.sql("checkpoint")
                rounds[name].append(run())
                busy.append(os.getloadavg()[0])
                report.say(f"  round {number + 1}, {name}: {rounds[name][-1].rate:,.0f} events/s")
    rates = {name: median(run.rate for run in runs) for name, runs in rounds.items()}
    cpu = {name: median(run.cpu for run in runs) for name, runs in rounds.items() if runs[0].cpu}
    to_bare = ratios(rounds, BARE) if BARE in rounds else {}
    rows = [
        (
            name,
            f"{rate:,.0f}",
            f"{to_bare[name]:.2f}" if to_bare else "",
            f"{cpu[name]:.1f}" if name in cpu else "",
        )
        for name, rate in rates.items()
    ]
    report.table(("", "events/s", "to bare consuming", "Python, µs an event"), rows)
    if TOKENS in rounds and AS_THEY_ARE in rounds:
        ratio = ratios(rounds, AS_THEY_ARE)[TOKENS]
        print(f"tickets land with tokens at {ratio:.2f} of the rate without")
    reached = targets(rounds, rates)
    for target, is_reached in reached.items():
        print(f"{'reached' if is_reached else 'MISSED '}  {target}")
    if options.events == EVENTS and not options.only:
        results = {
            "machine": report.machine() | {"load average at the most": round(max(busy), 1)},
            "events": options.events,
            "bytes per event": bench.event_bytes,
            "events per second": rates,
            "to bare consuming": to_bare,
            "Python, µs of processor time per event": cpu,
            "rounds": {name: [asdict(run) for run in runs] for name, runs in rounds.items()},
            "targets": reached,
        }
        report.keep("landing", results)
        size = f"{bench.event_bytes:.0f} bytes each"
        title = f"Events per second: landing {options.events:,} change events of {size}"
        report.bars("landing", title, {"": rates}, "")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
