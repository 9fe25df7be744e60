"""The warehouse's server."""

from __future__ import annotations

from typing import Any, ClassVar

from infra import warehouse
from infra.postgres import access, roles, sessions
from infra.postgres.service import Postgres
from infra.stack.progress import Progress
from infra.warehouse import layout


class Warehouse(Postgres):
    name = "dwh"
    # It is brought up to this version, or refuses, before anything else runs.
    comes_first = True
    writers = (roles.INGEST, roles.DBT, roles.AIRFLOW, roles.SUPERSET)
    parameters: ClassVar[dict[str, str | int]] = {
        # No one replicates the warehouse: it can be loaded again from the topics. And yet not
        # minimal: a sequence used in the transaction that made it would go back after a crash.
        "wal_level": "replica",
        "max_wal_senders": 0,
        "shared_buffers": "512MB",
        "effective_cache_size": "4GB",
        "work_mem": "64MB",
        "maintenance_work_mem": "256MB",
        "max_wal_size": "4GB",
        # Segments are not used again: they would keep what they had, of people who are forgotten
        # too, until they are full. A new one is first written full of zeros.
        "wal_recycle": "off",
        # A large COPY's log is on disk while it still runs: its commit took 15 ms, and takes 2.
        "wal_writer_delay": "10ms",
        "checkpoint_timeout": "15min",
        # Hash keys do not get smaller: compressing page images took more time than writing them.
        "wal_compression": "off",
        "random_page_cost": 1.1,
        "jit": "off",
    }

    def access(self) -> str:
        return access.warehouse(self.settings)

    def is_of_older_version(self) -> bool:
        found = layout.recorded_in(warehouse.figures_dsn(self.settings))
        layout.refuse_newer(found)
        return found.is_older

    def furnish(self) -> list[str]:
        applied = warehouse.make(self.settings, self.server, Progress().say)
        return [f"dwh: migration {each.number} applied ({each.name})" for each in applied]

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """One statement about loads and what has landed, as the role that reads figures. Else like
        `server.query`.
        """
        return sessions.query(warehouse.figures_dsn(self.settings), statement)
