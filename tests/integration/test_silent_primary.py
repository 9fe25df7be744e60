"""The way between Debezium and the primary takes what is sent, and nothing comes back."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from infra.connect import connector
from infra.connect.service import Connect
from infra.stack.progress import Progress
from infra.stack.service import bring_up
from tests.integration.conftest import scratch_folder
from tests.integration.test_slot_gap_debezium import Cdc
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2700)]


def test_debezium_gives_up_a_primary_that_says_nothing():
    """No change comes ever again, and Connect says that the connector runs."""
    with scratch_folder("airline-silent-") as folder:
        cdc = Cdc(folder)
        proxy = Proxy(cdc.settings.primary_port)
        try:
            through = replace(cdc.settings, primary_port=proxy.port)
            # The worker has the password for one address alone.
            bring_up(Connect(through), cdc.supervisor, Progress())
            connector.register(through)
            time.sleep(2)
            connector.wait_until_running(cdc.settings)
            cdc.change()
            cdc.wait_until_sent()
            proxy.half_open()
            time.sleep(2)
            proxy.heal()
            cdc.change()
            cdc.wait_until_sent()
        finally:
            cdc.supervisor.stop()
            proxy.stop()
