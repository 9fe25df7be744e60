"""A stack's folder may have any name that a person gives it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from infra.connect.service import Connect
from infra.kafka.service import Kafka
from infra.settings import Settings
from tests.integration.conftest import KafkaBroker, PostgresServer, Running, settings_in

pytestmark = pytest.mark.timeout(1800)


def test_servers_run_in_a_folder_that_is_not_ascii(reachable_folder: Path):
    """Java would not find its classes, or Kafka would write into a folder of another name."""
    folder = reachable_folder / "бронь é 😀"
    folder.mkdir(mode=0o755)
    # The jars' path is no better: by default they lie in the stack's folder.
    (folder / "cache").symlink_to(Settings.from_environment().cache)
    settings = settings_in(folder, AIRLINE_CACHE=str(folder / "cache"))
    kafka, connect = Kafka(settings), Connect(settings)

    warehouse = PostgresServer(settings)
    broker = KafkaBroker(settings)
    connect.prepare()
    worker = Running(settings, connect.program().command, folder / "test.log", connect.answers)
    try:
        warehouse.start()
        broker.start(kafka.program().environment)
        worker.start(connect.program().environment)
        with closing(psycopg2.connect(warehouse.dsn())) as connection:
            assert connection.server_version >= 180000
        assert list((folder / "data" / "kafka").glob("*/00000000000000000000.log"))
    finally:
        worker.stop()
        broker.stop()
        warehouse.stop()
