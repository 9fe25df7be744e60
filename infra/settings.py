"""The one settings module: ports, credentials and paths, from environment variables.

Every variable has a default, so nothing has to be set. `AIRLINE_PORT_OFFSET` is added to the
default ports, not to ports that are set one by one.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import pwd
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import catalogue
from infra.errors import AirlineError

ROOT = Path(__file__).resolve().parent.parent

# service -> (field, variable, default port); the seed's ports
PORTS = {
    "primary": ("primary_port", "AIRLINE_PRIMARY_PORT", 5432),
    "replica": ("replica_port", "AIRLINE_REPLICA_PORT", 5433),
    "dwh": ("dwh_port", "AIRLINE_DWH_PORT", 5434),
    "kafka": ("kafka_port", "AIRLINE_KAFKA_PORT", 9092),
    "kafka controller": ("kafka_controller_port", "AIRLINE_KAFKA_CONTROLLER_PORT", 9093),
    "connect": ("connect_port", "AIRLINE_CONNECT_PORT", 8083),
    "docs": ("docs_port", "AIRLINE_DOCS_PORT", 8001),
    "metrics": ("metrics_port", "AIRLINE_METRICS_PORT", 9463),
    "superset": ("superset_port", "AIRLINE_SUPERSET_PORT", 8088),
    # The first ingester's; the others follow, one port each.
    "ingest metrics": ("ingest_metrics_port", "AIRLINE_INGEST_METRICS_PORT", 9464),
    "airflow": ("airflow_port", "AIRLINE_AIRFLOW_PORT", 8080),
}
# What Debezium reads, and from where.
PUBLICATION = "airline_publication"
SLOT = "airline_cdc"
SERVERS = ("primary", "replica", "dwh")
# libpq's, in seconds (the last one in ms): a server or a way to it that vanished without a word is
# noticed within a minute, by each connection.
TCP_LIMITS = {
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
DEMO_PASSWORDS = {
    "AIRLINE_ADMIN_PASSWORD": "adminpassword",
    "AIRLINE_AIRFLOW_PASSWORD": "admin",
    "AIRLINE_SUPERSET_PASSWORD": "admin",
}


@dataclass(frozen=True)
class Settings:
    """Where one stack lives. `wanted_home` differs from `home` only where the servers could not
    reach it.
    """

    root: Path
    home: Path
    wanted_home: Path
    cache: Path
    host: str
    port_offset: int
    primary_port: int
    replica_port: int
    dwh_port: int
    kafka_port: int
    kafka_controller_port: int
    connect_port: int
    docs_port: int
    metrics_port: int
    superset_port: int
    ingest_metrics_port: int
    airflow_port: int
    source_db: str
    dwh_db: str
    admin_user: str
    admin_password: str
    superset_user: str
    superset_password: str
    airflow_user: str
    airflow_password: str
    load_minutes: int
    audit_hours: int
    retention_gb: int
    retention_days: int
    service_user: str
    topic_partitions: int
    ingesters: int
    # The largest message, which is the largest row: broker, topics and Connect have the same limit.
    message_mb: int

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Reads `environ` (default: this process's). Raises AirlineError for a value that cannot
        be used.
        """
        environ = os.environ if environ is None else environ

        def text(name: str, default: str) -> str:
            return environ.get(name) or default

        def password(name: str) -> str:
            return text(name, DEMO_PASSWORDS[name])

        def path(name: str, default: Path) -> Path:
            return Path(os.path.abspath(os.path.expanduser(text(name, str(default)))))

        offset = _number(environ, "AIRLINE_PORT_OFFSET", 0, 0, 60000)
        ports = {
            field: _number(environ, name, default + offset, 1, 65535)
            for field, name, default in PORTS.values()
        }
        service_user = text("AIRLINE_SERVICE_USER", "nobody")
        wanted = path("AIRLINE_HOME", ROOT / ".airline")
        home = reachable_home(wanted, service_user) if os.geteuid() == 0 else wanted
        settings = cls(
            root=ROOT,
            home=home,
            wanted_home=wanted,
            cache=path("AIRLINE_CACHE", home / "cache"),
            host=text("AIRLINE_HOST", "127.0.0.1"),
            port_offset=offset,
            **ports,
            source_db=text("AIRLINE_SOURCE_DB", "airline_tickets"),
            dwh_db=text("AIRLINE_DWH_DB", "airline_tickets_dwh"),
            admin_user=text("AIRLINE_ADMIN_USER", "admin"),
            admin_password=password("AIRLINE_ADMIN_PASSWORD"),
            superset_user=text("AIRLINE_SUPERSET_USER", "admin"),
            superset_password=password("AIRLINE_SUPERSET_PASSWORD"),
            airflow_user=text("AIRLINE_AIRFLOW_USER", "admin"),
            airflow_password=password("AIRLINE_AIRFLOW_PASSWORD"),
            load_minutes=_number(environ, "AIRLINE_LOAD_MINUTES", 5, 1, 1440),
            audit_hours=_number(environ, "AIRLINE_AUDIT_HOURS", 24, 1, 720),
            retention_gb=_number(environ, "AIRLINE_RETENTION_GB", 50, 0, 1_000_000),
            retention_days=_number(environ, "AIRLINE_RETENTION_DAYS", 30, 0, 36500),
            service_user=service_user,
            topic_partitions=_number(environ, "AIRLINE_TOPIC_PARTITIONS", 1, 1, 1000),
            ingesters=_number(environ, "AIRLINE_INGESTERS", 1, 1, 50),
            message_mb=_number(environ, "AIRLINE_MESSAGE_MB", 16, 1, 64),
        )
        settings._refuse_equal_ports()
        settings.refuse_demo_password("the servers", "AIRLINE_ADMIN_PASSWORD")
        return settings

    def _refuse_equal_ports(self) -> None:
        users: dict[int, str] = {}
        for port, name in self.ports.values():
            if port in users:
                raise AirlineError(
                    f"{users[port]} and {name} both mean port {port}",
                    "set one of them to a port of its own",
                )
            users[port] = name

    def refuse_demo_password(self, who: str, variable: str) -> None:
        """A demo's password is in the README: it must not guard what others can reach.

        `who` would listen, and `variable` is the environment's name of its password.
        """
        if self.environment()[variable] == DEMO_PASSWORDS[variable] and not is_loopback(self.host):
            raise AirlineError(
                f"{who} would listen on {self.host}, which others can reach, with the demo's "
                "password",
                f"set {variable} to one of your own, or AIRLINE_HOST to 127.0.0.1",
            )

    @property
    def message_bytes(self) -> int:
        return self.message_mb << 20

    @property
    def kafka_bootstrap(self) -> str:
        return f"{self.host}:{self.kafka_port}"

    @property
    def connect_url(self) -> str:
        return f"http://{self.host}:{self.connect_port}"

    @property
    def superset_url(self) -> str:
        return f"http://{self.host}:{self.superset_port}"

    @property
    def airflow_url(self) -> str:
        return f"http://{self.host}:{self.airflow_port}"

    @property
    def topics(self) -> list[str]:
        """The topics that land, the transaction topic last."""
        return catalogue.topics()

    @property
    def ports(self) -> dict[str, tuple[int, str]]:
        """What listens -> (its port, the variable that moves it), for each ingester too."""
        ports = {name: (getattr(self, field), moves) for name, (field, moves, _) in PORTS.items()}
        first, moves = ports["ingest metrics"]
        for number in range(2, self.ingesters + 1):
            ports[f"ingest-{number} metrics"] = (first + number - 1, moves)
        return ports

    def port(self, service: str) -> int:
        return self.ports[service][0]

    def database(self, server: str) -> str:
        """The database on `server` (primary, replica or dwh) that people mean."""
        return self.dwh_db if server == "dwh" else self.source_db

    def dsn(
        self,
        server: str,
        *,
        dbname: str | None = None,
        user: str | None = None,
        password: str | None = None,
    ) -> str:
        """libpq connection string to `server` (primary, replica or dwh), as admin unless told
        otherwise.
        """
        from psycopg2.extensions import make_dsn

        return make_dsn(
            host=self.host,
            port=self.port(server),
            dbname=dbname or self.database(server),
            user=user or self.admin_user,
            password=password or self.admin_password,
            **TCP_LIMITS,
        )

    def environment(self) -> dict[str, str]:
        """Every variable of this module, resolved, and PYTHONPATH: what child processes run
        with.
        """
        variables = {name: str(getattr(self, field)) for field, name, _ in PORTS.values()}
        variables |= {
            "AIRLINE_HOME": str(self.home),
            "AIRLINE_CACHE": str(self.cache),
            "AIRLINE_HOST": self.host,
            "AIRLINE_PORT_OFFSET": str(self.port_offset),
            "AIRLINE_SOURCE_DB": self.source_db,
            "AIRLINE_DWH_DB": self.dwh_db,
            "AIRLINE_ADMIN_USER": self.admin_user,
            "AIRLINE_ADMIN_PASSWORD": self.admin_password,
            "AIRLINE_SUPERSET_USER": self.superset_user,
            "AIRLINE_SUPERSET_PASSWORD": self.superset_password,
            "AIRLINE_AIRFLOW_USER": self.airflow_user,
            "AIRLINE_AIRFLOW_PASSWORD": self.airflow_password,
            "AIRLINE_LOAD_MINUTES": str(self.load_minutes),
            "AIRLINE_AUDIT_HOURS": str(self.audit_hours),
            "AIRLINE_RETENTION_GB": str(self.retention_gb),
            "AIRLINE_RETENTION_DAYS": str(self.retention_days),
            "AIRLINE_SERVICE_USER": self.service_user,
            "AIRLINE_TOPIC_PARTITIONS": str(self.topic_partitions),
            "AIRLINE_INGESTERS": str(self.ingesters),
            "AIRLINE_MESSAGE_MB": str(self.message_mb),
            "AIRLINE_KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "AIRLINE_CONNECT_URL": self.connect_url,
            "PYTHONPATH": str(self.root),
            "PYTHONUNBUFFERED": "1",
            "DBT_PROJECT_DIR": str(self.root),
            "DBT_PROFILES_DIR": str(self.root),
        }
        if self.wanted_home != ROOT / ".airline":
            # A stack beside the usual one must not overwrite what dbt knows about that.
            variables["DBT_TARGET_PATH"] = str(self.home / "dbt" / "target")
            variables["DBT_LOG_PATH"] = str(self.home / "dbt" / "logs")
        return variables

    def secret(self, role: str) -> str:
        """The generated password of `role`, made when first asked for; a file with mode 0600."""
        folder = self.home / "secrets"
        file = folder / role
        if not file.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Whole or not at all, also when two ask at once: the first one linked in stays.
            handle, name = tempfile.mkstemp(dir=folder)
            with os.fdopen(handle, "w") as made:
                made.write(os.urandom(24).hex())
            try:
                os.link(name, file)
            except FileExistsError:
                pass
            finally:
                os.unlink(name)
        return file.read_text()


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _number(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = environ.get(name) or str(default)
    if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
        told = f"{name}={value}" if environ.get(name) else f"{name} would be {value}, which"
        raise AirlineError(
            f"{told} is not a whole number from {low} to {high}",
            f"set {name} to one, or unset it"
            if environ.get(name)
            else "use a smaller AIRLINE_PORT_OFFSET",
        )
    return int(value)


def account(user: str) -> pwd.struct_passwd:
    """The account that servers run as when root starts them. Raises AirlineError if there is
    none.
    """
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise AirlineError(
            f"the servers should run as {user!r} and there is no such user",
            "set AIRLINE_SERVICE_USER to an unprivileged user",
        ) from None
    if entry.pw_uid == 0:
        raise AirlineError(
            f"the servers cannot run as {user!r}: PostgreSQL refuses to run as root",
            "set AIRLINE_SERVICE_USER to an unprivileged user",
        )
    return entry


def can_enter(path: Path, uid: int, gid: int) -> bool:
    """Whether a user without further groups can pass through `path` and every folder above it.

    Folders that do not exist yet are taken as passable: we make them so.
    """
    for folder in (path, *path.parents):
        try:
            status = folder.stat()
        except FileNotFoundError:
            continue
        except NotADirectoryError:
            return False
        shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
        if not status.st_mode >> shift & 1:
            return False
    return True


def reachable_home(wanted: Path, service_user: str) -> Path:
    """`wanted`, or a folder under /var/lib where `service_user` could not get to it (a clone below
    /root).
    """
    entry = account(service_user)
    if can_enter(wanted, entry.pw_uid, entry.pw_gid):
        return wanted
    return Path("/var/lib") / f"airline-{hashlib.sha256(str(wanted).encode()).hexdigest()[:10]}"
