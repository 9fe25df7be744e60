"""`python -m ingest`: see `python -m ingest --help`."""

from __future__ import annotations

import gc
import logging
import signal
import sys
import threading
import time

import psycopg2
from kafka.errors import KafkaError

import catalogue
from ingest import config as configuration
from ingest import faults, land, log, schema
from ingest.deadline import deadline
from ingest.log import say


def main(arguments: list[str]) -> int:
    """Exit code: 0 stopped on request, 1 an error (reported on stderr), 2 wrong usage."""
    if arguments[:1] == ["dead-letters"]:
        from ingest import dead_letters

        return dead_letters.main(arguments[1:])
    try:
        config = configuration.read(arguments)
    except catalogue.CatalogueError as error:
        log.set_up("INFO")
        say("failed", logging.ERROR, error=str(error), kind=type(error).__name__)
        return 1
    log.set_up(config.log_level)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    # Two threads read and land. With Python's default switch interval (5 ms) the landing thread
    # waits for the reading one while the server waits for it.
    sys.setswitchinterval(0.0005)
    begun = time.monotonic()
    try:
        require_crc32c()
        prepare(config, stopping)
        if config.set_position:
            move_positions(config)
        elif not config.init_only:
            run(config, stopping)
    except faults.Stopped as stopped:
        say("stopped", reason=str(stopped))
    except (faults.IngestError, psycopg2.Error, KafkaError) as error:
        # Only the first line of a PostgreSQL error: the lines after it quote the row.
        said = str(error) if isinstance(error, faults.IngestError) else faults.first_line(error)
        say("failed", logging.ERROR, error=said, kind=type(error).__name__)
        if not (config.init_only or config.set_position):
            stopping.wait(max(0.0, begun + config.restart_pause - time.monotonic()))
        return 1
    return 0


def require_crc32c() -> None:
    """IngestError where kafka-python would check every event's CRC in pure Python.

    That is eight times slower and gives no warning.
    """
    try:
        import crc32c  # noqa: F401
    except ImportError as error:
        raise faults.IngestError(
            "The package crc32c is missing; without it kafka-python reads eight times slower."
            " Install it: pip install 'kafka-python[crc32c]', or the project's requirements."
        ) from error


def prepare(config: configuration.Config, stopping: threading.Event) -> None:
    """Creates the staging tables, waiting for a warehouse that is still starting."""
    tables = [configuration.table_of(topic) for topic in config.topics]
    while True:
        try:
            connection = psycopg2.connect(**config.dsn())
            try:
                with deadline(connection, config.answer_seconds):
                    schema.create(connection, tables)
                    if not (config.init_only or config.set_position):
                        with connection, connection.cursor() as cursor:
                            config.book().check(cursor)
            finally:
                connection.close()
            return
        except psycopg2.Error as error:
            where = f"{config.dwh_host}:{config.dwh_port}/{config.dwh_db}"
            if config.init_only or not faults.is_passing(error):
                raise faults.IngestError(
                    f"Cannot prepare schema staging in the warehouse {where} as"
                    f" {config.dwh_user}: {faults.first_line(error)}. Is it up, and is"
                    " AIRLINE_INGEST_PASSWORD the role's password?"
                ) from error
            say("warehouse is away, trying again", logging.WARNING, warehouse=where,
                error=faults.first_line(error))  # fmt: skip
            if stopping.wait(1.0):
                raise faults.Stopped("the warehouse had not answered yet") from error


def move_positions(config: configuration.Config) -> None:
    """Stores the positions given by --set-position."""
    connection = psycopg2.connect(**config.dsn())
    try:
        for topic, partition, offset in config.set_position:
            if topic not in config.topics:
                raise faults.IngestError(
                    f"--set-position: {topic} is none of the landed topics:"
                    f" {', '.join(config.topics)}."
                )
            old = land.set_position(connection, topic, partition, offset)
            say("position set", topic=topic, partition=partition, before=old, now=offset)
    finally:
        connection.close()


def run(config: configuration.Config, stopping: threading.Event) -> None:
    """Lands until stopped."""
    from ingest.broker import Broker
    from ingest.consume import Reader
    from ingest.metrics import Metrics, serve
    from ingest.watch import Watch

    # A batch holds many records without reference cycles: frequent collections find nothing.
    gc.set_threshold(100_000, 50, 100)
    metrics, broker = Metrics(), Broker(config.kafka())
    watch = Watch(broker, metrics, config.stall_seconds)
    if config.metrics_port:
        serve(config.metrics_host, config.metrics_port, metrics, watch.health)
    say("started", kafka=config.bootstrap, group=config.group, topics=config.topics,
        warehouse=f"{config.dwh_host}:{config.dwh_port}/{config.dwh_db}")  # fmt: skip
    lander = land.Lander(config, stopping, broker, metrics, watch)
    reader = Reader(config, stopping, lander, broker, metrics, watch)
    watch.start()
    lander.start()
    try:
        reader.run()
    finally:
        reader.close()
        watch.stop()
        broker.close()
    say("stopped")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
