"""`psql` as a person uses it."""

from __future__ import annotations

import os
import sys
import time

from infra.settings import ROOT
from tests.integration.conftest import PostgresServer, scratch_folder, settings_in
from tests.support.terminal import Terminal

RUNS = "select 1 from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'"


def test_a_server_alone_opens_a_session_that_survives_ctrl_c():
    """`psql dwh` asks for more, or Ctrl-C in a long query ends the session with it."""
    with scratch_folder("airline-psql-") as folder:
        settings = settings_in(folder, AIRLINE_DWH_DB="postgres")
        server = PostgresServer(settings)
        server.start()
        try:
            environment = {**os.environ, **settings.environment(), "PYTHONPATH": str(ROOT)}
            command = [sys.executable, "-m", "infra.cli", "psql", "dwh"]
            with Terminal(command, {**environment, "PAGER": "cat"}) as there:
                there.read("postgres=#")
                there.type("select pg_sleep(600);\n")
                while not server.server.query(RUNS):
                    time.sleep(0.1)
                there.type("\x03")
                there.read("canceling statement")
                there.type("select 6 * 7 as answer;\n")
                there.read("(1 row)")
                assert " 42" in there.shown
                there.type("\\q\n")
                assert there.end() == 0
            # With arguments it answers and ends.
            with Terminal([*command, "-Atc", "select 6 * 7"], environment) as there:
                assert there.read().strip() == "42"
                assert there.end() == 0
        finally:
            server.stop()
