"""supervisord: one per stack, restarts what dies and keeps the logs. Asked over a private
socket.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from infra.errors import AirlineError
from infra.settings import ROOT, Settings
from infra.stack import configuration, runtime
from infra.stack.processes import end, tail
from infra.stack.program import EXITS_COUNT_FOR, Program, ProgramState
from infra.stack.waiting import wait_until

# A socket's path may have 107 characters (103 on macOS); supervisord adds its pid for a moment.
LONGEST_SOCKET_PATH = 90
# How long supervisord may take to say how its programs are, in seconds.
PATIENCE = 5.0


class _Transport(SupervisorTransport):
    """Gives up after so many seconds: a supervisord that was stopped accepts connections still."""

    def __init__(self, url: str, seconds: float | None) -> None:
        super().__init__(None, None, url)
        connect = self._get_connection

        def limited() -> Any:
            connection = connect()
            connection.connect()
            connection.sock.settimeout(seconds)
            return connection

        self._get_connection = limited


class Supervisor:
    """The supervisord of the stack in `settings.home`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.logs = settings.home / "logs"
        self._configuration = settings.home / "run" / "supervisord.conf"
        self._log = self.logs / "supervisord.log"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def is_alive(self) -> bool:
        """Raises AirlineError where it is there and does not answer."""
        try:
            return self._proxy(PATIENCE).supervisor.getState()["statename"] == "RUNNING"
        except TimeoutError:
            raise self._hangs() from None
        except (OSError, xmlrpc.client.Error):
            return False

    def start(self, programs: Iterable[Program]) -> None:
        """Starts supervisord, or tells a running one what changed; starts no program.

        A program whose definition changed is stopped.
        """
        changed = self._write(list(programs))
        if self.is_alive():
            if changed:
                self._reload()
            return
        for orphan in self.orphans():
            end(orphan)
        with (self.logs / "supervisord.out").open("ab") as output:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "infra.stack.supervisord",
                    "--nodaemon",
                    "--configuration",
                    str(self._configuration),
                ],
                # Where the module is found.
                cwd=ROOT,
                # Nothing of the caller's environment (PG*, JAVA_*) reaches the services.
                env={
                    name: os.environ[name]
                    for name in ("PATH", "HOME", "TMPDIR")
                    if name in os.environ
                }
                # Its log is read: times must mean the same to whoever reads.
                | {"TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

        def failed() -> AirlineError:
            return AirlineError(
                "supervisord, which runs the services, did not start",
                f"see {self._log}",
                tail(self.logs / "supervisord.out", 10),
            )

        def is_started() -> bool:
            if self.is_alive():
                return True
            if process.poll() is not None:
                raise failed()
            return False

        wait_until(is_started, 30, failed, every=0.05)

    def run(self, name: str) -> None:
        """Starts a program, unless it runs; does not wait until it is ready."""
        try:
            self._proxy().supervisor.startProcess(name, False)
        except xmlrpc.client.Fault as fault:
            # One that ended at once is started again by supervisord: its state says how that goes.
            if not fault.faultString.startswith(("ALREADY_STARTED", "SPAWN_ERROR")):
                raise AirlineError(
                    f"{name} cannot be started ({fault.faultString})",
                    f"see {self._log}",
                    tail(self._log, 5),
                ) from None

    def halt(self, name: str) -> None:
        """Stops a program and waits until it is gone."""
        try:
            self._proxy().supervisor.stopProcess(name, True)
        except xmlrpc.client.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString and "BAD_NAME" not in fault.faultString:
                raise

    def states(self) -> dict[str, ProgramState]:
        """What runs, by name; {} where supervisord itself does not. Raises AirlineError where it is
        there and does not answer.
        """
        try:
            told: list[dict[str, Any]] = self._proxy(PATIENCE).supervisor.getAllProcessInfo()
        except TimeoutError:
            raise self._hangs() from None
        except (OSError, xmlrpc.client.Error):
            return {}
        exits = self._exits()
        now = time.time()
        return {
            each["name"]: ProgramState(
                each["name"],
                each["statename"],
                each["pid"],
                each["now"] - each["start"] if each["pid"] else 0,
                len(exits.get(each["name"], ())),
                each["spawnerr"],
                tuple(now - at for at in exits.get(each["name"], ()) if now - at < EXITS_COUNT_FOR),
            )
            for each in told
        }

    def stop(self) -> None:
        """Ends supervisord; whatever program still runs is stopped first."""
        if not self.is_alive():
            return
        # Somebody else may be ending it: then it goes away in the middle of an answer.
        with contextlib.suppress(psutil.NoSuchProcess, OSError, xmlrpc.client.Error):
            pid = self._proxy().supervisor.getPID()
            self._proxy().supervisor.shutdown()
            psutil.Process(pid).wait(120)

    def orphans(self) -> list[psutil.Process]:
        """Services that outlived a killed supervisord: they carry the mark of this stack."""
        found = []
        for process in psutil.process_iter():
            try:
                marks = process.environ()
                is_ours = marks.get("AIRLINE_SERVICE") and marks.get("AIRLINE_HOME") == str(
                    self.settings.home
                )
            except (psutil.Error, OSError):
                continue
            if is_ours:
                found.append(process)
        for pid_file in (self.settings.home / "data").glob("*/postmaster.pid"):
            # PostgreSQL overwrites its environment; its first line here is its pid.
            try:
                process = psutil.Process(int(pid_file.read_text().split()[0]))
                if str(pid_file.parent) in process.cmdline() and process not in found:
                    found.append(process)
            except (psutil.Error, OSError, ValueError, IndexError):
                continue
        return found

    def _write(self, programs: list[Program]) -> bool:
        runtime.make_folder(self.settings, self.logs)
        runtime.make_folder(self.settings, self._configuration.parent, mode=0o700)
        text = configuration.text(
            self.settings,
            programs,
            folder=self._configuration.parent,
            socket=self._socket(),
            logs=self.logs,
        )
        if self._configuration.exists() and self._configuration.read_text() == text:
            return False
        self._configuration.touch(mode=0o600)
        self._configuration.write_text(text)
        return True

    def _reload(self) -> None:
        supervisor = self._proxy().supervisor
        [[added, changed, removed]] = supervisor.reloadConfig()
        for name in (*changed, *removed):
            supervisor.stopProcessGroup(name, True)
            supervisor.removeProcessGroup(name)
        for name in (*added, *changed):
            supervisor.addProcessGroup(name)

    def _socket(self) -> Path:
        path = self._configuration.with_name("supervisor.sock")
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            return path
        mark = hashlib.sha256(str(self.settings.home).encode()).hexdigest()[:10]
        folder = Path(tempfile.gettempdir()) / f"airline-{os.geteuid()}-{mark}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if (
            not stat.S_ISDIR(status.st_mode)
            or status.st_uid != os.geteuid()
            or stat.S_IMODE(status.st_mode) != 0o700
        ):
            raise AirlineError(
                f"{folder} is not a private folder of yours",
                "remove it, or move the stack to a shorter path with AIRLINE_HOME",
            )
        return folder / "supervisor.sock"

    def _proxy(self, seconds: float | None = None) -> Any:
        transport = _Transport(f"unix://{self._socket()}", seconds)
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)

    def _hangs(self) -> AirlineError:
        try:
            pid = self._configuration.with_name("supervisord.pid").read_text().strip()
        except OSError:
            pid = "unknown"
        return AirlineError(
            f"supervisord (process {pid}), which runs the services, does not answer",
            f"if it was stopped, 'kill -CONT {pid}' lets it go on; else 'kill -9 {pid}', then "
            "'./airline up'",
        )

    def _exits(self) -> dict[str, list[float]]:
        """Name -> when it ended by itself since supervisord runs, as time.time() counts."""
        exits: dict[str, list[float]] = {}
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except OSError:
            return {}
        for line in lines:
            if "supervisord started with pid" in line:
                exits = {}
            moment, found, rest = line.partition(" exited: ")
            if found:
                exits.setdefault(rest.split(" ", 1)[0], []).append(_moment(moment))
        return exits


def _moment(line: str) -> float:
    """The time at the begin of a line of supervisord's log, which is in UTC; 0 if unreadable."""
    try:
        return datetime.strptime(line[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0
