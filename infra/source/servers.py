"""The servers of the booking system: the primary, and the replica that takes over from it."""

from __future__ import annotations

import shutil
from typing import ClassVar

from psycopg2.extensions import make_dsn

from infra.postgres import access, base_backup, roles
from infra.postgres.server import Server
from infra.postgres.service import Postgres
from infra.settings import PROOF, Settings
from infra.source import capture, resync_due
from infra.stack.plan import Step
from infra.stack.service import Up

REPLICA_SLOT = "airline_replica"
# What a slot that nobody reads may keep of the log, in GB; less on a small disk.
SLOT_KEEPS = 16


class Primary(Postgres):
    """The booking system's server, with its tables and a history in them."""

    name = "primary"
    parameters: ClassVar[dict[str, str | int]] = {
        "wal_level": "logical",
        "max_wal_senders": 10,
        "max_replication_slots": 10,
        # CDC never reads what the replica does not have: after a failover it is not ahead.
        "synchronized_standby_slots": REPLICA_SLOT,
        "shared_buffers": "128MB",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": 1.1,
    }

    @classmethod
    def steps(cls, up: Up) -> list[Step]:
        return [
            Step("source tables", lambda: _make_tables(up), ("primary",)),
            Step("history", lambda: _load_history(up), ("source tables",)),
        ]

    def warnings(self) -> list[str]:
        """What keeps changes from being captured, and what resync is due."""
        faults = capture.faults(resync_due.look(self.settings))
        due = resync_due.request(resync_due.noted(self.settings))
        return [*map(str, faults), *([due] if due else [])]

    def access(self) -> str:
        return access.source(self.settings)

    def prepare(self) -> bool:
        self.server.make()
        return self.server.configure(source_parameters(self.settings), self.access())

    def furnish(self) -> list[str]:
        roles.make(self.settings, "primary", self.server.dsn())
        roles.make_database(self.server.dsn(), self.settings.source_db)
        base_backup.refuse(self.server.dsn(self.settings.source_db), roles.CDC)
        slots = self.server.query("select slot_name from pg_replication_slots")
        if (REPLICA_SLOT,) not in slots:
            self.server.query(f"select pg_create_physical_replication_slot('{REPLICA_SLOT}', true)")
        return []


class Replica(Postgres):
    name = "replica"
    needs = ("primary",)

    def access(self) -> str:
        return access.source(self.settings)

    def problem(self) -> str:
        return self.server.problem(standby=True)

    def prepare(self) -> bool:
        primary = Primary(self.settings)
        password = self.settings.secret(roles.REPLICATOR)
        if self.server.is_made and self._is_cut_off(primary.server):
            shutil.rmtree(self.server.data)
        self.server.make_from(
            primary.server, user=roles.REPLICATOR, password=password, slot=REPLICA_SLOT
        )
        self.server.write_passfile(roles.REPLICATOR, password)
        connection = make_dsn(
            host=self.settings.host,
            port=self.settings.primary_port,
            user=roles.REPLICATOR,
            passfile=str(self.server.passfile),
            application_name="airline_replica",
            # Where wal_receiver_timeout does not reach: while it connects.
            connect_timeout=10,
            **PROOF,
            # Slots are synchronised over this connection, and that needs a database.
            dbname=self.settings.source_db,
        )
        return self.server.configure(
            source_parameters(self.settings)
            | {
                "primary_conninfo": connection,
                "primary_slot_name": REPLICA_SLOT,
                "hot_standby_feedback": "on",
                "sync_replication_slots": "on",
            },
            self.access(),
        )

    def _is_cut_off(self, primary: Server) -> bool:
        """Whether the primary no longer has the WAL that the replica would need."""
        states = primary.query(
            f"select wal_status from pg_replication_slots where slot_name = '{REPLICA_SLOT}'"
        )
        if states != [("lost",)]:
            return False
        primary.query(f"select pg_drop_replication_slot('{REPLICA_SLOT}')")
        primary.query(f"select pg_create_physical_replication_slot('{REPLICA_SLOT}', true)")
        return True


def source_parameters(settings: Settings) -> dict[str, str | int]:
    """A forgotten slot must not fill the disk: past a quarter of it the slot is lost, and CDC
    starts anew.
    """
    quarter = shutil.disk_usage(settings.home).total // 4
    kept = max(1, min(SLOT_KEEPS, quarter >> 30))
    return Primary.parameters | {"max_slot_wal_keep_size": f"{kept}GB"}


def _make_tables(up: Up) -> None:
    for line in resync_due.set_up(up.settings):
        up.progress.say(line)


def _load_history(up: Up) -> None:
    """Fills tables that are empty."""
    # The simulator's modules are for who needs a history.
    from infra.source.database import is_empty
    from infra.source.history import load_history

    dsn = up.settings.dsn("primary")
    if up.no_data or not is_empty(dsn):
        return
    seed = {} if up.seed is None else {"seed": up.seed}
    load_history(dsn, scale=up.scale, progress=up.progress.say, **seed)
