"""The services of the core: what each needs, how it is made, run and asked whether it is ready.

A new service is one more class and one more line in infra/cli/registry.py.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import ClassVar

import requests

from infra import roles, warehouse
from infra.cli.progress import Progress
from infra.cli.supervision import RUNNING, STARTING, Program, ProgramState, Supervisor, tail
from infra.connect import auto_restart
from infra.connect.worker import Worker
from infra.errors import MAKE_ROOM, AirlineError, is_full_disk
from infra.kafka.broker import LANGUAGE, Broker
from infra.postgres import Server
from infra.settings import Settings

REPLICA_SLOT = "airline_replica"
# How long a service may take to become ready, in seconds, and how often it may end meanwhile: the
# supervisor goes on trying, but `up` says why it ends.
PATIENCE = 180
MOST_TRIES = 5
ALIVE = (RUNNING, STARTING)


class Service:
    """One supervised process. `needs` are services that must be ready before it is made."""

    name = ""
    needs: tuple[str, ...] = ()
    # Names in Settings.ports.
    ports: tuple[str, ...] = ()
    # Steps of `up` other than services that come before.
    after_steps: tuple[str, ...] = ()
    # The lock of infra/cli/venv.py whose packages it runs on; `up` installs them.
    lock = "core"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod
    def instances(cls, settings: Settings) -> list[Service]:
        """The processes of this kind that the stack runs."""
        return [cls(settings)]

    def program(self) -> Program:
        raise NotImplementedError

    def module(self, environment: dict[str, str], *arguments: str, **options: int) -> Program:
        """The program that runs a module of this project (`python -m` these arguments), as the
        account that runs ./airline.
        """
        return Program(
            self.name,
            [sys.executable, "-m", *arguments],
            self.settings.root,
            environment,
            as_servers=False,
            **options,
        )

    def prepare(self) -> bool:
        """Makes data and configuration. Returns whether a running process must start again."""
        return False

    def answers(self) -> bool:
        """Whether it is ready. Raises AirlineError when waiting cannot help."""
        return True

    def problem(self) -> str:
        """What is wrong with it though its process runs, and what to do; '' where nothing is.

        Asked by `status`, `up` and the metrics, all services at once, within seconds.
        """
        try:
            return "" if self.answers() else "does not answer"
        except AirlineError as error:
            return str(error)

    def furnish(self) -> list[str]:
        """What must be in it before anybody uses it: databases, roles. Returns what is to be told
        of it.
        """
        return []

    def fill(self, progress: Progress) -> None:
        """What is put into it once the marts are there; asked at each `up`."""

    def address(self) -> str:
        """Where people find it, as `up` prints it at its end; '' where it is not for people."""
        return ""


class Postgres(Service):
    """What primary, replica and warehouse have in common."""

    parameters: ClassVar[dict[str, str | int]] = {}
    # Roles of services that write into it.
    writers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.ports = (self.name,)
        self.server = Server(
            settings, self.name, settings.home / "data" / self.name, settings.port(self.name)
        )

    def program(self) -> Program:
        return Program(
            self.name,
            self.server.command,
            Path("/"),
            # Fast shutdown: a client that stays connected does not hold it up.
            stop_signal="INT",
            stop_seconds=120,
        )

    def prepare(self) -> bool:
        self.server.make()
        return self.server.configure(self.parameters)

    def answers(self) -> bool:
        return self.server.answers()

    def problem(self) -> str:
        return self.server.problem(standby=False, writers=self.writers)


class Primary(Postgres):
    name = "primary"
    parameters: ClassVar[dict[str, str | int]] = {
        "wal_level": "logical",
        "max_wal_senders": 10,
        "max_replication_slots": 10,
        # A forgotten slot must not fill the disk; past this the slot is lost and CDC starts anew.
        "max_slot_wal_keep_size": "16GB",
        # CDC never reads what the replica does not have: after a failover it is not ahead.
        "synchronized_standby_slots": REPLICA_SLOT,
        "shared_buffers": "128MB",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": 1.1,
    }

    def furnish(self) -> list[str]:
        roles.make(self.settings, "primary", self.server.dsn())
        roles.make_database(self.server.dsn(), self.settings.source_db)
        slots = self.server.query("select slot_name from pg_replication_slots")
        if (REPLICA_SLOT,) not in slots:
            self.server.query(f"select pg_create_physical_replication_slot('{REPLICA_SLOT}', true)")
        return []


class Replica(Postgres):
    name = "replica"
    needs = ("primary",)

    def problem(self) -> str:
        return self.server.problem(standby=True)

    def prepare(self) -> bool:
        primary = Primary(self.settings)
        password = self.settings.secret(roles.REPLICATOR)
        if self.server.is_made and self._is_cut_off(primary.server):
            shutil.rmtree(self.server.data)
        self.server.make_from(
            primary.server, user=roles.REPLICATOR, password=password, slot=REPLICA_SLOT
        )
        connection = (
            f"host={self.settings.host} port={self.settings.primary_port} "
            f"user={roles.REPLICATOR} password={password} application_name=airline_replica "
            # Where wal_receiver_timeout does not reach: while it connects.
            "connect_timeout=10 "
            # Slots are synchronised over this connection, and that needs a database.
            f"dbname={self.settings.source_db}"
        )
        return self.server.configure(
            Primary.parameters
            | {
                "primary_conninfo": connection,
                "primary_slot_name": REPLICA_SLOT,
                "hot_standby_feedback": "on",
                "sync_replication_slots": "on",
            }
        )

    def _is_cut_off(self, primary: Server) -> bool:
        """Whether the primary no longer has the WAL that the replica would need."""
        states = primary.query(
            f"select wal_status from pg_replication_slots where slot_name = '{REPLICA_SLOT}'"
        )
        if states != [("lost",)]:
            return False
        primary.query(f"select pg_drop_replication_slot('{REPLICA_SLOT}')")
        primary.query(f"select pg_create_physical_replication_slot('{REPLICA_SLOT}', true)")
        return True


class Warehouse(Postgres):
    name = "dwh"
    writers = (roles.INGEST, roles.DBT, roles.AIRFLOW, roles.SUPERSET)
    parameters: ClassVar[dict[str, str | int]] = {
        # No one replicates the warehouse: it can be loaded again from the topics. And yet not
        # minimal: a sequence used in the transaction that made it would go back after a crash.
        "wal_level": "replica",
        "max_wal_senders": 0,
        "shared_buffers": "512MB",
        "effective_cache_size": "4GB",
        "work_mem": "64MB",
        "maintenance_work_mem": "256MB",
        "max_wal_size": "4GB",
        # Segments are used again; a new one is first written full of zeros, while commits wait.
        "min_wal_size": "1GB",
        # A large COPY's log is on disk while it still runs: its commit took 15 ms, and takes 2.
        "wal_writer_delay": "10ms",
        "checkpoint_timeout": "15min",
        # Hash keys do not get smaller: compressing page images took more time than writing them.
        "wal_compression": "off",
        "random_page_cost": 1.1,
        "jit": "off",
    }

    def furnish(self) -> list[str]:
        applied = warehouse.make(self.settings, self.server)
        return [f"dwh: migration {each.number} applied ({each.name})" for each in applied]


class Kafka(Service):
    name = "kafka"
    ports = ("kafka", "kafka controller")
    after_steps = ("jars",)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.broker = Broker(settings)

    def program(self) -> Program:
        return Program(self.name, self.broker.command, Path("/"), LANGUAGE, stop_seconds=90)

    def prepare(self) -> bool:
        changed = self.broker.configure()
        self.broker.make()
        return changed

    def answers(self) -> bool:
        return self.broker.answers()

    def problem(self) -> str:
        return (
            "" if self.broker.answers(4) else f"does not answer on {self.settings.kafka_bootstrap}"
        )


class Connect(Service):
    name = "connect"
    needs = ("kafka",)
    ports = ("connect",)
    after_steps = ("jars", "slot")

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.worker = Worker(settings)

    def program(self) -> Program:
        return Program(
            self.name,
            self.worker.command,
            Path("/"),
            {"AIRLINE_CDC_PASSWORD": self.settings.secret(roles.CDC), **LANGUAGE},
        )

    def prepare(self) -> bool:
        return self.worker.configure()

    def answers(self) -> bool:
        return self.worker.answers()


class AutoRestart(Service):
    """Starts the connector again when it failed: Connect does not."""

    name = "auto-restart"
    needs = ("connect",)

    def program(self) -> Program:
        environment = self.settings.environment()
        # It asks the primary for the slot, as a role that reads figures and no rows.
        environment["AIRLINE_ADMIN_USER"] = roles.MONITOR
        environment["AIRLINE_ADMIN_PASSWORD"] = self.settings.secret(roles.MONITOR)
        return self.module(environment, "infra.connect.auto_restart")

    def problem(self) -> str:
        return auto_restart.problem(self.settings)


class Ingest(Service):
    """One of the ingesters, which share the topics as a consumer group."""

    needs = ("dwh", "kafka")

    def __init__(self, settings: Settings, number: int = 1) -> None:
        super().__init__(settings)
        self.name = "ingest" if number == 1 else f"ingest-{number}"
        self.ports = (f"{self.name} metrics",)

    @classmethod
    def instances(cls, settings: Settings) -> list[Service]:
        return [cls(settings, number) for number in range(1, settings.ingesters + 1)]

    def program(self) -> Program:
        environment = ingest_environment(self.settings)
        environment["AIRLINE_INGEST_METRICS_PORT"] = str(self.settings.port(self.ports[0]))
        return self.module(environment, "ingest")

    def answers(self) -> bool:
        """Whether its tables are there: it makes them as soon as it has both its ends."""
        server = Warehouse(self.settings).server
        [(table,)] = server.query(
            "select to_regclass('staging.ingest_offset')", dbname=self.settings.dwh_db
        )
        return table is not None

    def problem(self) -> str:
        """Whether it says how it is; what it says is the check `ingesters`."""
        url = f"http://{self.settings.host}:{self.settings.port(self.ports[0])}/health"
        try:
            # 503 is an answer too.
            requests.get(url, timeout=5)
        except requests.RequestException:
            return f"does not answer on {url}"
        return ""


def ingest_environment(settings: Settings) -> dict[str, str]:
    """What `python -m ingest` runs with: logged in as its own role."""
    environment = settings.environment()
    # It has no business with the admin's.
    del environment["AIRLINE_ADMIN_PASSWORD"]
    environment["AIRLINE_INGEST_PASSWORD"] = settings.secret(roles.INGEST)
    # Its own settings (flush sizes, limits) are no part of Settings.
    own = {name: os.environ[name] for name in os.environ if name.startswith("AIRLINE_INGEST_")}
    return own | environment


def bring_up(service: Service, supervisor: Supervisor, progress: Progress) -> None:
    """Makes, starts and furnishes one service; returns when it is ready."""
    was_running = _state(service.name, supervisor) in ALIVE
    begin = time.monotonic()
    if service.prepare() and was_running:
        supervisor.halt(service.name)
        was_running = False
    ended_before = _told(service.name, supervisor).restarts
    supervisor.run(service.name)
    deadline = time.monotonic() + PATIENCE
    while not (service.answers() and _state(service.name, supervisor) in ALIVE):
        told = _told(service.name, supervisor)
        if (
            told.state == "STOPPED"
            or told.restarts - ended_before > MOST_TRIES
            or time.monotonic() > deadline
        ):
            raise failure(service.name, supervisor, told.state)
        time.sleep(0.1)
    for line in service.furnish():
        progress.say(line)
    if not was_running:
        progress.say(f"{service.name} ready ({time.monotonic() - begin:.1f} s)")


def _state(name: str, supervisor: Supervisor) -> str:
    return _told(name, supervisor).state


def _told(name: str, supervisor: Supervisor) -> ProgramState:
    states = supervisor.states()
    if name not in states:
        raise AirlineError(
            f"supervisord, which runs {name}, went away", "'./airline up' starts it again"
        )
    return states[name]


def failure(name: str, supervisor: Supervisor, state: str) -> AirlineError:
    """The error for a service that does not come up: what it logged last, and where."""
    log = supervisor.log(name)
    last = tail(log, 12)
    todo = f"see the end of its log below, all of it in {log}; './airline up' tries again"
    if is_full_disk(tail(log, 60)):
        todo = f"{MAKE_ROOM}, then './airline up'"
    return AirlineError(f"{name} did not become ready (it is {state})", todo, last)
