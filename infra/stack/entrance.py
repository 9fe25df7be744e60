"""What `./airline` does where root calls it: it goes on as an account without rights.

Root itself does four things, with a Python and code that are root's: it makes the account where it
is missing, gives it folders (infra/stack/handover.py), reads the clone for it, and waits for what
the account does. It reads, writes and follows nothing that the account can write. Standard library
only, and all of it imported before: root's Python may be one that the account cannot read.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from infra.errors import AirlineError
from infra.settings import DECLARED
from infra.stack import handover, runtime
from infra.stack.relay import Relay

# The account that is made, with this number where it is free: folders that outlive a container
# belong to the account of the next one.
USUAL = DECLARED["service_user"].default
NUMBER = 7474
# In the account's folder: the code that it runs, and what is its HOME.
CODE, HOME = "code", "account"
# What a clone has beside its files at the top: made by commands, by whoever runs them.
MADE = ("dbt_packages", "target", "logs", ".pytest_cache", ".ruff_cache")
MADE_PREFIXES = (".venv", ".airline")
# Of the clone, and root's alone: how it logs in where the clone came from.
PRIVATE = (".git/config",)
# Where root says from where packages and jars come.
DOWNLOADS = (
    ".pip/pip.conf",
    ".config/pip/pip.conf",
    ".config/uv/uv.toml",
    ".config/jgo.conf",
    ".jgorc",
)
# What of root's environment goes along; all else may be a secret of root's.
TAKEN = """
PATH TERM COLORTERM NO_COLOR COLUMNS LINES LANG LANGUAGE TZ CI PAGER LESS TMPDIR AUTOMATE_DV_PATH
SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE
HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
"""
TAKEN_PREFIXES = ("AIRLINE_", "DBT_", "PIP_", "UV_", "JGO_", "LC_", "PYTEST_", "PLAYWRIGHT_")
# These ./airline does not bring here: they work on the clone (infra/testing/as_root.py).
DEVELOPERS = ("test", "bench")
REFUSED = (("evolve", "--apply"), ("superset", "export"))


def main(root: Path, arguments: list[str]) -> int:
    """Goes on as the account; returns its exit code."""
    for words in REFUSED:
        if {*words} <= {*arguments}:
            raise AirlineError(
                f"'{' '.join(words)}' changes files of the clone, which is root's: the account "
                "that a stack runs as may not",
                "use a clone of an ordinary user, with a stack of its own",
            )
    name = os.environ.get("AIRLINE_SERVICE_USER") or USUAL
    entry = account(name, NUMBER if name == USUAL else None)
    if root.stat().st_uid == entry.pw_uid:
        raise AirlineError(
            f"{root} belongs to {entry.pw_name!r}, as whom stacks run: root runs no code of it",
            "use a clone that belongs to root or to a person",
        )
    place = _place(root, entry)
    home = reachable(_path("AIRLINE_HOME") or place, entry)
    for folder in dict.fromkeys((place, home)):
        handover.give(folder, entry, ends=arguments[:1] in (["up"], ["down"]))
    if cache := _path("AIRLINE_CACHE"):
        handover.give_cache(cache, entry)
    if arguments[:1] == ["up"]:
        print(f"airline: as {entry.pw_name!r}, not as root; state is kept in {home}", flush=True)
    environment = environment_of(os.environ, place, home, entry)
    if (root / ".git").is_file():
        # A work tree's history is elsewhere, and not the account's.
        environment |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory"}
        environment["GIT_CONFIG_VALUE_0"] = "*"
    parcel = Parcel(root, [each for each in (home, cache) if each], entry.pw_uid)
    reader, writer = os.pipe()
    terminal = Relay()
    child = os.fork()
    if child == 0:
        try:
            become(entry)
            terminal.take()
            _go_on(place, parcel, reader, environment, arguments)
        except BaseException as error:
            # No traceback: it would need modules that cannot be read any more.
            print(f"airline: cannot go on as {entry.pw_name!r}: {error}", file=sys.stderr)
        os._exit(1)
    os.close(reader)
    return _wait(child, terminal, lambda: parcel.send(writer))


def _path(variable: str) -> Path | None:
    said = os.environ.get(variable)
    return Path(os.path.abspath(os.path.expanduser(said))) if said else None


def _place(root: Path, entry: pwd.struct_passwd) -> Path:
    """The account's folder for this clone: in the clone, where that is root's."""
    wanted = root / ".airline"
    try:
        handover.real(wanted, entry)
    except AirlineError:
        if (wanted / "data").exists():
            raise
        return _elsewhere(wanted)
    return reachable(wanted, entry)


def account(name: str, number: int | None = None) -> pwd.struct_passwd:
    """The account of this name; made where it is missing and one of ours. Raises AirlineError."""
    todo = "unset AIRLINE_SERVICE_USER, or set it to an account that does nothing else"
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        if not name.startswith(USUAL):
            raise AirlineError(f"there is no account {name!r}", todo) from None
        entry = _make(name, number)
    if entry.pw_uid == 0 or name == handover.FORMERLY:
        raise AirlineError(f"a stack cannot run as {name!r}, which is not its own", todo)
    return entry


def _make(name: str, number: int | None) -> pwd.struct_passwd:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir"]
    command += ["/nonexistent", "--shell", "/usr/sbin/nologin"]
    if number is not None and number not in {each.pw_uid for each in pwd.getpwall()}:
        command += ["--uid", str(number)]
    where = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    try:
        said = subprocess.run(
            [*command, name], env=where, capture_output=True, text=True, stdin=subprocess.DEVNULL
        ).stderr
    except OSError as error:
        said = str(error)
    try:
        # Another ./airline may have made it just now.
        return pwd.getpwnam(name)
    except KeyError:
        raise AirlineError(
            f"the account {name!r}, as whom a stack of root's runs, cannot be made "
            f"({' '.join(said.split())})",
            f"make one ('useradd --system {name}'), or call ./airline as an ordinary user",
        ) from None


def can_enter(path: Path, entry: pwd.struct_passwd) -> bool:
    """Whether an account without further groups can pass through `path` and all above it. Folders
    that do not exist yet are taken as passable: they are made so.
    """
    for folder in (path, *path.parents):
        try:
            status = folder.stat()
        except FileNotFoundError:
            continue
        except NotADirectoryError:
            return False
        shift = 6 if status.st_uid == entry.pw_uid else 3 if status.st_gid == entry.pw_gid else 0
        if not status.st_mode >> shift & 1:
            return False
    return True


def reachable(wanted: Path, entry: pwd.struct_passwd) -> Path:
    """`wanted`, or a folder below /var/lib where the account cannot get to it (a clone in
    /root).
    """
    if can_enter(wanted.parent, entry):
        return wanted
    return _elsewhere(wanted)


def _elsewhere(wanted: Path) -> Path:
    return Path("/var/lib") / f"airline-{hashlib.sha256(str(wanted).encode()).hexdigest()[:10]}"


def environment_of(
    environ: Mapping[str, str], place: Path, home: Path, entry: pwd.struct_passwd
) -> dict[str, str]:
    """What of root's environment goes along, and what is the account's own."""
    return {
        **{
            name: value
            for name, value in environ.items()
            if name in TAKEN.split() or name.startswith(TAKEN_PREFIXES)
        },
        "AIRLINE_HOME": str(home),
        "HOME": str(place / HOME),
        "USER": entry.pw_name,
        "LOGNAME": entry.pw_name,
    }


class Parcel:
    """The clone's files, and where root downloads from, for the account.

    Not what is the `account`'s already: of a stack that was kept elsewhere in the clone, say. A
    file of its own may be a link to one of root's by the time that it is read.
    """

    def __init__(self, root: Path, without: Sequence[Path], account: int) -> None:
        # Name in the account's folder -> file.
        self._files: dict[str, Path] = {}
        for name in DOWNLOADS:
            if (file := Path.home() / name).is_file():
                self._files[f"{HOME}/{name}"] = file
        skipped = {os.path.abspath(each) for each in without}
        for folder, folders, files in os.walk(root):
            folders[:] = [
                each
                for each in folders
                if each != "__pycache__"
                and os.path.join(folder, each) not in skipped
                and os.lstat(os.path.join(folder, each)).st_uid != account
                and not (folder == str(root) and _is_made(each))
            ]
            links = [each for each in folders if os.path.islink(os.path.join(folder, each))]
            if folder == str(root):
                files = [each for each in files if not _is_made(each)]
            for each in (*files, *links):
                file = Path(folder, each)
                if file.lstat().st_uid == account or str(file.relative_to(root)) in PRIVATE:
                    continue
                self._files[f"{CODE}/{file.relative_to(root)}"] = file
        described: list[Any] = []
        for name, file in sorted(self._files.items()):
            status = file.lstat()
            described.append([name, status.st_mode, status.st_size, status.st_mtime_ns])
        self.names = sorted(self._files)
        # Changes with any of the files.
        self.mark = hashlib.sha256(json.dumps(described).encode()).hexdigest()

    def send(self, writer: int) -> None:
        """Writes a tar archive; whoever reads may have enough of it before."""
        try:
            with os.fdopen(writer, "wb") as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
                for name, file in sorted(self._files.items()):
                    _add(tar, name, file)
        except BrokenPipeError:
            pass


def _is_made(name: str) -> bool:
    return name in MADE or name.startswith(MADE_PREFIXES)


def _add(tar: tarfile.TarFile, name: str, file: Path) -> None:
    # Not tarfile's own: its archive has no links between files, and nobody's name.
    info = tarfile.TarInfo(name)
    status = file.lstat()
    info.mode, info.mtime = status.st_mode & 0o777, int(status.st_mtime)
    if stat.S_ISLNK(status.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(file)
        tar.addfile(info)
    elif stat.S_ISREG(status.st_mode):
        info.size = status.st_size
        with file.open("rb") as content:
            tar.addfile(info, content)


def _wait(child: int, terminal: Relay, meanwhile: Callable[[], None]) -> int:
    """Waits for the process that went on as the account; returns its exit code."""

    def pass_on(number: int, _frame: Any) -> None:
        # It has a session of its own, so what a terminal sends reaches this process alone.
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if number == signal.SIGINT else os.kill)(child, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, pass_on)
    try:
        meanwhile()
    finally:
        status = terminal.run(child)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def become(entry: pwd.struct_passwd) -> None:
    """This process is the account's from here on, for good."""
    # Another session: no program of the account's has root's terminal.
    os.setsid()
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.umask(0o077)
    if rights := _rights():
        raise OSError(f"it would keep rights of root's ({rights})")


def _rights() -> str:
    """The capabilities of this process; '' where it has none."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return ""
    sets = (line for line in lines if line.startswith(("CapPrm", "CapEff", "CapAmb")))
    return ", ".join(each for each in sets if int(each.split()[1], 16))


def _go_on(
    place: Path,
    parcel: Parcel,
    reader: int,
    environment: dict[str, str],
    arguments: Sequence[str],
) -> None:
    os.dup2(reader, 3)
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    with os.fdopen(3, "rb") as stream:
        take(place, parcel.mark, parcel.names, stream)
    if not os.access(environment.get("TMPDIR", "/tmp"), os.W_OK | os.X_OK):
        environment.pop("TMPDIR", None)
    if not os.access(".", os.R_OK | os.X_OK):
        os.chdir(place / CODE)
    program = str(place / CODE / "airline")
    os.execve("/bin/sh", ["/bin/sh", program, *arguments], environment)


def take(place: Path, mark: str, names: Sequence[str], stream: IO[bytes]) -> None:
    """Unpacks a parcel below `place`, unless it was the last one; what was in that one and is not
    in this goes. One process at a time.
    """
    note = place / "parcel.json"
    with (place / "parcel.lock").open("a") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        before = json.loads(note.read_text()) if note.exists() else {"files": []}
        if before.get("mark") == mark:
            return
        # Without a mark until it is whole.
        runtime.write_private(note, json.dumps({"files": sorted({*before["files"], *names})}))
        (place / HOME).mkdir(exist_ok=True)
        for name in {*before["files"]} - {*names}:
            (place / name).unlink(missing_ok=True)
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for each in tar:
                _unpack(tar, each, place / each.name)
        # All of it on the disk before it counts as whole: a power cut leaves new files empty.
        os.sync()
        runtime.write_private(note, json.dumps({"mark": mark, "files": names}))


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f"{target.name}.half")
    half.unlink(missing_ok=True)
    if member.issym():
        os.symlink(member.linkname, half)
    else:
        content = tar.extractfile(member)
        assert content is not None
        with half.open("wb") as file:
            shutil.copyfileobj(content, file)
        half.chmod(0o700 if member.mode & 0o100 else 0o600)
        os.utime(half, (member.mtime, member.mtime))
    # Whole or not at all, for whoever runs it meanwhile.
    half.replace(target)


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
    except AirlineError as error:
        print(f"airline: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"airline: cannot go on as another account: {error}", file=sys.stderr)
        sys.exit(1)
