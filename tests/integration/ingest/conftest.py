"""A pipeline of its own for each test: database, topics, consumer group, ingester processes."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psycopg2
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import KafkaTimeoutError, TopicAlreadyExistsError

ROLE, PASSWORD = "ingest_under_test", "its-own-password"
# How long anything may take before a test gives up; nothing is asserted about speed.
PATIENCE = 300.0
_numbers = itertools.count(1)


class Ingester:
    """A real `python -m ingest` process."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path) -> None:
        self.log_file = log
        self.port = int(env["AIRLINE_INGEST_METRICS_PORT"])
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(command, env=env, stderr=stderr)

    def log(self) -> list[dict]:
        """What it has logged so far, a dictionary a line."""
        lines = self.log_file.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def events(self, event: str) -> list[dict]:
        return [line for line in self.log() if line["event"] == event]

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(PATIENCE)

    def terminate(self) -> int:
        """Asks it to stop; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Stops it as a machine that hangs does; its connections stay open."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, path: str) -> tuple[int, str]:
        """Status code and body of its HTTP answer; code 0 while it does not listen."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}{path}", timeout=10
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""


class Pipeline:
    """Topics `<prefix>.public.<table>` and a database that ingesters of a test land them in."""

    def __init__(self, postgres_server, kafka_broker, folder: Path) -> None:
        self.name = f"ingest_{next(_numbers)}_{os.getpid()}"
        self.postgres, self.kafka, self._folder = postgres_server, kafka_broker, folder
        self.dsn = postgres_server.create_database(self.name)
        self.sql(
            f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN END $$"
        )
        self.sql(f"ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'")
        for schema in ("staging", "staging_pii"):
            self.sql(f"CREATE SCHEMA {schema} AUTHORIZATION {ROLE}")
        self._ingesters: list[Ingester] = []
        self._producers: list[KafkaProducer] = []
        self.env = {
            "AIRLINE_KAFKA_BOOTSTRAP": kafka_broker.client["bootstrap_servers"],
            "AIRLINE_INGEST_KAFKA_USER": kafka_broker.client["sasl_plain_username"],
            "AIRLINE_INGEST_KAFKA_PASSWORD": kafka_broker.client["sasl_plain_password"],
            "AIRLINE_DWH_HOST": postgres_server.host,
            "AIRLINE_DWH_PORT": str(postgres_server.port),
            "AIRLINE_DWH_DB": self.name,
            "AIRLINE_INGEST_USER": ROLE,
            "AIRLINE_INGEST_PASSWORD": PASSWORD,
            "AIRLINE_INGEST_IDENTITY_KEY": "the key of a test",
            "AIRLINE_INGEST_GROUP": self.name,
            "AIRLINE_INGEST_FLUSH_SECONDS": "0.1",
            "AIRLINE_INGEST_SESSION_SECONDS": "6",
            "AIRLINE_INGEST_RESTART_PAUSE": "0",
            "AIRLINE_INGEST_METRICS_PORT": "0",
            "AIRLINE_INGEST_LOG_LEVEL": "DEBUG",
        }

    # -- Kafka ----------------------------------------------------------------------------------

    def topic(self, table: str) -> str:
        return f"{self.name}.{'' if table == 'transaction' else 'public.'}{table}"

    def create_topic(self, table: str, partitions: int = 1) -> str:
        topic = self.topic(table)
        with (
            contextlib.closing(self._admin()) as admin,
            contextlib.suppress(TopicAlreadyExistsError),
        ):
            admin.create_topics([NewTopic(topic, partitions, 1)])
            admin.wait_for_topics([topic])
        return topic

    def delete_topic(self, table: str) -> None:
        topic = self.topic(table)
        with contextlib.closing(self._admin()) as admin:
            admin.delete_topics([topic])
            # The controller answers before the broker knows: events of the next topic of this name
            # would go into the old one.
            self.wait(lambda: topic not in admin.list_topics())

    def delete_records(self, table: str, before: int) -> None:
        """Removes the events before an offset, as retention does."""
        with contextlib.closing(self._admin()) as admin:
            admin.delete_records({TopicPartition(self.topic(table), 0): before})

    def _admin(self) -> KafkaAdminClient:
        return KafkaAdminClient(**self.kafka.client)

    def producer(self, **options) -> KafkaProducer:
        producer = KafkaProducer(
            **{
                **self.kafka.client,
                "max_request_size": 12 << 20,
                "linger_ms": 5,
                **options,
            }
        )
        self._producers.append(producer)
        return producer

    def forget_producers(self) -> None:
        """Ends the producers; the next events come from a new one."""
        for producer in self._producers:
            with contextlib.suppress(KafkaTimeoutError):
                producer.close(timeout=5)
        self._producers.clear()

    def produce(
        self, table: str, events: Iterable[tuple[bytes | None, bytes | None]], partition: int = 0
    ) -> None:
        """Appends (key, value) events to a table's topic, in order, and waits for the broker."""
        if not self._producers:
            self.producer()
        topic = self.create_topic(table)
        for key, value in events:
            self._producers[0].send(topic, key=key, value=value, partition=partition)
        self._producers[0].flush()

    def end_offset(self, table: str, partition: int = 0) -> int:
        """Where a committed reader would stand after the last event."""
        partition = TopicPartition(self.topic(table), partition)
        consumer = KafkaConsumer(**self.kafka.client, isolation_level="read_committed")
        with contextlib.closing(consumer):
            return consumer.end_offsets([partition])[partition]

    # -- ingester -------------------------------------------------------------------------------

    def start(self, *flags: str, python: tuple[str, ...] = ("-m", "ingest"), **env) -> Ingester:
        """Starts an ingester; env: AIRLINE_INGEST_<NAME> settings that differ, as <name>."""
        more = {f"AIRLINE_INGEST_{name.upper()}": str(value) for name, value in env.items()}
        ingester = Ingester(
            [sys.executable, *python, "--topic-prefix", self.name, *flags],
            {**os.environ, **self.env, **more},
            self._folder / f"{self.name}-{len(self._ingesters)}.log",
        )
        self._ingesters.append(ingester)
        return ingester

    def wait(self, until: Callable[[], object]) -> None:
        """Waits until something is true; the ingesters' logs are in the error if it never is."""
        deadline = time.monotonic() + PATIENCE
        while not until():
            if time.monotonic() > deadline:
                logs = "\n".join(each.log_file.read_text() for each in self._ingesters)
                raise AssertionError(f"waited {PATIENCE} s in vain; the ingester's log:\n{logs}")
            time.sleep(0.05)

    def wait_landed(self, table: str, next_offset: int | None = None) -> None:
        """Waits until everything produced for the table has landed."""
        end = self.end_offset(table) if next_offset is None else next_offset
        assert end > 0, f"nothing was produced for {table}"
        self.wait(lambda: self.stored(table) >= end)

    # -- warehouse ------------------------------------------------------------------------------

    def sql(self, statement: str, *parameters) -> list[tuple]:
        """Runs a statement as admin; its rows, if any."""
        with contextlib.closing(psycopg2.connect(self.dsn)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []

    def landed(self, table: str) -> list[tuple]:
        """(partition, offset, key, value) of a staging table, in order."""
        return self.sql(
            "SELECT kafka_partition, kafka_offset, key, value"
            f" FROM staging.{table} ORDER BY kafka_partition, kafka_offset"
        )

    def count(self, table: str) -> int:
        return self.sql(f"SELECT count(*) FROM staging.{table}")[0][0]

    def stored(self, table: str, partition: int = 0) -> int:
        """The stored next offset of a table's topic, 0 if there is none."""
        if not self.sql("SELECT to_regclass('staging.ingest_offset')")[0][0]:
            return 0
        rows = self.sql(
            "SELECT next_offset FROM staging.ingest_offset"
            " WHERE topic = %s AND kafka_partition = %s",
            self.topic(table),
            partition,
        )
        return rows[0][0] if rows else 0

    def close(self) -> None:
        for ingester in self._ingesters:
            ingester.thaw()
            ingester.kill()
        self.forget_producers()


@pytest.fixture
def pipeline(postgres_server, kafka_broker, tmp_path) -> Iterator[Pipeline]:
    pipeline = Pipeline(postgres_server, kafka_broker, tmp_path)
    yield pipeline
    pipeline.close()
