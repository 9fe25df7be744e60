"""What can go wrong while the pipeline runs, each as a function that does it to a stack.

A fault returns when its cause is over (the process is killed, the servers answer again); that the
pipeline comes back from it, by itself and with everything, is what the test asks afterwards.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from itertools import count, islice

import psycopg2

from infra.airflow.api import Api
from infra.connect import connector, signals
from infra.kafka.broker import Broker
from infra.parts.registry import registry
from infra.settings import ROOT
from tests.e2e.faults.scene import Scene

# Rows of the transaction that Connect is killed in.
LARGE = 100_000
SMALL_TABLES = ("airports", "aircrafts", "seats", "flights")


def killed(name: str) -> Callable[[Scene], None]:
    """kill -9 of a service, or of one of several that bear the name."""

    def fault(scene: Scene) -> None:
        # One that an earlier fault took down is there again first.
        running = scene.stack.wait(lambda: scene.services(name), f"a {name} runs")
        scene.stack.kill(scene.dice.choice(running))

    return fault


def warehouse_refuses(scene: Scene) -> None:
    """Nobody listens on the warehouse's port for a minute."""
    scene.stack.supervisor.halt("dwh")
    time.sleep(60 if scene.long else 8)
    scene.stack.supervisor.run("dwh")


def rival_ingester(scene: Scene) -> None:
    """An ingester of another consumer group: it believes that every partition is its own."""
    [program, *_] = [
        service.program()
        for service in registry(scene.stack.settings)
        if service.name.startswith("ingest")
    ]
    rival = subprocess.Popen(
        program.command,
        cwd=program.directory,
        env={
            **os.environ,
            **program.environment,
            "AIRLINE_INGEST_GROUP": "airline-rival",
            "AIRLINE_INGEST_METRICS_PORT": "0",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(scene.dice.uniform(8, 15))
    rival.kill() if scene.dice.random() < 0.5 else rival.terminate()
    rival.wait()


def frozen_ingester(scene: Scene) -> None:
    """An ingester stands still until its partitions are another's, and then goes on with them."""
    # One that an earlier fault ended is there again first.
    running = scene.stack.wait(lambda: scene.services("ingest"), "an ingester runs")
    pid = scene.stack.pid(scene.dice.choice(running))
    os.kill(pid, signal.SIGSTOP)
    # Kafka gives the partitions away after ten seconds of silence.
    time.sleep(scene.dice.uniform(11, 14))
    os.kill(pid, signal.SIGCONT)


def load_killed(scene: Scene) -> None:
    """A dbt run is killed in the middle of a load, with the sessions it had."""
    scene.stack.wait_for_services("dwh")
    load = begin_load(scene)
    time.sleep(scene.dice.uniform(0, 3))
    if load.poll() is None:
        os.killpg(load.pid, signal.SIGKILL)
    load.wait()


def begin_load(
    scene: Scene, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """dbt, at the tables of the vault; in this process's environment unless told otherwise."""
    load = subprocess.Popen(
        ["./airline", "dbt", "run", "--selector", "vault"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    scene.stack.wait(
        lambda: load.poll() is not None or scene.stack.is_loading_vault(),
        "dbt loads the vault",
    )
    return load


def scheduler_killed(scene: Scene) -> None:
    """Airflow's scheduler is killed while a load that it began is under way."""
    scene.stack.wait_for_services("dwh", "airflow-api-server", "airflow-scheduler")
    api = Api(scene.stack.settings)
    if not load_runs(api):
        api.trigger("vault_load")
    scene.stack.wait(
        lambda: "running" in load_runs(api) or not load_runs(api), "Airflow loads the vault"
    )
    time.sleep(scene.dice.uniform(0, 15))
    scene.stack.kill("airflow-scheduler")


def load_runs(api: Api) -> list[str]:
    """The states of the vault's loads that are not over."""
    return [
        run["state"] for run in api.runs("vault_load") if run["state"] not in ("success", "failed")
    ]


def registered_again(scene: Scene) -> None:
    """The connector is deleted, and registered again."""
    scene.wait_for_connector()
    connector.forget(scene.stack.settings)
    time.sleep(scene.dice.uniform(0, 3))
    scene.register()


def large_transaction(scene: Scene) -> None:
    """One transaction of 100,000 rows, and Connect is killed while it is on its way."""
    scene.stack.wait_for_services("primary")
    scene.wait_for_connector()
    settings, topic = scene.stack.settings, ("airline.public.bookings", 0)
    before = Broker(settings).end_offsets([topic[0]])[topic]
    # The simulator draws its references from all there are, also from these.
    taken = {
        reference
        for (reference,) in scene.stack.sql(
            "primary", "select book_ref from bookings where book_ref like 'Z%'"
        )
    }
    free = (reference for number in count() if (reference := _reference(number)) not in taken)
    rows = "".join(
        f"{reference}\t2026-01-01 00:00:00+00\t0.00\n" for reference in islice(free, LARGE)
    )
    with (
        closing(psycopg2.connect(settings.dsn("primary"))) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        # The simulator may draw one of them meanwhile.
        cursor.execute("create temporary table drawn (like bookings) on commit drop")
        cursor.copy_expert("copy drawn from stdin", io.StringIO(rows))
        cursor.execute("insert into bookings select * from drawn on conflict do nothing")
    some = before + scene.dice.randrange(1, LARGE // 2)
    scene.stack.wait(
        lambda: Broker(settings).end_offsets([topic[0]])[topic] >= some, "Connect is amidst it"
    )
    scene.stack.kill("connect")


def second_snapshot(scene: Scene) -> None:
    """A table that has been read is read again, beside the stream."""
    scene.wait_for_connector()
    signals.snapshot(scene.stack.settings, [scene.dice.choice(SMALL_TABLES)], lambda _: None)


FAULTS: dict[str, Callable[[Scene], None]] = {
    "ingester killed": killed("ingest"),
    "connect killed": killed("connect"),
    "kafka killed": killed("kafka"),
    "warehouse killed": killed("dwh"),
    "primary killed": killed("primary"),
    "replica killed": killed("replica"),
    "scheduler killed": scheduler_killed,
    "warehouse refuses": warehouse_refuses,
    "rival ingester": rival_ingester,
    "ingester frozen": frozen_ingester,
    "load killed": load_killed,
    "registered again": registered_again,
    "large transaction": large_transaction,
    "second snapshot": second_snapshot,
}


def _reference(number: int) -> str:
    """A booking reference that begins with Z."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    text = ""
    for _ in range(5):
        number, rest = divmod(number, 36)
        text = digits[rest] + text
    return "Z" + text
