"""A PostgreSQL server: makes its data folder, its configuration, and waits until it answers.

Starting and restarting is the supervisor's work (infra/stack/service.py).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2 import sql

from infra.errors import AirlineError
from infra.postgres import sessions
from infra.settings import DEMO_PASSWORDS, PROOF, TCP_LIMITS, Settings
from infra.stack import runtime

# Ours, included at the end of postgresql.conf and written again at each `up`: a moved port takes
# effect.
OWN_CONFIGURATION = "airline.conf"

# An error's detail, its context and its statement have values of rows: they are for the client.
_NO_ROWS_IN_THE_LOG = {
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_statement": "none",
    "log_min_duration_statement": -1,
    "log_parameter_max_length": 0,
    "log_parameter_max_length_on_error": 0,
}


@dataclass(frozen=True)
class Server:
    """One data folder and the address its server listens on."""

    settings: Settings
    name: str
    data: Path
    port: int

    @property
    def command(self) -> list[str]:
        """Runs the server in the foreground, logging to stderr; SIGINT stops it at once and
        clean.
        """
        return [str(runtime.postgres_bin(self.settings) / "postgres"), "-D", str(self.data)]

    @property
    def is_made(self) -> bool:
        return (self.data / "PG_VERSION").exists()

    def make(self) -> bool:
        """initdb, unless there is a data folder. Returns whether it made one.

        `admin` is a superuser from the start; no trust, no unix socket. Killed half-way it leaves
        a folder beside, which the next call removes.
        """
        if self.is_made:
            return False
        half = self._fresh_half()
        password = half.with_suffix(".password")
        password.touch(mode=0o600)
        password.write_text(self.settings.admin_password)
        try:
            self._run(
                "initdb",
                f"--pgdata={half}",
                f"--username={self.settings.admin_user}",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--no-sync",
            )
        finally:
            password.unlink(missing_ok=True)
        with (half / "postgresql.conf").open("a") as file:
            file.write(f"\ninclude_if_exists '{OWN_CONFIGURATION}'\n")
        half.rename(self.data)
        return True

    def make_from(self, primary: Server, *, user: str, password: str, slot: str) -> bool:
        """A standby's data folder by pg_basebackup, unless there is one. Returns whether it made
        one.

        `slot` must exist on the running `primary`. The connection to the primary is not recorded by
        pg_basebackup (-R) but given to `configure`, because a port of the primary may be moved
        later.
        """
        if self.is_made:
            return False
        half = self._fresh_half()
        self._run(
            "pg_basebackup",
            f"--pgdata={half}",
            f"--host={self.settings.host}",
            f"--port={primary.port}",
            f"--username={user}",
            "--no-password",
            "--wal-method=stream",
            f"--slot={slot}",
            "--checkpoint=fast",
            "--no-sync",
            environment={"PGPASSWORD": password, "PGREQUIREAUTH": PROOF["require_auth"]},
        )
        signal = half / "standby.signal"
        signal.touch(mode=0o600)
        half.rename(self.data)
        return True

    @property
    def passfile(self) -> Path:
        """The password that it logs in elsewhere with: a setting would show it to who reads
        settings.
        """
        return self.data.with_name(f"{self.data.name}.pgpass")

    def write_passfile(self, user: str, password: str) -> bool:
        """Returns whether it changed. Asked at each connection, so it needs no restart."""
        return runtime.write_private(self.passfile, f"*:*:*:{user}:{password}\n")

    def configure(self, parameters: Mapping[str, str | int], access: str | None = None) -> bool:
        """Writes our part of the configuration, and who may come in (`access`; None: anybody with
        a password). Returns whether it changed: then a restart is due.
        """
        lines = [
            f"{key} = '{_quoted(value)}'"
            for key, value in {
                "listen_addresses": self.settings.host,
                "port": self.port,
                "unix_socket_directories": "",
                "password_encryption": "scram-sha-256",
                "log_line_prefix": "%m [%p] %q%u@%d ",
                "timezone": "UTC",
                "log_timezone": "UTC",
                **_NO_ROWS_IN_THE_LOG,
                # A client that vanished without a word does not keep its locks.
                "tcp_keepalives_idle": 20,
                "tcp_keepalives_interval": 10,
                "tcp_keepalives_count": 3,
                "cluster_name": f"airline-{self.name}",
                **parameters,
            }.items()
        ]
        text = "\n".join(["# written by ./airline up", *lines, ""])
        changed = runtime.write_private(self.data / OWN_CONFIGURATION, text)
        if access is not None:
            changed |= runtime.write_private(self.data / "pg_hba.conf", access)
        return changed

    def dsn(
        self, dbname: str = "postgres", user: str | None = None, password: str | None = None
    ) -> str:
        """libpq connection string, as admin unless told otherwise."""
        return psycopg2.extensions.make_dsn(
            host=self.settings.host,
            port=self.port,
            dbname=dbname,
            user=user or self.settings.admin_user,
            password=password or self.settings.admin_password,
            **TCP_LIMITS,
            **PROOF,
        )

    def query(self, statement: str, *, dbname: str = "postgres") -> list[tuple[Any, ...]]:
        """One statement as admin, on its own (autocommit). Returns its rows, [] where it has
        none. Raises psycopg2.OperationalError where the server does not answer at all, within
        `patience` soon.
        """
        return sessions.query(self.dsn(dbname), statement)

    def answers(self) -> bool:
        """Whether a query over TCP succeeds. Raises AirlineError when waiting cannot help."""
        try:
            return self.query("select 1") == [(1,)]
        except psycopg2.OperationalError as error:
            if "password authentication failed" in str(error):
                if self.settings.is_production and self._is_left_by_the_demo():
                    return False
                raise AirlineError(
                    f"{self.name} on port {self.port} refuses the password of "
                    f"{self.settings.admin_user!r}",
                    "set AIRLINE_ADMIN_PASSWORD to the one this data was made with, "
                    "or start anew with './airline reset'",
                ) from None
            return False

    def _is_left_by_the_demo(self) -> bool:
        """Gives admin its password of production where it has the demo's. Returns whether it had:
        a standby gets the new one from its primary.
        """
        demo = DEMO_PASSWORDS["AIRLINE_ADMIN_PASSWORD"]
        try:
            connection = psycopg2.connect(self.dsn(password=demo))
        except psycopg2.OperationalError:
            return False
        with closing(connection), connection, connection.cursor() as cursor:
            cursor.execute("select pg_is_in_recovery()")
            if cursor.fetchone() == (False,):
                name = self.settings.admin_user
                # Not the password: statements may be logged, or shown.
                verifier = psycopg2.extensions.encrypt_password(
                    self.settings.admin_password, name, connection, "scram-sha-256"
                )
                cursor.execute(
                    sql.SQL("alter role {} password {}").format(
                        sql.Identifier(name), sql.Literal(verifier)
                    )
                )
        return True

    def problem(self, *, standby: bool, writers: Sequence[str] = ()) -> str:
        """Why the server that runs is of no use, '' where it is: it refuses, hangs, has no
        connection left, or may not be written by one of the roles `writers`.
        """
        try:
            [(recovers, read_only, taken, limit)] = self.query(
                f"""
                select
                    pg_is_in_recovery(),
                    current_setting('default_transaction_read_only') = 'on' or exists (
                        select from pg_db_role_setting as options
                        left join pg_roles as writer on options.setrole = writer.oid
                        where
                            'default_transaction_read_only=on' = any(options.setconfig)
                            and (
                                options.setrole = 0
                                or writer.rolname = any('{{{",".join(writers)}}}'::name [])
                            )
                    ),
                    (select count(*) from pg_stat_activity where backend_type = 'client backend'),
                    current_setting('max_connections')::int
                    - current_setting('superuser_reserved_connections')::int
                    - current_setting('reserved_connections')::int
                """
            )
        except psycopg2.Error as error:
            return f"does not answer: {sessions.reason(error)}"
        if recovers != standby:
            return "it is a standby: it replays and takes no change" if recovers else "no standby"
        if read_only and not standby:
            return (
                "it is read-only (default_transaction_read_only is on), so nothing can be written: "
                "turn that off by 'alter system', 'alter database' or 'alter role'"
            )
        if taken >= limit:
            return (
                f"all {limit} connections are taken, so services are refused: end sessions that "
                "nobody needs (pg_stat_activity)"
            )
        return ""

    def _fresh_half(self) -> Path:
        half = self.data.with_name(f"{self.data.name}.half")
        runtime.make_folder(self.settings, half.parent)
        shutil.rmtree(half, ignore_errors=True)
        return runtime.make_folder(self.settings, half)

    def _run(
        self, program: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        runtime.run(
            self.settings,
            [str(runtime.postgres_bin(self.settings) / program), *arguments],
            # The caller's PG* variables and language are not ours.
            {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", **(environment or {})},
            f"{program} could not make the data folder of {self.name} ({self.data})",
            "see what it says below; './airline up' tries again from the start",
        )


def _quoted(value: str | int) -> str:
    return str(value).replace("\\", "\\\\").replace("'", "''")
