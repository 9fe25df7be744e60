"""Who comes into Kafka Connect, and what it gives away: attacks on a real worker."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import socket
from collections.abc import Iterator

import pytest
import requests

from infra.connect import connector
from infra.connect.worker import REST_SECRET, REST_USER, Worker, login
from infra.errors import AirlineError
from infra.kafka import access, artifacts
from infra.postgres import roles
from infra.settings import Settings
from tests.integration.conftest import (
    KafkaBroker,
    Running,
    free_ports,
    scratch_folder,
    settings_in,
)
from tests.support import root
from tests.support.doors import STRANGER

pytestmark = pytest.mark.timeout(1800)

PATHS = (
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/connectors"),
    ("GET", "/connectors?expand=info"),
    ("GET", f"/connectors/{connector.NAME}/config"),
    ("PUT", f"/connectors/{connector.NAME}/config"),
    ("PUT", f"/connectors/{connector.NAME}/stop"),
    ("DELETE", f"/connectors/{connector.NAME}"),
    ("DELETE", f"/connectors/{connector.NAME}/offsets"),
    ("GET", "/connector-plugins"),
    ("PUT", "/connector-plugins/PostgresConnector/config/validate"),
    ("GET", "/admin/loggers"),
    ("PUT", "/admin/loggers/root"),
)


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with scratch_folder("airline-doors-") as folder:
        made = settings_in(folder)
        artifacts.fetch(made)
        broker = KafkaBroker(made)
        worker = Worker(made)
        worker.configure()
        process = Running(made, worker.command, folder / "connect.log", worker.answers)
        try:
            broker.start()
            process.start()
            yield made
        finally:
            process.kill()
            broker.kill()


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_rest_answers_nobody_without_the_password(settings, method, path):
    """Any process of the machine reads the connector's settings, or takes the connector away."""
    url = settings.connect_url + path
    for auth in (None, (REST_USER, ""), (REST_USER, "admin"), (REST_USER, REST_USER), ("", "")):
        answer = requests.request(method, url, json={}, auth=auth, timeout=60)
        assert answer.status_code == 401, (auth, answer.text)
        assert settings.secret(REST_SECRET) not in answer.text


def test_what_workers_tell_each_other_needs_their_signature(settings):
    """Two paths ask for no password: a forged signature gives a connector tasks of a stranger's."""
    signed = {
        "X-Connect-Authorization": "Zm9yZ2Vk",
        "X-Connect-Request-Signature-Algorithm": "HmacSHA256",
    }
    for method, path in (
        ("POST", f"/connectors/{connector.NAME}/tasks"),
        ("PUT", f"/connectors/{connector.NAME}/fence"),
    ):
        for headers in ({}, signed):
            answer = requests.request(
                method, settings.connect_url + path, json=[], headers=headers, timeout=60
            )
            # 503: there is no key yet that a signature could be of.
            assert answer.status_code in (400, 403, 503), (method, headers, answer.text)
            assert "ignature" in answer.text or "session key" in answer.text


def test_the_commands_have_the_password(settings, monkeypatch):
    """`up`, `status` and the metrics would not reach the connector; or would not say why."""
    assert requests.get(settings.connect_url, auth=login(settings), timeout=60).ok
    assert connector.state(settings) is None
    monkeypatch.setattr("infra.connect.worker.login", lambda settings: (REST_USER, "wrong"))
    with pytest.raises(AirlineError, match="does not take the stack's password"):
        connector.state(settings)


def test_the_password_is_given_to_no_other_account(settings):
    """Whoever takes the port while Connect is down is sent the password by the next command."""
    root.skip_unless_root_can_be()
    [port] = free_ports(1)
    heard = multiprocessing.get_context("fork").Queue()

    def listen() -> None:
        root.become(STRANGER)
        with socket.create_server((settings.host, port)) as server:
            heard.put("")
            connection, _ = server.accept()
            heard.put(connection.recv(65536).decode())

    listener = multiprocessing.get_context("fork").Process(target=listen, daemon=True)
    listener.start()
    try:
        heard.get(timeout=60)
        moved = dataclasses.replace(settings, connect_port=port)
        with pytest.raises(AirlineError, match="another account"):
            connector.state(moved)
        with pytest.raises(AirlineError, match="another account"):
            Worker(moved).answers()
        assert heard.empty()
    finally:
        listener.kill()


def test_no_secret_comes_back_from_validate(settings):
    """A setting that is a reference to a secret is answered with the secret in its place."""
    folder = settings.home / "config"
    secrets = [
        settings.secret(each)
        for each in (roles.CDC, REST_SECRET, access.ADMIN, access.CONNECT, access.DEBEZIUM)
    ]
    references = [
        "${env:AIRLINE_CDC_PASSWORD}",
        "${env:PATH}",
        f"${{file:{folder}/connect.passwords:{REST_USER}}}",
        f"${{file:{folder}/worker.properties:sasl.jaas.config}}",
        f"${{directory:{folder}:cdc.pgpass}}",
        f"${{dir:{folder}:cdc.pgpass}}",
    ]
    for reference in references:
        asked = connector.configuration(settings) | {
            "topic.prefix": reference,
            "database.dbname": reference,
            "slot.name": reference,
        }
        answer = requests.put(
            f"{settings.connect_url}/connector-plugins/PostgresConnector/config/validate",
            json=asked | {"name": "asked"},
            auth=login(settings),
            timeout=120,
        )
        assert answer.ok, answer.text
        # Nothing was put in its place.
        assert f"{reference} has invalid format" in answer.text
        for secret in secrets:
            assert secret not in answer.text


def test_the_connectors_settings_have_no_secret(settings):
    """Whoever reads them over REST, or in the topic that keeps them, has the way to the source."""
    text = json.dumps(connector.configuration(settings))
    assert "${" not in text and "password" not in text and "jaas" not in text
    for each in (roles.CDC, access.DEBEZIUM, access.CONNECT):
        assert settings.secret(each) not in text


def test_a_connector_gets_no_client_of_its_own(settings):
    """Whoever registers a connector reads files, or logs in as somebody else, by its overrides."""
    asked = connector.configuration(settings) | {
        "name": "asked",
        "producer.override.sasl.jaas.config": "org.example.Evil required;",
    }
    answer = requests.put(
        f"{settings.connect_url}/connector-plugins/PostgresConnector/config/validate",
        json=asked,
        auth=login(settings),
        timeout=120,
    )
    errors = [
        error
        for each in answer.json()["configs"]
        if each["value"]["name"].startswith("producer.override")
        for error in each["value"]["errors"]
    ]
    assert errors and "does not allow" in str(errors)


def test_passwords_are_in_private_files_alone(settings):
    """The command line and the environment of a process say a password, or others read its file."""
    worker = Worker(settings)
    said = " ".join(worker.command)
    for each in (roles.CDC, REST_SECRET, access.CONNECT, access.DEBEZIUM):
        secret = settings.secret(each)
        assert secret not in said
        holders = [
            file for file in (settings.home / "config").iterdir() if secret in file.read_text()
        ]
        assert holders
        for file in (*holders, settings.home / "secrets" / each):
            assert file.stat().st_mode & 0o077 == 0
