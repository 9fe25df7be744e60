"""Who listens where a server of the stack should be is sent no password."""

from __future__ import annotations

import re
import socket
import struct
import threading
from pathlib import Path

import psycopg2
import pytest

from infra.connect import connector
from infra.postgres.server import Server
from infra.settings import Settings
from infra.source.servers import Replica
from infra.stack import caller, home

CLEARTEXT = b"R" + struct.pack("!II", 8, 3)


@pytest.fixture
def heard() -> tuple[int, list[bytes]]:
    """A port where somebody asks whoever comes for the password itself, and what was sent."""
    said: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(10)
                    connection.recv(4096)
                    connection.sendall(CLEARTEXT)
                    said.append(connection.recv(4096))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield server.getsockname()[1], said
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def settings_at(port: int, folder: Path) -> Settings:
    return Settings.from_environment({"AIRLINE_HOME": str(folder), "AIRLINE_DWH_PORT": str(port)})


def test_a_false_server_is_sent_no_password(heard, tmp_path, monkeypatch):
    """Whoever takes a server's port while it is down asks for passwords, and has them."""
    # As it is where no command of ours started the process.
    monkeypatch.delenv("PGREQUIREAUTH", raising=False)
    port, said = heard
    settings = settings_at(port, tmp_path)
    # What is asked does ask: without more, a client answers.
    plain = {"host": "127.0.0.1", "port": port, "user": "a", "password": "told"}
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(**plain, gssencmode="disable", sslmode="disable")
    assert b"told" in said.pop()
    for dsn in (settings.dsn("dwh"), Server(settings, "dwh", tmp_path, port).dsn()):
        with pytest.raises(psycopg2.OperationalError, match="authentication method requirement"):
            psycopg2.connect(dsn, gssencmode="disable", sslmode="disable")
    assert not any(said)


def test_services_and_commands_take_a_servers_proof(heard, tmp_path, monkeypatch):
    """The same of what makes its connections itself: Superset, dbt, Airflow, the ingester."""
    port, said = heard
    for environment in (settings_at(port, tmp_path).service_environment(), cleaned()):
        monkeypatch.setenv("PGREQUIREAUTH", environment["PGREQUIREAUTH"])
        with pytest.raises(psycopg2.OperationalError, match="authentication method requirement"):
            psycopg2.connect(
                host="127.0.0.1", port=port, user="a", password="told",
                gssencmode="disable", sslmode="disable",
            )  # fmt: skip
    assert not any(said)


def cleaned() -> dict[str, str]:
    environ: dict[str, str] = {}
    caller.clean(environ)
    return environ


def test_replica_and_connector_take_a_servers_proof(tmp_path, monkeypatch):
    """They come again and again while the primary is down; the replica's password opens all."""
    settings = Settings.from_environment({"AIRLINE_HOME": str(tmp_path)})
    home.make(settings)
    monkeypatch.setattr(Server, "make_from", lambda server, *_, **__: server.data.mkdir())
    replica = Replica(settings)
    replica.prepare()
    text = (replica.server.data / "airline.conf").read_text()
    assert re.search(r"primary_conninfo = .*require_auth=scram-sha-256", text)
    assert connector.configuration(settings)["driver.requireAuth"] == "scram-sha-256"
