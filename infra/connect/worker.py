"""The Connect worker: its configuration, command and readiness."""

from __future__ import annotations

import string
from pathlib import Path

import requests

from infra.kafka import artifacts
from infra.kafka.broker import java_command, write_configuration
from infra.settings import Settings

HERE = Path(__file__).parent
HEAP = "768m"


class Worker:
    """The one Kafka Connect process of a stack. `plugins`: other ones than the stack's."""

    def __init__(self, settings: Settings, plugins: Path | None = None) -> None:
        self.settings = settings
        self._plugins = plugins or artifacts.plugin_path(settings)
        self._configuration = settings.home / "config" / "worker.properties"

    @property
    def command(self) -> list[str]:
        return java_command(
            self.settings,
            HEAP,
            "org.apache.kafka.connect.cli.ConnectDistributed",
            str(self._configuration),
        )

    def configure(self) -> bool:
        """Writes the configuration. Returns whether it changed: then a restart is due."""
        template = string.Template((HERE / "worker.properties").read_text())
        text = template.substitute(
            bootstrap=self.settings.kafka_bootstrap,
            host=self.settings.host,
            port=self.settings.connect_port,
            plugins=self._plugins,
            message_bytes=self.settings.message_bytes,
        )
        return write_configuration(self.settings, "worker.properties", text)

    def answers(self) -> bool:
        """Whether REST answers and the worker has joined its group (it refuses until then)."""
        try:
            return requests.get(f"{self.settings.connect_url}/connectors", timeout=5).ok
        except requests.RequestException:
            return False
