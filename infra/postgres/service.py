"""What primary, replica and warehouse have in common as services."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from infra.postgres.server import Server
from infra.settings import Settings
from infra.stack.program import Program
from infra.stack.service import Service


class Postgres(Service):
    """What primary, replica and warehouse have in common."""

    parameters: ClassVar[dict[str, str | int]] = {}
    # Roles of services that write into it.
    writers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.ports = (self.name,)
        self.server = Server(
            settings, self.name, settings.home / "data" / self.name, settings.port(self.name)
        )

    def program(self) -> Program:
        return Program(
            self.name,
            self.server.command,
            Path("/"),
            # Fast shutdown: a client that stays connected does not hold it up.
            stop_signal="INT",
            stop_seconds=120,
        )

    def refuse_if_strange(self) -> None:
        # Another password than ours.
        self.answers()

    def address(self) -> str:
        settings = self.settings
        where = f"{settings.host}:{self.server.port}/{settings.database(self.name)}"
        login = settings.login("admin_user", "admin_password")
        return f"postgresql://{settings.admin_user}@{where} ({login})"

    def prepare(self) -> bool:
        self.server.make()
        return self.server.configure(self.parameters, self.access())

    def access(self) -> str:
        """Its pg_hba.conf."""
        raise NotImplementedError

    def answers(self) -> bool:
        return self.server.answers()

    def problem(self) -> str:
        return self.server.problem(standby=False, writers=self.writers)
