"""A proxy between each two parts of a stack, so that the way between them can fail.

Each part is told the proxies' ports in the servers' place: it runs with the settings that
`Links.seen_by` gives it. Kafka tells its clients where to find it, so it gets a listener for each
part that reaches it through a proxy.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from infra.connect import connector
from infra.connect.service import Connect
from infra.kafka import access
from infra.parts.registry import registry
from infra.settings import PORTS, Settings
from infra.source.servers import Replica
from infra.stack.service import Service
from tests.integration.conftest import free_ports
from tests.support.proxy import Proxy

# Who -> the servers that it reaches through a proxy of its own.
WHO: dict[str, tuple[str, ...]] = {
    "connect": ("primary", "kafka"),
    "ingest": ("kafka", "dwh"),
    "replica": ("primary",),
    "load": ("dwh",),
    "status": ("primary", "replica", "dwh", "kafka", "connect"),
    "airflow": ("dwh",),
}


class Links:
    """The proxies of one stack; `with` puts them there, and everything as it was after."""

    def __init__(self, stack) -> None:
        self.stack = stack
        settings: Settings = stack.settings
        # (who, server) -> the port where Kafka expects those who come through that proxy.
        listening = {
            who: port
            for who, port in zip(
                [who for who in WHO if "kafka" in WHO[who]], free_ports(3), strict=True
            )
        }
        self.proxies = {
            (who, server): Proxy(listening[who] if server == "kafka" else settings.port(server))
            for who in WHO
            for server in WHO[who]
        }
        self._listening = listening

    def names(self) -> list[str]:
        """Those of a stack without Airflow, where it has none."""
        airflow = any(each.name.startswith("airflow") for each in registry(self.stack.settings))
        return [f"{who}→{server}" for who, server in self.proxies if who != "airflow" or airflow]

    def proxy(self, name: str) -> Proxy:
        who, server = name.split("→")
        return self.proxies[who, server]

    def seen_by(self, who: str) -> Settings:
        """The stack's settings as this part should see them."""
        ports = {PORTS[server][0]: self.proxies[who, server].port for server in WHO[who]}
        return replace(self.stack.settings, **ports)

    def environment(self, who: str) -> dict[str, str]:
        """The same as variables, for a command."""
        return os.environ | self.seen_by(who).environment()

    def __enter__(self) -> Links:
        self._add_listeners()
        changed = (Connect(self.seen_by("connect")), Replica(self.seen_by("replica")))
        # Connect first: it takes its time to end while Kafka is away.
        for name in ("connect", "kafka", "replica"):
            self.stack.supervisor.halt(name)
        for service in changed:
            service.prepare()
        self._run(self._seen)
        self.stack.wait_for_services()
        self.register()
        return self

    def __exit__(self, *_: object) -> None:
        # `up` writes every configuration again, and restarts whose changed.
        self.stack.up()
        for proxy in self.proxies.values():
            proxy.stop()

    def register(self) -> None:
        """The connector, which reads the primary and its signals through proxies."""
        connector.register(self.seen_by("connect"))

    def _seen(self, service: Service) -> Settings:
        kind = service.name.split("-")[0]
        # Metrics ask what `status` asks.
        who = {"ingest": "ingest", "airflow": "airflow", "metrics": "status"}.get(kind)
        return self.seen_by(who) if who else self.stack.settings

    def _run(self, seen) -> None:
        """Has supervisord run every service with what `seen` says of it."""
        services: Iterable[Service] = registry(self.stack.settings)
        programs = []
        for service in services:
            service.settings = seen(service)
            programs.append(service.program())
        self.stack.supervisor.start(programs)
        for program in programs:
            self.stack.supervisor.run(program.name)

    def _add_listeners(self) -> None:
        settings: Settings = self.stack.settings
        names = {who: who.upper() for who in self._listening}
        usual = f"CLIENTS://{settings.kafka_bootstrap}"
        controller = f"CONTROLLER://{settings.host}:{settings.kafka_controller_port}"
        listeners = [f"{names[who]}://{settings.host}:{p}" for who, p in self._listening.items()]
        advertised = [
            f"{names[who]}://{settings.host}:{self.proxies[who, 'kafka'].port}"
            for who in self._listening
        ]
        protocols = [
            f"{name}:SASL_PLAINTEXT" for name in ("CLIENTS", "CONTROLLER", *names.values())
        ]
        key = f"{access.MECHANISM.lower()}.sasl.jaas.config"
        logins = [
            f"listener.name.{name.lower()}.{key}={access.jaas(settings, access.ADMIN)}"
            for name in names.values()
        ]
        file: Path = settings.home / "config" / "broker.properties"
        # The last one of a name counts.
        file.write_text(
            "\n".join(
                [
                    file.read_text(),
                    f"listeners={','.join((usual, controller, *listeners))}",
                    f"advertised.listeners={','.join((usual, *advertised))}",
                    f"listener.security.protocol.map={','.join(protocols)}",
                    *logins,
                    "",
                ]
            )
        )
