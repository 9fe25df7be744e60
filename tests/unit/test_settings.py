"""Settings that cannot work are refused before anything is started."""

from __future__ import annotations

import pytest

from infra.errors import AirlineError
from infra.settings import PORTS, Settings


def settings(**variables: str) -> Settings:
    return Settings.from_environment({f"AIRLINE_{name}": text for name, text in variables.items()})


def test_the_offset_moves_every_port_but_those_set_alone():
    """Two stacks side by side would fight for a port."""
    moved = settings(PORT_OFFSET="100", KAFKA_PORT="9999")
    usual = settings()
    for service in PORTS:
        wanted = 9999 if service == "kafka" else usual.port(service) + 100
        assert moved.port(service) == wanted, service


@pytest.mark.parametrize("offset", ["-1", "x", "1.5", "60001", "60000"])
def test_an_offset_that_gives_no_ports_is_refused(offset):
    """A service would be started on a port that does not exist."""
    with pytest.raises(AirlineError, match="AIRLINE_"):
        settings(PORT_OFFSET=offset)


def test_one_port_for_two_services_is_refused():
    """The second of them would never come up, with an error in a log somewhere."""
    with pytest.raises(AirlineError, match="both mean port 5432"):
        settings(DWH_PORT="5432")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "warehouse.example"])
def test_the_demos_password_does_not_guard_what_others_can_reach(host):
    """Anybody on the network could log in with the password of the README."""
    with pytest.raises(AirlineError, match="AIRLINE_ADMIN_PASSWORD"):
        settings(HOST=host)
    mine = settings(HOST=host, ADMIN_PASSWORD="its own", SUPERSET_PASSWORD="its own")
    assert mine.host == host
    mine.refuse_demo_password("Superset", "AIRLINE_SUPERSET_PASSWORD")
    with pytest.raises(AirlineError, match="AIRLINE_AIRFLOW_PASSWORD"):
        mine.refuse_demo_password("Airflow", "AIRLINE_AIRFLOW_PASSWORD")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_the_demos_password_is_fine_on_loopback(host):
    """The demo would ask for a password before it shows anything."""
    assert settings(HOST=host).host == host


def test_an_account_that_cannot_run_servers_is_refused():
    """initdb would fail with a message that does not name the setting."""
    with pytest.raises(AirlineError, match="AIRLINE_SERVICE_USER"):
        from infra.settings import account

        account("nobody-of-that-name")


def test_each_ingester_has_a_port_of_its_own():
    """The second ingester would not start, or answer on the port of another service."""
    three = settings(INGESTERS="3", PORT_OFFSET="100")
    assert three.port("ingest metrics") == 9564
    assert [three.port(f"ingest-{n} metrics") for n in (2, 3)] == [9565, 9566]
    with pytest.raises(AirlineError, match="both mean port 9465"):
        settings(INGESTERS="2", CONNECT_PORT="9465")
