"""The Connect worker: its configuration, command and readiness."""

from __future__ import annotations

import os
import string
from pathlib import Path

import requests

from infra.errors import AirlineError
from infra.kafka import access, artifacts
from infra.kafka.broker import java_command, quoted, write_configuration, write_private
from infra.postgres import roles
from infra.settings import Settings
from infra.stack import ports

HERE = Path(__file__).parent
HEAP = "768m"
# Who asks REST: every command and service of the stack.
REST_USER = "airline"
REST_SECRET = "connect_rest"


def login(settings: Settings) -> tuple[str, str]:
    """Name and password for Connect's REST. Raises AirlineError where somebody else listens in its
    place: the password would be theirs.
    """
    if strange := ports.accounts(settings.host, settings.connect_port) - {os.geteuid()}:
        raise AirlineError(
            f"another account (number {min(strange)}) listens on Connect's port "
            f"{settings.connect_port}, so it is not given the password",
            "end that process, or move the port with AIRLINE_CONNECT_PORT=<port>",
        )
    return REST_USER, settings.secret(REST_SECRET)


class Worker:
    """The one Kafka Connect process of a stack. `plugins`: other ones than the stack's."""

    def __init__(self, settings: Settings, plugins: Path | None = None) -> None:
        self.settings = settings
        self._plugins = plugins or artifacts.plugin_path(settings)
        # Other plugins are tried with other settings of theirs.
        self._overrides = "None" if plugins is None else "All"
        self._folder = settings.home / "config"

    @property
    def command(self) -> list[str]:
        return java_command(
            self.settings,
            HEAP,
            "org.apache.kafka.connect.cli.ConnectDistributed",
            str(self._folder / "worker.properties"),
            options=(
                f"-Djava.security.auth.login.config={self._folder / 'connect.jaas'}",
                # Debezium's way to the source: no setting of the connector has the password.
                f"-Dorg.postgresql.pgpassfile={self._folder / 'cdc.pgpass'}",
            ),
        )

    def configure(self) -> bool:
        """Writes configuration and passwords. Returns whether they changed: then a restart is
        due.
        """
        # Here, for it asks REST with the login above.
        from infra.connect import connector

        settings = self.settings
        template = string.Template((HERE / "worker.properties").read_text())
        text = template.substitute(
            bootstrap=settings.kafka_bootstrap,
            host=settings.host,
            port=settings.connect_port,
            plugins=self._plugins,
            message_bytes=settings.message_bytes,
            group=access.CONNECT_GROUP,
            mechanism=access.MECHANISM,
            worker_jaas=access.jaas(settings, access.CONNECT),
            connector_jaas=access.jaas(settings, access.DEBEZIUM),
            overrides=self._overrides,
        )
        user, password = REST_USER, settings.secret(REST_SECRET)
        passwords = self._folder / "connect.passwords"
        jaas = string.Template((HERE / "connect.jaas").read_text()).substitute(
            passwords=quoted(str(passwords)),
            connector_jaas=access.jaas(settings, access.DEBEZIUM),
        )
        # To the database of our file alone, whatever the settings of a registered connector say.
        source = connector.configuration(settings)
        way = ":".join(
            source[f"database.{name}"].replace("\\", "\\\\").replace(":", "\\:")
            for name in ("hostname", "port", "dbname", "user")
        )
        changed = [
            write_configuration(settings, "worker.properties", text),
            write_configuration(settings, passwords.name, f"{user}={password}\n"),
            write_private(settings, "connect.jaas", jaas),
            write_private(settings, "cdc.pgpass", f"{way}:{settings.secret(roles.CDC)}\n"),
        ]
        return any(changed)

    def answers(self) -> bool:
        """Whether REST answers and the worker has joined its group (it refuses until then)."""
        url = f"{self.settings.connect_url}/connectors"
        try:
            return requests.get(url, timeout=5, auth=login(self.settings)).ok
        except requests.RequestException:
            return False
