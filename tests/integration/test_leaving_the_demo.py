"""A demo's servers become those of production, with passwords that nobody knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import psycopg2
import pytest

from infra.errors import AirlineError
from infra.settings import DEMO_PASSWORDS, Settings
from tests.integration.conftest import PostgresServer, scratch_folder, settings_in

KNOWN = DEMO_PASSWORDS["AIRLINE_ADMIN_PASSWORD"]


@pytest.fixture(scope="module")
def demo() -> Iterator[PostgresServer]:
    with scratch_folder("airline-demo-") as folder:
        server = PostgresServer(settings_in(folder / "demo"))
        server.start()
        yield server
        server.stop()


def production_of(demo: PostgresServer, **variables: str) -> Settings:
    settings = demo.server.settings
    return Settings.from_environment(
        {
            "AIRLINE_HOME": str(settings.home),
            "AIRLINE_DWH_PORT": str(settings.dwh_port),
            "AIRLINE_MODE": "production",
            **variables,
        }
    )


def test_admin_gets_the_password_of_production(demo):
    """`up` cannot go on with data that the demo made; or the known password opens it for ever."""
    before = demo.server.settings.home / "test.log"
    said_before = before.stat().st_size
    mine = production_of(demo)
    server = dataclasses.replace(demo.server, settings=mine)
    # The first question finds the demo's password, and the next one its own.
    assert not server.answers()
    assert server.answers()
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(demo.server.dsn(password=KNOWN))
    assert mine.admin_password not in before.read_bytes()[said_before:].decode()
    # A password that is neither is nobody's to change.
    other = production_of(demo, AIRLINE_ADMIN_PASSWORD="a third one")
    with pytest.raises(AirlineError, match="refuses the password"):
        dataclasses.replace(demo.server, settings=other).answers()
    # A demo does not take it back.
    with pytest.raises(AirlineError, match="refuses the password"):
        demo.server.answers()
    assert server.answers()
