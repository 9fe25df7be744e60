"""Who comes into which database, and what they reach there: attacks on a stack's three servers."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import psycopg2
import psycopg2.extras
import pytest

from infra.connect import connector
from infra.health.blocking import blocking
from infra.health.replication import replication
from infra.parts.registry import choose, registry
from infra.postgres import roles
from infra.settings import Settings
from infra.source.servers import Primary, Replica, source_parameters
from infra.stack import home, runtime
from infra.stack.progress import Progress
from infra.stack.service import bring_up
from infra.stack.supervision import Supervisor
from infra.warehouse.service import Warehouse
from tests.integration.conftest import PATIENCE, scratch_folder, settings_in

pytestmark = pytest.mark.timeout(1800)

SERVERS = ("primary", "replica", "dwh")


class Servers:
    """Primary, replica and warehouse as `up` makes them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        home.make(settings)
        choose(settings, "core")
        self.supervisor = Supervisor(settings)
        self.supervisor.start([service.program() for service in registry(settings)])
        self.kinds = {kind.name: kind(settings) for kind in (Primary, Replica, Warehouse)}
        self.up()

    def up(self) -> None:
        for service in self.kinds.values():
            bring_up(service, self.supervisor, Progress())

    def dsn(self, server: str, role: str, database: str) -> str:
        password = None if role == "admin" else self.settings.secret(role)
        return self.settings.dsn(server, dbname=database, user=role, password=password)

    def program(self, name: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [str(runtime.postgres_bin(self.settings) / name), *arguments]
        return subprocess.run(
            command, capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL
        )


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with scratch_folder("airline-doors-") as folder:
        made = Servers(settings_in(folder / "home"))
        yield made
        made.supervisor.stop()


def _databases(servers: Servers, server: str, role: str) -> set[str]:
    """The databases that the role may log in to; `replication` for the whole server's log."""
    names = {
        name for (name,) in servers.kinds[server].server.query("select datname from pg_database")
    }
    found = set()
    for name in names - {"template0"}:
        try:
            psycopg2.connect(servers.dsn(server, role, name)).close()
            found.add(name)
        except psycopg2.OperationalError as error:
            assert "no pg_hba.conf entry" in str(error)
    try:
        factory = psycopg2.extras.PhysicalReplicationConnection
        psycopg2.connect(servers.dsn(server, role, "x"), connection_factory=factory).close()
        found.add("replication")
    except psycopg2.OperationalError as error:
        # The warehouse sends its log to nobody at all.
        assert "no pg_hba.conf entry" in str(error) or '"max_wal_senders" (currently 0)' in str(
            error
        )
    return found


def test_a_role_comes_into_its_own_database_and_nowhere_else(servers):
    """The role of a service that is taken over would be let into each database of a server."""
    source, dwh = servers.settings.source_db, servers.settings.dwh_db
    for server in ("primary", "replica"):
        assert {role: _databases(servers, server, role) for role in roles.SOURCE_ROLES} == {
            roles.REPLICATOR: {source, "replication"},
            roles.CDC: {source},
            roles.AUDIT: {source},
            roles.MONITOR: {source, "postgres"},
        }
    for name in roles.OWN_DATABASES.values():
        roles.make_database(servers.kinds["dwh"].server.dsn(), name)
    expected = {role: {dwh} for role in roles.WAREHOUSE_ROLES}
    expected |= {role: {name} for role, name in roles.OWN_DATABASES.items()}
    expected[roles.MONITOR] = {dwh, "postgres"}
    found = {role: _databases(servers, "dwh", role) for role in roles.WAREHOUSE_ROLES}
    assert found == expected


def test_a_role_that_nobody_named_comes_in_nowhere(servers):
    """Whoever may make a role once has a way in; and people could not let in their own."""
    made = servers.kinds["dwh"].server
    made.query("create role somebody login password 'of-its-own'")
    dsn = servers.settings.dsn("dwh", user="somebody", password="of-its-own")
    with pytest.raises(psycopg2.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg2.connect(dsn)
    made.query(f"grant {roles.PEOPLE} to somebody")
    made.query(f'grant connect on database "{servers.settings.dwh_db}" to somebody')
    psycopg2.connect(dsn).close()
    with pytest.raises(psycopg2.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg2.connect(psycopg2.extensions.make_dsn(dsn, dbname="postgres"))


def test_nobody_comes_in_without_a_password(servers):
    """A line of pg_hba.conf would trust whoever is on the machine."""
    for server in SERVERS:
        text = (servers.kinds[server].server.data / "pg_hba.conf").read_text()
        lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
        assert lines and all(line[0] == "host" and line[-1] == "scram-sha-256" for line in lines)


def test_cdc_copies_no_server(servers, tmp_path):
    """Whoever has the password of CDC takes every database of the booking system's server, and
    all roles with their verifiers, over the connection that it reads changes on.
    """
    settings = servers.settings
    dsn = servers.dsn("primary", roles.CDC, settings.source_db)
    taken = servers.program(
        "pg_basebackup", f"--dbname={dsn}", f"--pgdata={tmp_path / 'taken'}", "--wal-method=none"
    )
    assert taken.returncode and b"no pg_hba.conf entry for replication" in taken.stderr
    logical = f"{dsn} replication=database"
    taken = servers.program("psql", logical, "--command=BASE_BACKUP (CHECKPOINT 'fast')")
    assert taken.returncode and b"a backup is already in progress" in taken.stderr
    assert b"base.tar" not in taken.stdout
    # What is begun for it is not its own to end.
    ended = servers.program(
        "psql",
        logical,
        "--command=select pg_backup_stop()",
        "--command=BASE_BACKUP (CHECKPOINT 'fast')",
    )
    assert b"permission denied for function pg_backup_stop" in ended.stderr
    assert b"base.tar" not in ended.stdout
    for option in ("event_triggers=off", "session_replication_role=replica"):
        asked = servers.program(
            "psql", f"{logical} options='-c {option}'", "--command=BASE_BACKUP (CHECKPOINT 'fast')"
        )
        assert asked.returncode and b"base.tar" not in asked.stdout

    # And yet it reads changes.
    with (
        closing(
            psycopg2.connect(dsn, connection_factory=psycopg2.extras.LogicalReplicationConnection)
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"CREATE_REPLICATION_SLOT {connector.SLOT}_tried TEMPORARY LOGICAL pgoutput")
        assert cursor.fetchone()[0] == f"{connector.SLOT}_tried"
        cursor.start_replication(
            slot_name=f"{connector.SLOT}_tried",
            options={"proto_version": 1, "publication_names": "none"},
        )


def test_cdc_copies_no_replica(servers):
    """The replica has every byte of the primary's, and the role's password is the same there."""
    dsn = servers.dsn("replica", roles.CDC, servers.settings.source_db)
    logical = f"{dsn} replication=database"
    taken = servers.program("psql", logical, "--command=BASE_BACKUP (CHECKPOINT 'fast', WAIT 0)")
    assert taken.returncode and b"base.tar" not in taken.stdout
    assert b"the role reads changes of the primary alone" in taken.stderr


def test_the_replica_is_copied_by_its_own_role_still(servers, tmp_path):
    """What keeps CDC out would keep `up` from making a replica anew."""
    taken = servers.program(
        "pg_basebackup",
        f"--dbname={servers.dsn('primary', roles.REPLICATOR, 'replication')}",
        f"--pgdata={tmp_path / 'taken'}",
        "--wal-method=none",
        "--checkpoint=fast",
    )
    assert taken.returncode == 0, taken.stderr


def test_the_monitor_reads_no_statement_of_others(servers):
    """A statement has data in it, or a password: whoever takes the monitor over reads it."""
    said = "a passenger of ours"
    server = servers.kinds["primary"].server
    with closing(psycopg2.connect(server.dsn())) as busy:
        with busy.cursor() as cursor:
            cursor.execute("select %s", (said,))
        dsn = servers.dsn("primary", roles.MONITOR, "postgres")
        with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
            for view in ("pg_stat_activity", "pg_catalog.pg_stat_activity"):
                cursor.execute(f"select * from {view}")
                assert said not in str(cursor.fetchall())
            cursor.execute(
                "select count(*) from pg_stat_activity where backend_type = 'client backend'"
            )
            assert cursor.fetchone()[0] >= 2
            # What it could have read.
            seen = server.query(
                f"select query from pg_stat_activity where pid = {busy.info.backend_pid}"
            )
            assert said in str(seen)


def test_the_monitor_reads_no_way_into_the_primary(servers):
    """The replica's setting `primary_conninfo` had the replicator's password in it."""
    dsn = servers.dsn("replica", roles.MONITOR, "postgres")
    with (
        closing(psycopg2.connect(dsn)) as connection,
        connection.cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute("select current_setting('primary_conninfo')")
    secret = servers.settings.secret(roles.REPLICATOR)
    shown = servers.kinds["replica"].server.query("show primary_conninfo")
    assert "passfile" in str(shown) and secret not in str(shown)
    for server in ("primary", "replica"):
        folder = servers.kinds[server].server.data
        for file in (*folder.glob("*.conf"), *folder.glob("*.auto.conf")):
            assert secret not in file.read_text()
    passfile = servers.kinds["replica"].server.passfile
    assert secret in passfile.read_text() and passfile.stat().st_mode & 0o077 == 0


def test_the_monitor_still_sees_figures(servers):
    """The metrics would not know of a replica that lags, or of a session that blocks."""
    environment = roles.environment(servers.settings, roles.MONITOR)
    told = Settings.from_environment(environment)
    assert "streaming" in replication(told).text
    server = servers.kinds["primary"].server
    server.query("create table if not exists held (x int)")
    with closing(psycopg2.connect(server.dsn())) as holder, holder.cursor() as cursor:
        cursor.execute("lock table held")

        def wait() -> None:
            server.query("lock table held; commit")

        waiter = threading.Thread(target=wait, daemon=True)
        waiter.start()
        deadline = time.monotonic() + PATIENCE
        while not (found := blocking(told)).values["count"]:
            assert time.monotonic() < deadline, "the session that blocks is never told"
            time.sleep(1)
        holder.rollback()
        waiter.join(PATIENCE)
    assert f"of primary ({servers.settings.admin_user}" in found.problem


def test_a_role_of_before_gives_its_rights_back(servers):
    """A stack of an earlier version keeps the rights that the monitor had there."""
    server = servers.kinds["primary"].server
    server.query(f"grant pg_monitor to {roles.MONITOR}")
    servers.up()
    member = f"select pg_has_role('{roles.MONITOR}', 'pg_read_all_stats', 'member')"
    assert server.query(member) == [(False,)]


def test_no_password_is_in_a_statement(servers):
    """A password in a statement is in the log, and before the eyes of who sees statements."""
    server = servers.kinds["primary"].server
    server.query("alter system set log_statement = 'all'")
    server.query("select pg_reload_conf()")
    try:
        roles.make(servers.settings, "primary", server.dsn())
    finally:
        server.query("alter system reset log_statement")
        server.query("select pg_reload_conf()")
    logged = servers.supervisor.log("primary").read_text()
    assert "alter role" in logged and "SCRAM-SHA-256$" in logged
    for role in roles.SOURCE_ROLES:
        assert servers.settings.secret(role) not in logged
    # And each still logs in with it.
    psycopg2.connect(servers.dsn("primary", roles.AUDIT, servers.settings.source_db)).close()


def test_a_slot_that_nobody_reads_leaves_room_on_the_disk(servers, monkeypatch):
    """On a small disk a slot would keep the log until there is no room for anything."""
    kept = {}
    for total in (2, 8, 40, 1000):
        monkeypatch.setattr(
            shutil, "disk_usage", lambda path, total=total: SimpleNamespace(total=total << 30)
        )
        kept[total] = source_parameters(servers.settings)["max_slot_wal_keep_size"]
    assert kept == {2: "1GB", 8: "2GB", 40: "10GB", 1000: "16GB"}
    assert servers.kinds["primary"].server.query("show max_slot_wal_keep_size") != [("-1",)]
