"""A real worker of Kafka Connect while it starts."""

from __future__ import annotations

import pytest

from infra.connect import connector
from infra.connect.worker import Worker
from infra.errors import AirlineError
from infra.kafka import artifacts
from tests.integration.conftest import KafkaBroker, Running, scratch_folder, settings_in

pytestmark = pytest.mark.timeout(1800)


def test_a_worker_that_starts_does_not_say_that_the_connector_is_gone():
    """For up to a minute after Connect was started commands end with "the
    connector is gone", for its web server knows no page before the worker has found its plugins.
    """
    with scratch_folder("airline-test-") as folder:
        settings = settings_in(folder)
        artifacts.fetch(settings)
        broker = KafkaBroker(settings)
        worker = Worker(settings)
        worker.configure()
        process = Running(settings, worker.command, folder / "connect.log", lambda: True)
        try:
            broker.start()
            process.start()
            said: list[str] = []
            while True:
                try:
                    state = connector.state(settings, 2)
                    break
                except AirlineError as error:
                    said.append(str(error))
            # There is none here; nobody but a worker that has started knows that.
            assert state is None
            assert worker.answers(), said
        finally:
            process.kill()
            broker.kill()
