"""What somebody with an account on the machine, and no password, gets from a stack's doors."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import psycopg2.extras
import requests
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from infra.kafka import access
from infra.parts.registry import registry
from infra.postgres import roles
from infra.settings import Settings
from infra.stack.supervision import Supervisor
from tests.support import root
from tests.support.stack import Stack

# An account of which nothing is anybody's.
STRANGER = 54321
# What is downloaded and the same for everybody: jars, PostgreSQL, Java.
PUBLIC = ("cache", "runtime")
CONNECT = ("/", "/health", "/connectors", "/connectors?expand=info", "/connector-plugins",
           "/connectors/airline-connector/config", "/connectors/airline-connector/offsets",
           "/admin/loggers")  # fmt: skip
DOCS = ("/", "/index.html", "/manifest.json", "/catalog.json", "/run_results.json",
        "/../secrets/airline_cdc", "/%2e%2e/secrets/airline_cdc",
        "/../logs/primary.log")  # fmt: skip
SUPERSET = ("/", "/api/v1/dashboard/", "/api/v1/database/", "/api/v1/chart/", "/api/v1/dataset/",
            "/api/v1/sqllab/results/", "/superset/welcome/", "/users/list/")  # fmt: skip
AIRFLOW = ("/api/v2/dags", "/api/v2/connections", "/api/v2/variables", "/api/v2/config",
           "/api/v2/eventLogs", "/auth/fab/v1/users")  # fmt: skip


def _postgres(settings: Settings, name: str) -> str:
    got = []
    names = (settings.admin_user, "postgres", *roles.SOURCE_ROLES, *roles.WAREHOUSE_ROLES)
    for user in names:
        for password in (" ", user, "postgres"):
            for database in (settings.database(name), "postgres", "template1"):
                dsn = settings.dsn(name, dbname=database, user=user, password=password)
                for factory in (None, psycopg2.extras.PhysicalReplicationConnection):
                    try:
                        psycopg2.connect(dsn, connection_factory=factory).close()
                        got.append(f"{user} in {database}")
                    except psycopg2.OperationalError as error:
                        if "refused" in str(error):
                            raise
    return ", ".join(got)


def _kafka(settings: Settings, name: str) -> str:
    server = f"{settings.host}:{settings.port(name)}"
    got = []
    logins = [{"bootstrap_servers": server}]
    for mechanism in (access.MECHANISM, "PLAIN"):
        logins += [
            access.options(server, user, user, mechanism)
            for user in (access.ADMIN, access.INGEST, "admin")
        ]
    for login in logins:
        try:
            with closing(KafkaAdminClient(**login, bootstrap_timeout_ms=3000)) as admin:
                got += admin.list_topics()
        except (KafkaError, OSError, AssertionError):
            continue
    return ", ".join(got)


def _pages(*paths: str, refused: bool) -> Callable[[Settings, str], str]:
    """What the pages say. `refused`: each asks for a login."""

    def read(settings: Settings, name: str) -> str:
        said = []
        for path in paths:
            request = requests.Request("GET", f"http://{settings.host}:{settings.port(name)}")
            prepared = request.prepare()
            # As it is: requests would mend the path.
            prepared.url = f"{prepared.url.removesuffix('/')}{path}"
            with requests.Session() as session:
                answer = session.send(prepared, timeout=60, allow_redirects=False)
            if not refused:
                said.append(answer.text)
            elif answer.ok and not answer.is_redirect:
                said.append(f"{path}: {answer.text}")
            elif answer.is_redirect and "login" not in answer.headers["Location"]:
                # To a page that is asked for as well.
                said += [] if path == "/" else [f"{path}: {answer.headers['Location']}"]
        return "\n".join(said)

    return read


# Name in Settings.ports -> (what it gives to who has no password, whether that may be anything).
# Figures and the docs may be read; a service that is not here has no lock that anybody tried.
LOCKS: dict[str, tuple[Callable[[Settings, str], str], bool]] = {
    **dict.fromkeys(("primary", "replica", "dwh"), (_postgres, False)),
    **dict.fromkeys(("kafka", "kafka controller"), (_kafka, False)),
    "connect": (_pages(*CONNECT, refused=True), False),
    "superset": (_pages(*SUPERSET, refused=True), False),
    "airflow": (_pages(*AIRFLOW, refused=True), False),
    "metrics": (_pages("/metrics", "/", "/health", refused=False), True),
    "ingest metrics": (_pages("/metrics", "/health", "/", refused=False), True),
    "docs": (_pages(*DOCS, refused=False), True),
}


def lock(name: str) -> tuple[Callable[[Settings, str], str], bool]:
    """Raises KeyError for a port that has none."""
    first, _, rest = name.partition(" ")
    return LOCKS["ingest metrics" if first.startswith("ingest-") and rest == "metrics" else name]


def ports(settings: Settings) -> list[str]:
    """The ports that the stack's services have, by their names in Settings.ports."""
    return [port for service in registry(settings) for port in service.ports]


def persons(stack: Stack) -> list[str]:
    """What identifies some passengers of the source: documents, tickets, telephones, addresses."""
    rows = stack.sql(
        "primary",
        "select ticket_no, passenger_id, contact_data ->> 'phone', contact_data ->> 'email'"
        " from tickets order by random() limit 2000",
    )
    return [value for row in rows for value in row if value and len(value) > 6]


def secrets(settings: Settings) -> dict[str, str]:
    folder = settings.home / "secrets"
    return {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}


def processes(settings: Settings) -> Iterator[psutil.Process]:
    """All of the stack's, with what they started."""
    for state in Supervisor(settings).states().values():
        if state.pid:
            process = psutil.Process(state.pid)
            yield process
            yield from process.children(recursive=True)


def open_files(home: Path) -> Iterator[Path]:
    """Files, sockets and pipes below `home` that everybody may open, by their modes and those of
    the folders above; without what is public.
    """
    if not _for_everybody(home, stat.S_IXOTH):
        return
    for folder, folders, files in os.walk(home):
        place = Path(folder)
        folders[:] = [
            name
            for name in folders
            if _mode(place / name) & stat.S_IXOTH and not (place == home and name in PUBLIC)
        ]
        for name in files:
            if _mode(place / name) & (stat.S_IROTH | stat.S_IWOTH):
                yield place / name


def _for_everybody(path: Path, bit: int) -> bool:
    return all(_mode(each) & bit for each in (path, *path.parents))


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return 0


def as_stranger(what: Callable[[], Any]) -> Any:
    """What it returns, done by another account of the machine. Where root started the tests."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            root.become(STRANGER)
            told = {"answer": what()}
        except BaseException as error:
            told = {"error": repr(error)}
        with os.fdopen(writing, "w") as pipe:
            json.dump(told, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = json.load(pipe)
    os.waitpid(pid, 0)
    assert "error" not in told, told["error"]
    return told["answer"]
