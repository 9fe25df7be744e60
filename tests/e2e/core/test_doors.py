"""A second account of the machine knocks at every port, file and socket of a stack."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import psutil
import pytest

from infra.settings import Settings, is_loopback
from tests.support import doors, root

pytestmark = pytest.mark.timeout(2700)


def test_every_port_has_a_lock():
    """A new service listens, and nobody has said what a stranger gets from it."""
    ports = Settings.from_environment({"AIRLINE_INGESTERS": "3"}).ports
    missing = []
    for name in ports:
        try:
            doors.lock(name)
        except KeyError:
            missing.append(name)
    assert missing == [], "say in tests/support/doors.py what a stranger gets from them"


def test_a_stranger_gets_no_data_from_a_port(stack):
    """Any process of the machine reads passengers, or passwords."""
    persons, secrets = doors.persons(stack), doors.secrets(stack.settings)
    assert len(persons) > 1000 and secrets
    for name in doors.ports(stack.settings):
        knock, may_tell = doors.lock(name)
        got = knock(stack.settings, name)
        assert may_tell or not got, f"{name}: {got[:300]}"
        assert bool(got) == may_tell, f"{name} does not answer"
        assert [each for each in persons if each in got] == [], name
        assert [role for role, secret in secrets.items() if secret in got] == [], name


def test_nothing_listens_that_has_no_lock(stack):
    """A process opens a port, or a socket in the file system, that no table names."""
    known = {stack.settings.port(name) for name in doors.ports(stack.settings)}
    strange = []
    for process in doors.processes(stack.settings):
        for each in process.net_connections("inet"):
            if each.status == psutil.CONN_LISTEN and (
                each.laddr.port not in known
                or not is_loopback(each.laddr.ip.removeprefix("::ffff:"))
            ):
                strange.append((process.cmdline(), each.laddr))
    assert strange == []


def test_no_file_that_everybody_may_open_has_data(stack):
    """Logs and configurations are open to each account of the machine."""
    persons, secrets = doors.persons(stack), doors.secrets(stack.settings)
    wanted = [each.encode() for each in (*persons, *secrets.values())]
    found = {}
    for file in doors.open_files(stack.home):
        mode = file.lstat().st_mode
        assert not mode & stat.S_IWOTH or stat.S_ISLNK(mode), f"{file} can be written by everybody"
        assert not stat.S_ISSOCK(mode), f"{file} answers everybody"
        if stat.S_ISREG(mode):
            content = file.read_bytes()
            found |= {(file, each): True for each in wanted if each in content}
    assert found == {}


def test_no_command_line_says_a_password(stack):
    """Every account sees the command line of every process."""
    said = {process.pid: " ".join(process.cmdline()) for process in doors.processes(stack.settings)}
    for role, secret in doors.secrets(stack.settings).items():
        assert [line for line in said.values() if secret in line] == [], role


def test_another_account_opens_no_secret_and_no_socket(stack):
    """Modes say one thing, and the system does another."""
    root.skip_unless_root_can_be()
    home = stack.home
    private = [
        path
        for name in ("secrets", "data", "config", "run")
        for path in sorted((home / name).rglob("*"))[:200]
        if path.is_file() or path.is_socket()
    ]
    public = set(doors.open_files(home))
    pids = [process.pid for process in doors.processes(stack.settings)]

    def knock() -> list[str]:
        opened = []
        for path in private:
            try:
                if stat.S_ISSOCK(path.lstat().st_mode):
                    with socket.socket(socket.AF_UNIX) as connection:
                        connection.connect(str(path))
                else:
                    path.read_bytes()
            except OSError:
                continue
            opened.append(str(path))
        for pid in pids:
            for name in ("environ", "mem", "maps"):
                try:
                    Path(f"/proc/{pid}/{name}").read_bytes()
                except OSError:
                    continue
                opened.append(f"/proc/{pid}/{name}")
        return opened

    assert set(doors.as_stranger(knock)) <= {str(path) for path in public}


def test_another_account_gets_no_data_from_a_port(stack):
    """A service answers by who asks, and strangers are asked for nothing."""
    root.skip_unless_root_can_be()
    # Asked here: which parts the stack has is told to no stranger either.
    names = [name for name in doors.ports(stack.settings) if not doors.lock(name)[1]]

    def knock() -> dict[str, str]:
        return {name: doors.lock(name)[0](stack.settings, name) for name in names}

    assert set(doors.as_stranger(knock).values()) == {""}
