"""Real parts for integration tests: a PostgreSQL server and a Kafka broker, each thrown away after.

Both run on free ports of 127.0.0.1, with their data in a folder of the tests' own.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import psycopg2
import pytest
from psycopg2 import sql

from infra.kafka import access, artifacts
from infra.kafka.broker import Broker
from infra.postgres.server import Server
from infra.settings import Settings

# How long a part may take to answer before the test run gives up on it, in seconds.
PATIENCE = 600


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def settings_in(folder: Path, **variables: str) -> Settings:
    """Settings of a stack of its own in `folder`, all ports free ones; jars are shared."""
    names = ("PRIMARY", "REPLICA", "DWH", "KAFKA", "KAFKA_CONTROLLER", "CONNECT")
    ports = zip(names, free_ports(len(names)), strict=True)
    usual = Settings.from_environment()
    return Settings.from_environment(
        {
            "AIRLINE_HOME": str(folder),
            "AIRLINE_CACHE": str(usual.cache),
            **{f"AIRLINE_{name}_PORT": str(port) for name, port in ports},
            **variables,
        }
    )


class Running:
    """A server process that tests start, stop and kill."""

    # A program that was started in the background of a script ignores SIGINT, and so does what it
    # starts: Java would never end.
    ends_by = signal.SIGTERM

    def __init__(
        self, settings: Settings, command: list[str], log: Path, answers: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._command = command
        self._log = log
        self._answers = answers
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environment: dict[str, str] | None = None) -> None:
        """Starts it and waits until it answers; what it logged is in the error when it does not."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", **(environment or {})},
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self._command[0]} did not come up:\n{self._log.read_text()}")
            time.sleep(0.1)

    def stop(self, how: signal.Signals | None = None) -> None:
        """Ends it and waits until it is gone."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how or self.ends_by)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def kill(self) -> None:
        """Ends it as a power cut would, and waits until its own processes are gone too: PostgreSQL
        refuses to start while one of the former server's is there.
        """
        children = []
        if self._process is not None and self._process.poll() is None:
            children = psutil.Process(self._process.pid).children(recursive=True)
        self.stop(signal.SIGKILL)
        psutil.wait_procs(children, PATIENCE)


class PostgresServer(Running):
    """A throw-away PostgreSQL server."""

    # It waits for no session.
    ends_by = signal.SIGINT

    def __init__(self, settings: Settings, parameters: dict[str, str | int] | None = None) -> None:
        self.server = Server(settings, "test", settings.home / "data" / "test", settings.dwh_port)
        self.host = settings.host
        self.port = settings.dwh_port
        self.admin_user = settings.admin_user
        self.admin_password = settings.admin_password
        self.server.make()
        self.server.configure({"fsync": "off", "wal_level": "logical", **(parameters or {})})
        super().__init__(
            settings, self.server.command, settings.home / "test.log", self.server.answers
        )

    def dsn(
        self, dbname: str = "postgres", user: str | None = None, password: str | None = None
    ) -> str:
        """libpq connection string, as admin unless told otherwise."""
        return self.server.dsn(dbname, user, password)

    def create_database(self, name: str) -> str:
        """Makes the database `name`, anew if there is one, and returns its connection string."""
        with closing(psycopg2.connect(self.dsn())) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                database = sql.Identifier(name)
                cursor.execute(sql.SQL("drop database if exists {} with (force)").format(database))
                cursor.execute(sql.SQL("create database {}").format(database))
        return self.dsn(name)


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A folder that other accounts can enter, unlike pytest's own ones; removed after."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def reachable_folder() -> Iterator[Path]:
    """The session's `scratch_folder`."""
    with scratch_folder("airline-test-") as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_server(reachable_folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(settings_in(reachable_folder / "postgres"))
    server.start()
    yield server
    server.stop()


class KafkaBroker(Running):
    """A throw-away Kafka broker."""

    def __init__(self, settings: Settings) -> None:
        artifacts.fetch(settings)
        self.broker = Broker(settings)
        # For clients of the tests: the administration.
        self.client = access.client(settings)
        self.broker.configure()
        self.broker.make()
        super().__init__(
            settings, self.broker.command, settings.home / "test.log", self.broker.answers
        )

    def start(self, environment: dict[str, str] | None = None) -> None:
        super().start(environment)
        access.make(self._settings)


@pytest.fixture(scope="session")
def kafka_broker(reachable_folder: Path) -> Iterator[KafkaBroker]:
    broker = KafkaBroker(settings_in(reachable_folder / "kafka"))
    broker.start()
    yield broker
    broker.stop()
