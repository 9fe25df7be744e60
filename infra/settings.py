"""The one settings module: ports, credentials and paths, from environment variables.

Every variable has a default, so nothing has to be set. `AIRLINE_PORT_OFFSET` is added to the
default ports, not to ports that are set one by one. What `./airline env` prints and the tables of
docs/settings.md come from the declarations here; `python -m infra.settings` prints these tables.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from infra.errors import AirlineError

ROOT = Path(__file__).resolve().parent.parent

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
# The only login that our servers ask for, and the only one in which a server shows that it has the
# password's verifier. Who listens in a server's place would ask for the password, and get it.
PROOF = {"require_auth": "scram-sha-256"}


@dataclass(frozen=True)
class Declared:
    """One setting: its environment variable, its default, and what it is for.

    A number lies from `low` to `high`, a port of `service` moves with AIRLINE_PORT_OFFSET, a path
    is made absolute. `shown` is the default as the docs say it.
    """

    variable: str
    group: str
    about: str
    default: str | int | Path
    low: int = 0
    high: int = 0
    service: str = ""
    is_password: bool = False
    shown: str = ""
    values: tuple[str, ...] = ()

    def read(self, environ: Mapping[str, str], offset: int = 0) -> Any:
        """The value in `environ`, else the default. Raises AirlineError for one that cannot be
        used.
        """
        if isinstance(self.default, int):
            default = self.default + (offset if self.service else 0)
            return _number(environ, self.variable, default, self.low, self.high)
        said = environ.get(self.variable) or str(self.default)
        if isinstance(self.default, Path):
            return Path(os.path.abspath(os.path.expanduser(said)))
        if self.values and said not in self.values:
            raise AirlineError(
                f"{self.variable}={said} is none of {', '.join(self.values)}",
                f"set {self.variable} to one of them, or unset it",
            )
        return said


MOST_MESSAGE_MB = 64
# In a stack's folder: what it is for, from the first `up` on.
MODE = "mode"

# The groups, in the order of the docs.
PLACE, LOGINS, DASHBOARDS, LOADING, KAFKA, ALERTS, PORT = (
    "Where a stack lives",
    "Databases and logins",
    "Dashboards",
    "Loads, audit, retention",
    "Kafka and landing",
    "Messages to owners",
    "Ports",
)


def _text(variable: str, group: str, default: str, about: str, **further: Any) -> Any:
    return field(metadata={"declared": Declared(variable, group, about, default, **further)})


def _count(variable: str, group: str, default: int, low: int, high: int, about: str) -> Any:
    return field(metadata={"declared": Declared(variable, group, about, default, low, high)})


def _path(variable: str, default: Path, shown: str, about: str) -> Any:
    return field(metadata={"declared": Declared(variable, PLACE, about, default, shown=shown)})


def _port(variable: str, service: str, default: int, about: str) -> Any:
    declared = Declared(variable, PORT, about, default, 1, 65535, service)
    return field(metadata={"declared": declared})


@dataclass(frozen=True)
class Settings:
    """Where one stack lives, and all that is set of it: each setting is declared here, once."""

    root: Path
    home: Path = _path(  # noqa: RUF009 - a field
        "AIRLINE_HOME",
        ROOT / ".airline",
        "`.airline` in the clone",
        "Folder of the stack: data, logs, configuration, secrets. Another one is another stack.",
    )
    # The default is that of the usual home: it lies in whichever it is.
    cache: Path = _path(  # noqa: RUF009 - a field
        "AIRLINE_CACHE",
        ROOT / ".airline" / "cache",
        "`cache` in `AIRLINE_HOME`",
        "What is downloaded: Kafka, Debezium. Stacks may share it.",
    )
    host: str = _text(
        "AIRLINE_HOST",
        PLACE,
        "127.0.0.1",
        "Address of this machine's own (loopback) that everything listens on.",
    )
    mode: str = _text(
        "AIRLINE_MODE",
        PLACE,
        "demo",
        "What a stack is for; one that was `production` once stays so. In `production` each "
        "password that is not set is made, and logins have limits.",
        values=("demo", "production"),
        shown="`demo`, or what the stack was",
    )
    service_user: str = _text(
        "AIRLINE_SERVICE_USER",
        PLACE,
        "airline",
        "Account that everything runs as where root calls; made where it is missing.",
    )
    port_offset: int = _count(
        "AIRLINE_PORT_OFFSET",
        PLACE,
        0,
        0,
        60000,
        "Added to every port that is not set alone, so that several stacks run side by side.",
    )
    source_db: str = _text(
        "AIRLINE_SOURCE_DB", LOGINS, "airline_tickets", "Database of the booking system."
    )
    dwh_db: str = _text(
        "AIRLINE_DWH_DB", LOGINS, "airline_tickets_dwh", "Database of the warehouse."
    )
    admin_user: str = _text("AIRLINE_ADMIN_USER", LOGINS, "admin", "Superuser of the databases.")
    admin_password: str = _text(
        "AIRLINE_ADMIN_PASSWORD",
        LOGINS,
        "adminpassword",
        "Its password, from the first `up` on.",
        is_password=True,
    )
    superset_user: str = _text("AIRLINE_SUPERSET_USER", LOGINS, "admin", "Superset's admin.")
    superset_password: str = _text(
        "AIRLINE_SUPERSET_PASSWORD", LOGINS, "admin", "Its password.", is_password=True
    )
    superset_manager_password: str = _text(
        "AIRLINE_SUPERSET_MANAGER_PASSWORD",
        LOGINS,
        "manager",
        "Password of Superset's `manager`, who reads every dashboard and edits none.",
        is_password=True,
    )
    superset_analyst_password: str = _text(
        "AIRLINE_SUPERSET_ANALYST_PASSWORD",
        LOGINS,
        "analyst",
        "Password of Superset's `analyst`, who asks the marts by charts and by SQL as well.",
        is_password=True,
    )
    airflow_user: str = _text("AIRLINE_AIRFLOW_USER", LOGINS, "admin", "Airflow's admin.")
    airflow_password: str = _text(
        "AIRLINE_AIRFLOW_PASSWORD", LOGINS, "admin", "Its password.", is_password=True
    )
    superset_public_url: str = _text(
        "AIRLINE_SUPERSET_PUBLIC_URL",
        LOGINS,
        "",
        "Address at which others reach Superset, through a proxy with TLS: `https://…`.",
        shown="none",
    )
    airflow_public_url: str = _text(
        "AIRLINE_AIRFLOW_PUBLIC_URL", LOGINS, "", "The same of Airflow.", shown="none"
    )
    language: str = _text(
        "AIRLINE_LANGUAGE",
        DASHBOARDS,
        "ru",
        "Language of Superset and its dashboards: Russian or English.",
        values=("ru", "en"),
    )
    load_minutes: int = _count(
        "AIRLINE_LOAD_MINUTES", LOADING, 5, 1, 1440, "Minutes between loads of the vault."
    )
    audit_hours: int = _count(
        "AIRLINE_AUDIT_HOURS", LOADING, 24, 1, 720, "Hours between audits by Airflow."
    )
    retention_gb: int = _count(
        "AIRLINE_RETENTION_GB",
        LOADING,
        50,
        0,
        1_000_000,
        "Size of the raw events, GB, up to which none is removed.",
    )
    retention_days: int = _count(
        "AIRLINE_RETENTION_DAYS",
        LOADING,
        30,
        0,
        36500,
        "Age of loaded raw events, days, from which they are removed above that size.",
    )
    airflow_days: int = _count(
        "AIRLINE_AIRFLOW_DAYS",
        LOADING,
        30,
        1,
        36500,
        "Days that Airflow keeps its runs and their logs.",
    )
    topic_partitions: int = _count(
        "AIRLINE_TOPIC_PARTITIONS",
        KAFKA,
        1,
        1,
        1000,
        "Partitions of a topic that is made; before the first `up`.",
    )
    kafka_user: str = _text(
        "AIRLINE_KAFKA_USER",
        KAFKA,
        "kafka_admin",
        "Principal that commands log in to Kafka as; each service has its own.",
    )
    kafka_password: str = _text(
        "AIRLINE_KAFKA_PASSWORD",
        KAFKA,
        "",
        "Its password, where it is not one that `up` made.",
        is_password=True,
        shown="the generated one",
    )
    ingesters: int = _count(
        "AIRLINE_INGESTERS", KAFKA, 1, 1, 50, "Ingesters, which share the topics' partitions."
    )
    message_mb: int = _count(
        "AIRLINE_MESSAGE_MB",
        KAFKA,
        16,
        1,
        MOST_MESSAGE_MB,
        "Largest message, MB, which is the largest row: of broker, topics and Connect.",
    )
    smtp_host: str = _text(
        "AIRLINE_SMTP_HOST",
        ALERTS,
        "",
        "Mail server. Without one, messages are files in `alerts/messages` below `AIRLINE_HOME`.",
        shown="none",
    )
    smtp_port: int = _count("AIRLINE_SMTP_PORT", ALERTS, 587, 1, 65535, "Its port.")
    smtp_tls: str = _text(
        "AIRLINE_SMTP_TLS",
        ALERTS,
        "starttls",
        "How mail is encrypted: `tls` is from the first byte.",
        values=("starttls", "tls", "none"),
    )
    smtp_from: str = _text(
        "AIRLINE_SMTP_FROM", ALERTS, "airline@localhost", "Address that messages come from."
    )
    smtp_user: str = _text(
        "AIRLINE_SMTP_USER", ALERTS, "", "Login at the mail server.", shown="none"
    )
    smtp_password_file: str = _text(
        "AIRLINE_SMTP_PASSWORD_FILE", ALERTS, "", "File with its password alone.", shown="none"
    )
    primary_port: int = _port("AIRLINE_PRIMARY_PORT", "primary", 5432, "Source database.")
    replica_port: int = _port("AIRLINE_REPLICA_PORT", "replica", 5433, "Its replica.")
    dwh_port: int = _port("AIRLINE_DWH_PORT", "dwh", 5434, "Warehouse.")
    kafka_port: int = _port("AIRLINE_KAFKA_PORT", "kafka", 9092, "Kafka's broker.")
    kafka_controller_port: int = _port(
        "AIRLINE_KAFKA_CONTROLLER_PORT", "kafka controller", 9093, "Kafka's controller."
    )
    connect_port: int = _port("AIRLINE_CONNECT_PORT", "connect", 8083, "Kafka Connect.")
    docs_port: int = _port("AIRLINE_DOCS_PORT", "docs", 8001, "Docs site.")
    metrics_port: int = _port("AIRLINE_METRICS_PORT", "metrics", 9463, "Metrics of the stack.")
    superset_port: int = _port("AIRLINE_SUPERSET_PORT", "superset", 8088, "Superset.")
    ingest_metrics_port: int = _port(
        "AIRLINE_INGEST_METRICS_PORT",
        "ingest metrics",
        9464,
        "Metrics of the first ingester; the others follow, one port each.",
    )
    airflow_port: int = _port("AIRLINE_AIRFLOW_PORT", "airflow", 8080, "Airflow.")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Reads `environ` (default: this process's). Raises AirlineError for a value that cannot
        be used.
        """
        environ = os.environ if environ is None else environ
        for variable in FORMER.keys() & environ.keys():
            raise AirlineError(f"{variable} is no setting any more", FORMER[variable])
        offset = DECLARED["port_offset"].read(environ)
        values = {name: each.read(environ, offset) for name, each in DECLARED.items()}
        if not environ.get("AIRLINE_CACHE"):
            values["cache"] = values["home"] / "cache"
        noted = values["home"] / MODE
        # Root reads nothing in a stack's folder.
        if not environ.get("AIRLINE_MODE") and os.geteuid() != 0 and noted.exists():
            values["mode"] = DECLARED["mode"].read({"AIRLINE_MODE": noted.read_text().strip()})
        settings = cls(root=ROOT, **values)
        settings._refuse_equal_ports()
        settings._refuse_what_others_reach()
        return settings._with_own_passwords(environ) if settings.is_production else settings

    def _refuse_equal_ports(self) -> None:
        users: dict[int, str] = {}
        for port, name in self.ports.values():
            if port in users:
                raise AirlineError(
                    f"{users[port]} and {name} both mean port {port}",
                    "set one of them to a port of its own",
                )
            users[port] = name

    def _refuse_what_others_reach(self) -> None:
        """Between the parts of a stack nothing is encrypted, and PostgreSQL's package cannot: none
        of them listens where others are. What people need goes through a proxy with TLS.
        """
        if not is_loopback(self.host):
            raise AirlineError(
                f"AIRLINE_HOST={self.host} is no loopback address, and without TLS others would "
                "read what goes over it",
                "unset it; a proxy with TLS lets others in to Superset and Airflow: "
                "docs/accounts.md",
            )
        for name in ("superset_public_url", "airflow_public_url"):
            url, variable = getattr(self, name), DECLARED[name].variable
            if url and not re.fullmatch(r"https://[^\s/?#]+/?", url):
                raise AirlineError(
                    f"{variable}={url} is no address with TLS and without a path",
                    "set it to https://<name>[:<port>], or unset it",
                )
            if url and not self.is_production:
                raise AirlineError(
                    f"{variable} lets others in, and the stack is a demo with passwords that "
                    "everybody knows",
                    "set AIRLINE_MODE=production too, or unset it",
                )

    def _with_own_passwords(self, environ: Mapping[str, str]) -> Settings:
        """With a generated password for each that is not set, in a file with mode 0600. Raises
        AirlineError for one that everybody knows.
        """
        own: dict[str, str] = {}
        for name, each in DECLARED.items():
            if each.variable not in DEMO_PASSWORDS:
                continue
            if environ.get(each.variable) in DEMO_PASSWORDS.values():
                raise AirlineError(
                    f"{each.variable} is a password of the demo, which everybody knows, and the "
                    "stack is production",
                    "unset it, and one is made; or set one of your own",
                )
            # Root, who lints, writes nothing in a stack's folder either.
            if not environ.get(each.variable) and os.geteuid() != 0:
                own[name] = self.secret(name)
        return replace(self, **own)

    def login(self, user: str, password: str) -> str:
        """How to log in, with the names of two settings: a demo's password is said, another's file
        or nothing.
        """
        name, word = getattr(self, user), getattr(self, password)
        file = self.home / "secrets" / password
        if not self.is_production:
            told = word if word == DECLARED[password].default else "as set"
            return f"{name} / {told}"
        made = file.exists() and file.read_text() == word
        return f"{name}, its password in {file}" if made else name

    @property
    def is_production(self) -> bool:
        return self.mode == "production"

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
        # Here, for it reads YAML: help is there before any package is.
        import catalogue

        return catalogue.topics()

    @property
    def ports(self) -> dict[str, tuple[int, str]]:
        """What listens -> (its port, the variable that moves it), for each ingester too."""
        ports = {
            service: (getattr(self, name), moves) for service, (name, moves, _) in PORTS.items()
        }
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
            **PROOF,
        )

    def environment(self) -> dict[str, str]:
        """Every variable of this module, resolved, and PYTHONPATH: what child processes run
        with.
        """
        variables = {each.variable: str(getattr(self, name)) for name, each in DECLARED.items()}
        variables |= {
            "AIRLINE_KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "AIRLINE_CONNECT_URL": self.connect_url,
            "PYTHONPATH": str(self.root),
            "PYTHONUNBUFFERED": "1",
            # Of connections that other programs make.
            "PGREQUIREAUTH": PROOF["require_auth"],
            "DBT_PROJECT_DIR": str(self.root),
            "DBT_PROFILES_DIR": str(self.root),
        }
        if self.home != ROOT / ".airline":
            # A stack beside the usual one must not overwrite what dbt knows about that.
            variables["DBT_TARGET_PATH"] = str(self.home / "dbt" / "target")
            variables["DBT_LOG_PATH"] = str(self.home / "dbt" / "logs")
        return variables

    def service_environment(self) -> dict[str, str]:
        """`environment` for a service that writes to nobody: other settings of the mail to owners
        do not start it again. No password of a person's is in it.
        """
        return {
            name: value
            for name, value in self.environment().items()
            if not any(each.variable == name and each.group == ALERTS for each in DECLARED.values())
        } | untold_passwords()

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
                made.flush()
                # Its content before its name: a power cut would leave an empty password.
                os.fsync(made.fileno())
            try:
                os.link(name, file)
            except FileExistsError:
                pass
            finally:
                os.unlink(name)
        return file.read_text()


# What was a variable once -> what to do instead: ignored, it would change nothing without a word.
FORMER = {"AIRLINE_TOPIC_PREFIX": "set topic_prefix in dbt_project.yml and unset the variable"}
# Field -> its declaration.
DECLARED: dict[str, Declared] = {
    each.name: each.metadata["declared"] for each in fields(Settings) if each.metadata
}
# Service -> (field, variable, default port).
PORTS = {
    each.service: (name, each.variable, each.default)
    for name, each in DECLARED.items()
    if each.service
}
# How often somebody may try a password of Airflow's or Superset's in production, from one address.
LOGIN_LIMIT = "10 per minute"
# Stands for a password in the environment of a process that has no business with it.
NOT_TOLD = "not told to this process"
PASSWORDS = [each.variable for each in DECLARED.values() if each.is_password]
# Of people, and what each is in a demo.
DEMO_PASSWORDS = {
    each.variable: each.default for each in DECLARED.values() if each.is_password and each.default
}


def untold_passwords() -> dict[str, str]:
    """The variables of all passwords, as a process has them that needs none."""
    return dict.fromkeys(PASSWORDS, NOT_TOLD)


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


def page() -> str:
    """The tables of docs/settings.md: one a group, a row for each setting."""
    lines = []
    for group in (PLACE, LOGINS, DASHBOARDS, LOADING, KAFKA, ALERTS, PORT):
        lines += [f"## {group}", "", "| variable | default | values | what it is for |"]
        lines += ["| --- | --- | --- | --- |"]
        for each in DECLARED.values():
            if each.group == group:
                shown = each.shown or f"`{each.default}`"
                values = f"{each.low} to {each.high}" if each.high else "text"
                values = "folder" if isinstance(each.default, Path) else values
                values = ", ".join(f"`{value}`" for value in each.values) or values
                lines.append(f"| `{each.variable}` | {shown} | {values} | {each.about} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(page())
