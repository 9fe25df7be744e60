"""The ingester's settings: environment variables, each with a command-line flag."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import catalogue
from ingest.book import Book, unsupported
from ingest.faults import IngestError


@dataclass(frozen=True)
class Config:
    """Settings of one ingester. Sizes in bytes, times in seconds."""

    bootstrap: str
    kafka_user: str
    dwh_host: str
    dwh_port: int
    dwh_db: str
    dwh_user: str
    dwh_password: str | None = field(repr=False)
    kafka_password: str | None = field(repr=False)
    identity_key: str | None = field(repr=False)
    topic_prefix: str
    group: str
    flush_rows: int
    flush_bytes: int
    flush_seconds: float
    max_dead_letters: int
    session_seconds: float
    poll_seconds: float
    transaction_seconds: float
    stall_seconds: float
    metrics_host: str
    metrics_port: int
    restart_pause: float
    log_level: str
    init_only: bool = False
    set_position: tuple[tuple[str, int, int], ...] = ()

    @property
    def answer_seconds(self) -> float:
        """Seconds without an answer after which a connection to the warehouse is closed. Longer
        than `transaction_seconds`, after which the server itself ends the transaction.
        """
        return self.transaction_seconds + 5

    @property
    def topics(self) -> list[str]:
        """The topics that are landed: one a source table, and Debezium's transaction markers."""
        return catalogue.topics(self.topic_prefix)

    def book(self) -> Book:
        """The book of persons. IngestError without a key, and where the catalogue marks what cannot
        be kept out of `staging`.
        """
        for table in catalogue.tables().values():
            if table.personal and (why := unsupported(table)):
                raise IngestError(f"{catalogue.SOURCES}: {table.name} {why}. Nothing was landed.")
        if not self.identity_key:
            raise IngestError(
                "AIRLINE_INGEST_IDENTITY_KEY is not set: what identifies a person is landed as a"
                " token, by this key. Set it to a secret text, and keep that: with another one"
                " everybody would be somebody else."
            )
        return Book(self.identity_key)

    def is_due(self, rows: int, size: int, seconds: float) -> bool:
        """Whether a batch of that many rows and bytes, begun that long ago, is landed now."""
        return rows >= self.flush_rows or size >= self.flush_bytes or seconds >= self.flush_seconds

    def kafka(self) -> dict[str, object]:
        """Arguments for a client of kafka-python."""
        servers: dict[str, object] = {"bootstrap_servers": self.bootstrap.split(",")}
        if not self.kafka_user:
            return servers
        return servers | {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": self.kafka_user,
            "sasl_plain_password": self.kafka_password,
        }

    def dsn(self) -> dict[str, object]:
        """Arguments for psycopg2.connect."""
        return {
            "host": self.dwh_host,
            "port": self.dwh_port,
            "dbname": self.dwh_db,
            "user": self.dwh_user,
            "password": self.dwh_password,
            "application_name": "airline-ingest",
            "client_encoding": "UTF8",
            # An ingester that was suspended in a transaction must not block its successor for ever.
            "options": f"-c transaction_timeout={int(self.transaction_seconds * 1000)}",
            "connect_timeout": 10,
            # A broken network connection is noticed within a minute.
            "keepalives_idle": 20,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 60_000,
        }


def table_of(topic: str) -> str:
    """The staging table of a topic: its last part."""
    return topic.rsplit(".", 1)[-1]


def _position(text: str) -> tuple[str, int, int]:
    match = re.fullmatch(r"(.+):(\d+)=(\d+)", text)
    if not match:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no TOPIC:PARTITION=OFFSET, as in airline.public.flights:0=1200"
        )
    return match[1], int(match[2]), int(match[3])


def _at_least(kind: type, least: float):
    def convert(text: str):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not value >= least:
            raise argparse.ArgumentTypeError(f"{text!r} is no {kind.__name__} of {least} or more")
        return value

    return convert


def read(arguments: Sequence[str], env: Mapping[str, str] = os.environ) -> Config:
    """Config from flags, else environment variables, else the default stack's values.

    A value that cannot be read ends the program with exit code 2 and a line that names it.
    """
    parser = argparse.ArgumentParser(
        prog="python -m ingest",
        description="Lands Kafka change events in the warehouse's schema staging, each exactly "
        "once. Runs until SIGTERM or SIGINT; then lands the batch in hand and exits with 0.",
        epilog="The warehouse password comes from AIRLINE_INGEST_PASSWORD only, Kafka's from"
        " AIRLINE_INGEST_KAFKA_PASSWORD, the key of the book of persons from"
        " AIRLINE_INGEST_IDENTITY_KEY (any text; the same one for as long as the warehouse lives)."
        " `python -m ingest dead-letters --help`: what to do with events that were refused.",
    )

    def option(flag: str, variable: str, default: str, what: str, kind=str) -> None:
        parser.add_argument(
            flag,
            # argparse converts defaults that are strings, so values of the environment are checked.
            default=env.get(variable) or default,
            type=kind,
            metavar="VALUE",
            help=f"{what} [{variable}, default {default}]",
        )

    host = env.get("AIRLINE_HOST") or "127.0.0.1"
    kafka = f"{host}:{env.get('AIRLINE_KAFKA_PORT') or 9092}"
    port, count = _at_least(int, 1), _at_least(int, 0)
    option("--bootstrap", "AIRLINE_KAFKA_BOOTSTRAP", kafka, "Kafka servers, host:port,…")
    option(
        "--kafka-user",
        "AIRLINE_INGEST_KAFKA_USER",
        "",
        "principal at Kafka, by SASL/SCRAM-SHA-512; empty: a Kafka without logins",
    )
    option("--dwh-host", "AIRLINE_DWH_HOST", host, "warehouse host")
    option("--dwh-port", "AIRLINE_DWH_PORT", "5434", "warehouse port", port)
    option("--dwh-db", "AIRLINE_DWH_DB", "airline_tickets_dwh", "warehouse database")
    option("--dwh-user", "AIRLINE_INGEST_USER", "airline_ingest", "warehouse role")
    # Of the whole stack: a variable would move the ingester alone.
    if "AIRLINE_TOPIC_PREFIX" in env:
        parser.error("AIRLINE_TOPIC_PREFIX is no setting any more: use --topic-prefix")
    prefix = catalogue.topic_prefix()
    parser.add_argument(
        "--topic-prefix",
        default=prefix,
        metavar="VALUE",
        help="first part of the topics' names, for another connector's [topic_prefix in"
        f" dbt_project.yml: {prefix}]",
    )
    option("--group", "AIRLINE_INGEST_GROUP", "airline-ingest", "consumer group")
    option("--flush-rows", "AIRLINE_INGEST_FLUSH_ROWS", "20000", "events in a flush", port)
    option("--flush-bytes", "AIRLINE_INGEST_FLUSH_BYTES", str(16 << 20), "bytes in a flush", port)
    option(
        "--flush-seconds",
        "AIRLINE_INGEST_FLUSH_SECONDS",
        "0.5",
        "longest time an event waits for its flush",
        _at_least(float, 0.01),
    )
    option(
        "--max-dead-letters",
        "AIRLINE_INGEST_MAX_DEAD_LETTERS",
        "1000",
        "refused events in a row that stop the ingester; in a flush of few, a tenth of that",
        count,
    )
    option(
        "--session-seconds",
        "AIRLINE_INGEST_SESSION_SECONDS",
        "10",
        "silence after which Kafka gives a killed ingester's partitions away",
        _at_least(float, 6),
    )
    option(
        "--poll-seconds",
        "AIRLINE_INGEST_POLL_SECONDS",
        "300",
        "time without a poll by the reading thread after which it leaves the consumer group",
        _at_least(float, 6),
    )
    option(
        "--transaction-seconds",
        "AIRLINE_INGEST_TRANSACTION_SECONDS",
        "60",
        "longest transaction; it is ended and tried again, also if another ingester hangs in it",
        _at_least(float, 1),
    )
    option(
        "--stall-seconds",
        "AIRLINE_INGEST_STALL_SECONDS",
        "60",
        "lag without progress, or silence of Kafka or the warehouse, that is unhealthy",
        _at_least(float, 1),
    )
    option("--metrics-host", "AIRLINE_HOST", "127.0.0.1", "where /metrics and /health answer")
    option(
        "--metrics-port",
        "AIRLINE_INGEST_METRICS_PORT",
        "9464",
        "its port; 0: no HTTP",
        count,
    )
    option(
        "--restart-pause",
        "AIRLINE_INGEST_RESTART_PAUSE",
        "5",
        "shortest run time of a failing ingester in seconds, so that restarts are not too frequent",
        _at_least(float, 0),
    )
    option("--log-level", "AIRLINE_INGEST_LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR")
    parser.add_argument(
        "--init-only", action="store_true", help="create the staging tables, then exit"
    )
    parser.add_argument(
        "--set-position",
        action="append",
        default=[],
        type=_position,
        metavar="TOPIC:PARTITION=OFFSET",
        help="store this as the next event to land, then exit. The way out after retention "
        "removed events that were never landed: it accepts their loss",
    )
    given = vars(parser.parse_args(arguments))
    given["topic_prefix"] = given["topic_prefix"].rstrip(".")
    given["log_level"] = given["log_level"].upper()
    if given["log_level"] not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        parser.error(f"--log-level: {given['log_level']!r} is no log level")
    given["set_position"] = tuple(given["set_position"])
    kafka_password = env.get("AIRLINE_INGEST_KAFKA_PASSWORD")
    if given["kafka_user"] and not kafka_password:
        parser.error(f"--kafka-user: set AIRLINE_INGEST_KAFKA_PASSWORD to {given['kafka_user']}'s")
    return Config(
        dwh_password=env.get("AIRLINE_INGEST_PASSWORD"),
        kafka_password=kafka_password,
        identity_key=env.get("AIRLINE_INGEST_IDENTITY_KEY"),
        **given,
    )
