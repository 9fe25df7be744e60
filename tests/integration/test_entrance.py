"""Root calls ./airline: nothing that a service can write is root's to write, read or follow."""

from __future__ import annotations

import json
import os
import pwd
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from infra.settings import ROOT
from infra.stack import entrance
from tests.support import root

# Takes the place of the verbs: says as whom it runs, and does what a service's folder asks for.
VERBS = """
import json, os, pathlib, sys
from infra.settings import ROOT
told = {
    "ids": [*os.getresuid(), *os.getresgid()], "groups": os.getgroups(),
    "umask": os.umask(0o077), "environment": dict(os.environ), "root": str(ROOT),
    "session": os.getsid(0), "arguments": sys.argv[1:], "folder": os.getcwd(),
    "files": [name for name in os.listdir("/proc/self/fd") if int(name) > 2],
    "capabilities": open("/proc/self/status").read().split("CapPrm:")[1].split()[0],
    "refused": [],
}
try:
    os.setuid(0)
    told["regained"] = True
except OSError:
    told["regained"] = False
for file in sorted(pathlib.Path(os.environ.get("AIRLINE_HOME") or ROOT / ".airline").rglob("*")):
    if not file.is_symlink() or ".venv" in file.parts:
        continue
    for attempt in (
        lambda: file.write_text("theirs"), lambda: file.touch(), lambda: file.chmod(0o777),
        lambda: os.chown(file, *told["ids"][:1], -1), lambda: (file / "more").mkdir(),
        lambda: file.read_text(),
    ):
        try:
            attempt()
        except OSError as error:
            told["refused"].append([str(file), error.strerror])
print(json.dumps(told))
"""
VENV = """
import os, pathlib, sys
folder = pathlib.Path(__file__).resolve().parent.parent.parent / ".venv" / "bin"
folder.mkdir(parents=True, exist_ok=True)
(folder / "python").exists() or (folder / "python").symlink_to(sys.executable)
"""


# Asks once, and leaves a process behind that reads on.
LEAVES_BEHIND = """
import os, pathlib
from infra.settings import ROOT
print("asked", flush=True)
print("told", input(), os.get_terminal_size().columns, flush=True)
if os.fork() == 0:
    os.setsid()
    try:
        heard = os.read(0, 100)
    except OSError:
        heard = b""
    file = pathlib.Path(os.environ.get("AIRLINE_HOME") or ROOT / ".airline") / "heard"
    file.with_name("half").write_bytes(heard)
    file.with_name("half").rename(file)
"""
# Not the path of whoever tests: its Python may lie where root alone can go.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root"}


class Clone:
    """A clone of root's: the real way in, and a stand-in for what comes behind it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "clone"
        self.home = self.root / ".airline"
        self.secret = folder / "secret"
        made = {
            "infra/cli/__init__.py": "",
            "infra/cli/__main__.py": VERBS,
            "infra/stack/venv.py": VENV,
            "models/a.sql": "select 1",
        }
        copied = ["airline", "infra/__init__.py", "infra/errors.py", "infra/settings.py"]
        parts = ("__init__", "entrance", "handover", "relay", "runtime")
        copied += [f"infra/stack/{name}.py" for name in parts]
        for name in copied:
            self.put(self.root / name, (ROOT / name).read_text())
        for name, text in made.items():
            self.put(self.root / name, text)
        self.put(self.secret, "root's own")
        self.shell(f"chmod 755 {self.root}/airline; chmod 600 {self.secret}")

    def shell(self, command: str, user: int = 0) -> str:
        done = root.run(["/bin/sh", "-euc", command], {"PATH": os.environ["PATH"]}, user=user)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def put(self, file: Path, text: str) -> None:
        """Root writes it."""
        subprocess.run(
            ["/bin/sh", "-euc", 'mkdir -p "$(dirname "$1")"; cat > "$1"', "sh", str(file)],
            input=text,
            text=True,
            check=True,
            **root.OF_ROOT,
        )

    def airline(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return root.run(
            [str(self.root / "airline"), *arguments], ENVIRONMENT | variables, cwd=self.root
        )

    def told(self, *arguments: str, **variables: str) -> dict:
        done = self.airline(*arguments, **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def plant(self, *names: str, target: Path | None = None) -> None:
        """A service leaves links in its folders."""
        account = pwd.getpwnam("airline").pw_uid
        for name in names:
            link = self.home / name
            self.shell(
                f"mkdir -p {link.parent}; rm -rf {link}; ln -s {target or self.secret} {link}",
                account,
            )

    def assert_untouched(self) -> None:
        found = self.shell(f"cat {self.secret}; stat -c ' %u %a' {self.secret}")
        assert found.split("\n")[0] == "root's own 0 600", found


@pytest.fixture
def clone() -> Iterator[Clone]:
    root.skip_unless_root_can_be()
    with root.folder() as folder:
        yield Clone(folder)


def test_root_goes_on_as_an_account_without_rights(clone):
    """A service that is taken over would own the machine."""
    told = clone.told("env", "x y", SECRET="of root's", AIRLINE_LOAD_MINUTES="7")
    account = pwd.getpwnam("airline")
    assert told["ids"] == [account.pw_uid] * 3 + [account.pw_gid] * 3
    assert account.pw_uid not in (0, pwd.getpwnam("nobody").pw_uid)
    assert (told["groups"], told["umask"], told["regained"]) == ([], 0o077, False)
    assert int(told["capabilities"], 16) == 0
    # Nothing of root's goes along: no variable, no open file but the one that lists them, no
    # terminal to type into.
    assert "SECRET" not in told["environment"]
    assert told["environment"]["AIRLINE_LOAD_MINUTES"] == "7"
    assert len(told["files"]) == 1
    assert told["session"] != os.getsid(0)
    # What it runs is a copy of its own; the clone stays root's.
    assert told["arguments"] == ["env", "x y"]
    assert told["root"] == str(clone.home / "code")
    assert clone.shell(f"find {clone.root} -path {clone.home} -prune -o ! -user 0 -print") == ""
    assert stat.S_IMODE(clone.home.stat().st_mode) == 0o700
    assert clone.home.stat().st_uid == account.pw_uid


def test_what_it_ends_with_is_what_root_is_told(clone):
    """`./airline status` as root would be healthy whatever is ill."""
    clone.put(clone.root / "infra/cli/__main__.py", "import sys; sys.exit(3)")
    assert clone.airline("status").returncode == 3


def test_the_copy_follows_the_clone(clone):
    """Root changes a model or pulls, and the stack goes on with what was there before."""
    clone.told("env")
    code = clone.home / "code"
    clone.put(clone.root / "models/b.sql", "select 2")
    clone.shell(f"rm {clone.root}/models/a.sql; mkdir -p {clone.root}/target/x")
    clone.put(clone.root / "target/x/made.json", "{}")
    clone.put(clone.root / ".venv.lock", "")
    clone.told("env")
    found = clone.shell(f"cd {code} && ls models; ls; cat models/b.sql; ls -a")
    assert "b.sql" in found and "a.sql" not in found and "select 2" in found
    assert "target" not in found and ".venv.lock" not in found


# Each in a folder that services write, or that a command does for them.
PLACES = (
    "data/primary/airline.half",
    "data/primary/airline.conf",
    "data/primary/postgresql.conf",
    "data/primary.half",
    "data/superset-made",
    "data/airflow-furnished",
    "data/resync.half",
    "logs/ingest.log",
    "logs/superset-setup.log",
    "logs/supervisord.out",
    "run/supervisord.conf",
    "run/supervisord.pid",
    "config/.broker.properties.half",
    "airflow/logs/dag.log",
    "docs-site/index.html",
    "dbt/target",
    "alerts/book.half",
    "alerts/messages",
    "secrets/airline_dbt",
    "lock",
    "venv.lock",
    "cache/kafka-1/lock",
)


# Each is read or written on the way in.
ON_THE_WAY = ("parcel.json", "parcel.lock", "account/.config/pip/pip.conf", "code/airline", "code")


def test_planted_links_lead_root_nowhere(clone):
    """A service has root write, read or give away a file that is root's alone."""
    clone.told("env")
    clone.plant(*PLACES)
    refused = clone.told("env")["refused"]
    for place in PLACES:
        # Each of the six ways in which it was tried.
        assert [file for file, _ in refused].count(str(clone.home / place)) == 6, place
    clone.assert_untouched()


def test_root_reads_no_folder_of_the_accounts_that_lies_in_the_clone(clone):
    """Another stack's folder in the clone, and a link in it while root reads it for the copy."""
    clone.told("env")
    account = pwd.getpwnam("airline").pw_uid
    clone.shell(f"mkdir {clone.root}/other; touch {clone.root}/other/a {clone.root}/b")
    clone.shell(f"chown -R {account} {clone.root}/other {clone.root}/b")
    clone.told("env")
    found = clone.shell(f"cd {clone.home}/code && ls -d other b models || true")
    assert found.split() == ["models"]


def test_how_root_logs_in_where_the_clone_came_from_stays_roots(clone):
    """A token in the clone's .git/config, as CI puts it there, is any service's."""
    clone.put(clone.root / ".git/config", "[remote] url = https://me:token@example.org/x")
    clone.put(clone.root / ".git/HEAD", "ref: refs/heads/main")
    clone.told("env")
    assert clone.shell(f"ls {clone.home}/code/.git").split() == ["HEAD"]


@pytest.mark.parametrize("place", ON_THE_WAY)
def test_planted_links_on_the_way_in_lead_root_nowhere(clone, place):
    """The same, of what is written before any verb begins."""
    clone.told("env")
    clone.plant(place)
    # Now there is something to unpack.
    clone.put(clone.root / "models/new.sql", "select 3")
    clone.airline("env")
    clone.assert_untouched()


def test_lint_is_roots_and_opens_nothing_of_the_accounts(clone):
    """A link in the place of a lock, and root empties the file behind it."""
    clone.told("env")
    clone.shell(f"cp {ROOT}/infra/stack/venv.py {clone.root}/infra/stack/venv.py")
    clone.plant("venv.lock", "test")
    clone.airline("test", "--lint")
    clone.assert_untouched()


def test_a_folder_that_is_a_link_is_not_given_away(clone):
    """Whoever may make a link makes a folder of root's their own."""
    hidden = clone.secret.parent / "hidden"
    clone.shell(f"mkdir -m 755 {hidden}; mkdir -m 1777 {clone.root.parent}/shared")
    stranger = pwd.getpwnam("daemon").pw_uid
    shared = clone.root.parent / "shared"
    clone.shell(f"ln -s {hidden} {shared}/home; mkdir -m 777 {shared}/theirs", stranger)
    for home in (shared / "home", shared / "home" / "below", shared / "theirs" / "home"):
        done = clone.airline("env", AIRLINE_HOME=str(home))
        assert done.returncode == 1 and "another account's to change" in done.stderr, done.stderr
        done = clone.airline("env", AIRLINE_CACHE=str(home))
        assert done.returncode == 1, done.stdout
    assert clone.shell(f"stat -c %u:%a {hidden}; ls {hidden}").strip() == "0:755"
    # A link of root's own is a way like any other.
    clone.shell(f"ln -s {clone.root.parent} {clone.root.parent}/mine")
    told = clone.told("env", AIRLINE_HOME=f"{clone.root.parent}/mine/home")
    assert Path(told["environment"]["AIRLINE_HOME"]).is_dir()


def test_a_folder_of_root_with_other_things_is_not_given_away(clone):
    """AIRLINE_HOME=/srv, and all of /srv belongs to the account."""
    other = clone.root.parent / "other"
    clone.put(other / "data" / "x", "")
    clone.put(other / "letters" / "x", "")
    done = clone.airline("env", AIRLINE_HOME=str(other))
    assert done.returncode == 1 and "(letters)" in done.stderr
    assert clone.shell(f"find {other} ! -user 0") == ""


def test_a_cache_that_stacks_share_stays_as_it_is(clone):
    """The stacks of others find no jars any more; a new one cannot be written."""
    shared, new = clone.root.parent / "shared", clone.root.parent / "new"
    clone.put(shared / "kafka-1" / "jar", "x")
    clone.shell(f"chmod 755 {shared}")
    clone.told("env", AIRLINE_CACHE=str(shared))
    assert clone.shell(f"stat -c %u:%a {shared}").strip() == "0:755"
    clone.told("env", AIRLINE_CACHE=str(new))
    account = pwd.getpwnam("airline").pw_uid
    assert clone.shell(f"stat -c %u:%a {new}").strip() == f"{account}:700"


@contextmanager
def supervisord(clone: Clone, name: str, user: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process with this command line, which the stack's folder says runs its services."""
    process = subprocess.Popen(
        ["bash", "-c", 'exec -a "$0" sleep 600', name], user=user, group=user, extra_groups=[]
    )
    try:
        clone.put(clone.home / "run/supervisord.pid", f"{process.pid}\n")
        # Its name is bash's for a moment.
        while name.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes():
            time.sleep(0.01)
        while Path(f"/proc/{process.pid}/comm").read_text().strip() != "sleep":
            time.sleep(0.01)
        yield process
    finally:
        clone.shell(f"kill {process.pid} 2>/dev/null || true")
        process.wait()


def test_a_stack_that_an_earlier_version_ran_as_root_changes_hands(clone):
    """An update would cost people their data, or root a file."""
    nobody = pwd.getpwnam("nobody").pw_uid
    clone.put(clone.home / "data/primary/PG_VERSION", "18")
    clone.put(clone.home / "secrets/airline_dbt", "word")
    clone.shell(f"chown -R {nobody} {clone.home}/data/primary; chmod 755 {clone.home}")
    clone.shell(f"ln -s {clone.secret} {clone.home}/data/primary/planted", nobody)
    # Where it still runs nothing changes hands; nor does root end what is not of this folder, or
    # not root's.
    of_this = f"infra.stack.supervisord --configuration {clone.home}/run/supervisord.conf"
    for verb, name, user in (
        ("status", of_this, 0),
        ("up", "infra.stack.supervisord", 0),
        ("up", of_this, nobody),
    ):
        with supervisord(clone, name, user) as process:
            done = clone.airline(verb)
            assert done.returncode == 1 and f"kill {process.pid}" in done.stderr, done.stderr
            owners = clone.shell(f"stat -c %u {clone.home} {clone.home}/data/primary/PG_VERSION")
            assert owners.split() == ["0", str(nobody)]
            assert process.poll() is None
    # One file has two names: which of them is root's cannot be told.
    clone.shell(f"ln {clone.secret} {clone.home}/logs.log; mkdir {clone.home}/logs")
    clone.shell(f"mv {clone.home}/logs.log {clone.home}/logs/")
    done = clone.airline("status")
    assert done.returncode == 1 and "another name elsewhere" in done.stderr
    clone.shell(f"rm {clone.home}/logs/logs.log")
    with supervisord(clone, of_this, 0) as process:
        clone.told("up")
        assert process.wait(60) == -signal.SIGTERM
    account = pwd.getpwnam("airline").pw_uid
    assert clone.shell(f"find {clone.home} ! -user {account}") == ""
    clone.assert_untouched()


def test_an_account_that_others_use_is_refused(clone):
    """Whatever else runs as nobody reads the passwords of the stack."""
    for name in ("nobody", "root", "nobody-of-that-name"):
        done = clone.airline("env", AIRLINE_SERVICE_USER=name)
        assert done.returncode == 1 and "AIRLINE_SERVICE_USER" in done.stderr, done.stderr


def test_a_clone_that_only_root_can_enter_works(clone):
    """In a container where root is all there is the clone lies in /root."""
    clone.shell(
        f"mkdir -m 700 {clone.root.parent}/private; mv {clone.root} {clone.root.parent}/private/"
    )
    clone.root = clone.root.parent / "private" / "clone"
    told = clone.told("env")
    try:
        assert told["root"].startswith("/var/lib/airline-")
        assert (Path(told["root"]) / "models/a.sql").exists()
    finally:
        clone.shell(f"rm -rf {Path(told['root']).parent}")


def test_what_changes_the_clone_is_refused(clone):
    """The account would be able to write what root runs; or the change would be lost."""
    for words in (["evolve", "--apply"], ["superset", "export"]):
        done = clone.airline(*words)
        assert done.returncode == 1 and "the clone" in done.stderr


@pytest.mark.parametrize("write", [1, 2])
def test_a_copy_that_was_cut_short_is_made_again(tmp_path, monkeypatch, write):
    """Killed while it notes what it copied, each later call ends in "cannot go on"."""
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone/airline").write_text("run")
    parcel = entrance.Parcel(tmp_path / "clone", [], account=-1)

    def take() -> None:
        reader, writer = os.pipe()
        parcel.send(writer)
        with os.fdopen(reader, "rb") as stream:
            entrance.take(tmp_path, parcel.mark, parcel.names, stream)

    real, written = Path.write_text, []

    def cut_short(self: Path, text: str) -> None:
        written.append(self)
        if len(written) == write:
            real(self, text[: len(text) // 2])
            raise KeyboardInterrupt
        real(self, text)

    monkeypatch.setattr(Path, "write_text", cut_short)
    with suppress(KeyboardInterrupt):
        take()
    monkeypatch.undo()
    take()
    assert (tmp_path / "code/airline").read_text() == "run"
    assert json.loads((tmp_path / "parcel.json").read_text())["mark"] == parcel.mark


def test_what_a_command_leaves_behind_hears_nothing_of_roots_terminal(clone):
    """A service that is taken over waits on root's terminal for what root types next."""
    clone.put(clone.root / "infra/cli/__main__.py", LEAVES_BEHIND)
    heard = clone.home / "heard"
    with root.on_terminal([str(clone.root / "airline"), "x"], ENVIRONMENT, clone.root) as terminal:
        terminal.wait_for(b"asked")
        terminal.type(b"an answer\n")
        terminal.wait_for(b"told an answer 91")
        assert terminal.process.wait(60) == 0
        terminal.type(b"a password of root's\n")
        deadline = time.monotonic() + 60
        while clone.shell(f"test -f {heard} && echo there || true") != "there\n":
            assert time.monotonic() < deadline, "it reads on"
            time.sleep(0.1)
        assert clone.shell(f"cat {heard}") == ""


def test_keys_of_roots_terminal_reach_the_command(clone):
    """A command cannot be interrupted, or leaves the terminal as nobody can use it."""
    clone.put(clone.root / "infra/cli/__main__.py", "print('asked', flush=True)\ninput()")
    with root.on_terminal([str(clone.root / "airline"), "x"], ENVIRONMENT, clone.root) as terminal:
        before = terminal.attributes()
        terminal.wait_for(b"asked")
        terminal.type(b"\x03")
        assert terminal.process.wait(60) in (1, 130)
        assert terminal.attributes() == before
        assert b"KeyboardInterrupt" in terminal.output()


def test_a_terminal_that_controls_nothing_is_one(clone):
    """Root's shell in a container has no control of its terminal, and every command fails."""
    clone.put(clone.root / "infra/cli/__main__.py", "print('asked', flush=True)\nprint(input())")
    with root.on_terminal(
        [str(clone.root / "airline"), "x"], ENVIRONMENT, clone.root, is_session=False
    ) as terminal:
        terminal.wait_for(b"asked")
        terminal.type(b"an answer\n")
        assert terminal.process.wait(60) == 0
        assert b"an answer" in terminal.output()
