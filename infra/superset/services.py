"""The services: Superset's web server, its metadata in a database of its own, and its worker."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

import requests

from infra.postgres import roles
from infra.settings import Settings
from infra.stack import known_logins, runtime, venv
from infra.stack.program import Program
from infra.stack.progress import Progress
from infra.stack.service import Service
from infra.stack.supervision import Supervisor
from infra.superset import commands, dashboards, reports
from infra.warehouse.service import Warehouse

# What the server reads when it starts.
CONFIGURATION = (
    "superset_config.py",
    "logins.py",
    "theme.py",
    "basemap.py",
    "basemap.json",
    "narrow.py",
    "landing.py",
    "reach.py",
    "language.py",
    "reports.py",
    "../mail/owners.py",
    "russian.yml",
    "templates/head_custom_extra.html",
)
# What the worker runs on besides.
WORKS_BY = (*CONFIGURATION, "worker.py", "../mail/delivery.py", "../../requirements/superset.txt")
# It looks once a minute, but not while a long report runs, in seconds.
TOO_OLD = 900


class Superset(Service):
    name = "superset"
    needs = ("dwh",)
    ports = ("superset",)
    lock = "superset"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        # In the data folder: it goes with the database that `reset` removes.
        self._stamp = settings.home / "data" / "superset-made"
        self._told: list[str] = []

    def program(self) -> Program:
        return Program(
            self.name,
            commands.server(self.settings),
            self.settings.root,
            commands.environment(self.settings),
            is_ours=True,
        )

    def prepare(self) -> bool:
        """Makes the database and its tables, Superset's permissions and the admin."""
        made, configured = self._marks()
        before = self._stamp.read_text().split() if self._stamp.exists() else []
        if before == [made, configured]:
            return False
        if before[:1] != [made]:
            dsn = Warehouse(self.settings).server.dsn()
            roles.make_database(dsn, commands.DATABASE, owner=roles.SUPERSET)
            printed = commands.run_inside(self.settings, "setup")
            self._told = known_logins.told(printed, "Superset")
        self._stamp.write_text(f"{made}\n{configured}\n")
        return True

    def furnish(self) -> list[str]:
        return self._told

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.settings.superset_url}/health", timeout=5).ok
        except requests.RequestException:
            return False

    def problem(self) -> str:
        """Whether it serves a page that needs its database, not only whether a worker runs."""
        url = f"{self.settings.superset_url}/login/"
        try:
            answer = requests.get(url, timeout=8, allow_redirects=False)
        except requests.RequestException:
            return f"does not answer on {self.settings.superset_url}"
        if answer.status_code >= 500:
            return f"answers {answer.status_code} on {url}: is its database there?"
        return ""

    def fill(self, progress: Progress) -> None:
        dashboards.bring(self.settings, progress.say)

    def address(self) -> str:
        settings = self.settings
        url = settings.superset_public_url or settings.superset_url
        return f"{url} ({settings.login('superset_user', 'superset_password')})"

    def _marks(self) -> tuple[str, str]:
        """What changes when the metadata must be made anew, and when a restart is enough."""
        folder = Path(__file__).parent
        settings = self.settings
        who = f"{settings.superset_user}\0{settings.superset_password}\0{settings.is_production}"
        made = hashlib.sha256(who.encode())
        made.update((venv.ROOT / "requirements" / "superset.txt").read_bytes())
        made.update((folder / "inside.py").read_bytes())
        return made.hexdigest(), _configured(self.settings, CONFIGURATION)


class Worker(Service):
    """Runs Superset's alerts and reports when they are due, and sends what they find."""

    name = "superset-worker"
    needs = ("superset",)
    # What `up` is loading is not news.
    after_steps = ("marts",)
    lock = "superset"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._stamp = settings.home / "data" / "superset-worker-made"

    def program(self) -> Program:
        return Program(
            self.name,
            commands.worker(),
            self.settings.root,
            commands.environment(self.settings, writes_mail=True),
            # A report that runs is waited for so long.
            stop_seconds=30,
            is_ours=True,
        )

    def prepare(self) -> bool:
        runtime.make_folder(self.settings, reports.queue(self.settings).parent, mode=0o700)
        configured = _configured(self.settings, WORKS_BY)
        if self._stamp.exists() and self._stamp.read_text() == configured:
            return False
        self._stamp.write_text(configured)
        return True

    def answers(self) -> bool:
        """Whether the process that runs takes from the queue."""
        state = Supervisor(self.settings).states().get(self.name)
        try:
            return state is not None and int(self._mark.read_text()) == state.pid
        except (FileNotFoundError, ValueError):
            return False

    def problem(self) -> str:
        """By the time when it last looked at what is due: the clock, the queue, the process that
        works and Superset's database have part in that.
        """
        try:
            age = time.time() - self._mark.stat().st_mtime
        except FileNotFoundError:
            return "it has not begun yet"
        return f"it has not looked at what is due for {age:.0f} s" if age > TOO_OLD else ""

    @property
    def _mark(self) -> Path:
        return reports.mark(self.settings)


def _configured(settings: Settings, files: Iterable[str]) -> str:
    """What changes when a restart is needed."""
    told = f"{settings.language}\0{reports.driver()}\0{settings.superset_url}"
    configured = hashlib.sha256(told.encode())
    for name in files:
        configured.update((Path(__file__).parent / name).read_bytes())
    return configured.hexdigest()
