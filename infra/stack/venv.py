"""Makes the Python environments from the locked requirements. Run by ./airline with any Python, so
standard library only.

A stamp written last says for which lock a folder was made: a half-made one has none and is made
anew.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# lock -> the environment it goes into. The first lock of an environment is its base: the others are
# compiled against it and add to it.
ENVIRONMENTS = {
    "core": ROOT / ".venv",
    # What installs the others where the machine has no uv: several times as fast as pip.
    "uv": ROOT / ".venv",
    "airflow": ROOT / ".venv",
    "test": ROOT / ".venv",
    "supply": ROOT / ".venv",
    # Superset wants other releases of what it shares with dbt and Airflow.
    "superset": ROOT / ".venv-superset",
}
# lock -> the newest Python that its packages exist for, where that is not the newest there is
NEWEST_PYTHON = {"superset": (3, 12)}
OLDEST_PYTHON = (3, 11)
_OWN_UV = ENVIRONMENTS["uv"] / "bin" / "uv"
# A setting of pip -> the variable by which uv is told the same. In the environment, for an address
# may have a password.
PIP_FOR_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
# Variables of pip that would put packages elsewhere, or refuse an environment of ours.
PIP_PLACES = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PIP_DRY_RUN")
# Everything we install comes as binary packages for these.
PLATFORMS = {
    ("Linux", "x86_64"),
    ("Linux", "aarch64"),
    ("Darwin", "arm64"),
}


def main(wanted: list[str]) -> int:
    """Installs the locks named in `wanted` (keys of ENVIRONMENTS); returns an exit code."""
    if (platform.system(), platform.machine()) not in PLATFORMS:
        return fail(
            f"there are no packages for {platform.system()} on {platform.machine()}",
            "use Linux on x86-64 or arm64, or macOS on arm64",
        )
    if all(is_made(lock) for lock in wanted):
        return 0
    try:
        # Not below .airline: where root calls that is another account's.
        alone = (ROOT / ".venv.lock").open("w")
    except OSError as error:
        return fail(f"cannot write to {ROOT} ({error.strerror})", "use a clone that belongs to you")
    with alone:
        # Two at once: the second one waits and then finds it made.
        fcntl.flock(alone, fcntl.LOCK_EX)
        for lock in wanted:
            if not is_made(lock):
                code = make(lock)
                if code:
                    return code
    return 0


def python(lock: str) -> Path:
    """The interpreter of the environment that `lock` goes into."""
    return ENVIRONMENTS[lock] / "bin" / "python"


def is_made(lock: str) -> bool:
    return python(lock).exists() and _read(_stamp(lock)) == _mark(lock)


def make(lock: str) -> int:
    """Makes the environment where there is none that works, and installs `lock` into it."""
    begin = time.monotonic()
    uv = _uv()
    folder = ENVIRONMENTS[lock]
    mates = [each for each in ENVIRONMENTS if ENVIRONMENTS[each] == folder]
    base = mates[0]
    usable = python(lock).exists() and _read(_stamp(base)).startswith(f"{ROOT}\n")
    if usable and lock == base:
        # The lock changed: what is there is brought up to it, and then what was on top of it.
        for mate in mates:
            _stamp(mate).unlink(missing_ok=True)
    elif not usable:
        interpreter = _interpreter(lock)
        if interpreter is None:
            return fail_for_want_of_a_python(lock)
        print(f"airline: making {folder} with {interpreter}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        made = subprocess.run(
            [uv, "venv", "--quiet", "--python", interpreter, str(folder)]
            if uv
            else [interpreter, "-m", "venv", str(folder)],
            capture_output=True,
            text=True,
        )
        if made.returncode:
            return fail(
                "Python cannot make a virtual environment",
                "install its venv module (Debian, Ubuntu: apt install python3-venv), or uv",
                made.stdout + made.stderr,
            )
    if uv is None:
        uv = _own_uv()
    print(f"airline: installing requirements/{lock}.txt", file=sys.stderr)
    code = _install(lock, uv)
    if code:
        return code
    _stamp(lock).write_text(_mark(lock))
    print(
        f"airline: requirements/{lock}.txt installed in {time.monotonic() - begin:.0f} s",
        file=sys.stderr,
    )
    return 0


def _uv() -> str | None:
    """The machine's uv, or ours where it is there."""
    return shutil.which("uv") or (str(_OWN_UV) if is_made("uv") else None)


def _own_uv() -> str | None:
    """Ours, installed by the pip of an environment that was just made; None where that fails."""
    if python("uv").exists() and not _by_pip("uv", silently=True).returncode:
        _stamp("uv").write_text(_mark("uv"))
        return str(_OWN_UV)
    return None


def _interpreter(lock: str) -> str | None:
    """A Python that the packages of `lock` exist for: this one, or another on the machine."""
    newest = NEWEST_PYTHON.get(lock)
    if newest is None or sys.version_info[:2] <= newest:
        return sys.executable
    check = f"import sys; sys.exit(not {OLDEST_PYTHON} <= sys.version_info[:2] <= {newest})"
    for minor in range(newest[1], OLDEST_PYTHON[1] - 1, -1):
        found = shutil.which(f"python{newest[0]}.{minor}")
        # A shim may be there and refuse to run: only what answers counts.
        if found and not subprocess.run([found, "-c", check], capture_output=True).returncode:
            return found
    uv = _uv()
    if uv:
        # uv knows Pythons that are not on the path, and fetches one where it may.
        wanted = f">={_dotted(OLDEST_PYTHON)},<{newest[0]}.{newest[1] + 1}"
        subprocess.run([uv, "python", "install", "--quiet", _dotted(newest)], capture_output=True)
        told = subprocess.run([uv, "python", "find", wanted], capture_output=True, text=True)
        if not told.returncode:
            return told.stdout.strip()
    return None


def fail_for_want_of_a_python(lock: str) -> int:
    oldest, newest = _dotted(OLDEST_PYTHON), _dotted(NEWEST_PYTHON[lock])
    return fail(
        f"the packages of requirements/{lock}.txt exist for Python {oldest} to {newest}, and here "
        f"is only {platform.python_version()}",
        f"put a python{newest} on the path beside it (or uv, which fetches one: pip install uv)",
    )


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _install(lock: str, uv: str | None) -> int:
    file = ROOT / "requirements" / f"{lock}.txt"
    interpreter = str(python(lock))
    if uv:
        # The lock names every package, so nothing is left to resolve.
        arguments = ["pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        done = subprocess.run(
            [uv, *arguments, "--compile-bytecode", "--python", interpreter, "-r", str(file)],
            env={**_pip_for_uv(), **os.environ},
        )
        if not done.returncode:
            return 0
        print("airline: uv could not install them; trying pip", file=sys.stderr)
        subprocess.run([interpreter, "-m", "ensurepip", "--default-pip"], capture_output=True)
    if _by_pip(lock).returncode:
        return fail(
            f"the packages of requirements/{lock}.txt could not be installed",
            "see pip's message above; check the network, or pip's configuration (pip config list), "
            "then run the same command again",
        )
    return 0


def _by_pip(lock: str, *, silently: bool = False) -> subprocess.CompletedProcess[str]:
    arguments = ["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r"]
    return subprocess.run(
        [str(python(lock)), *arguments, str(ROOT / "requirements" / f"{lock}.txt")],
        env={
            # Indexes, certificates and proxies are the caller's; where to is not.
            **{name: value for name, value in os.environ.items() if name not in PIP_PLACES},
            "PIP_USER": "0",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        },
        capture_output=silently,
        text=True,
    )


def _pip_for_uv() -> dict[str, str]:
    """What pip is configured with, in files and in the environment, as variables of uv, which reads
    neither.
    """
    # Either may be without a pip.
    for interpreter in (sys.executable, str(python("uv"))):
        command = [interpreter, "-m", "pip", "config", "list"]
        told = subprocess.run(command, capture_output=True, text=True)
        if not told.returncode:
            break
    # All is checked by its hash, wherever it lies.
    variables = {"UV_SYSTEM_CERTS": "1", "UV_INDEX_STRATEGY": "unsafe-best-match"}
    lines = told.stdout.splitlines() if not told.returncode else []
    # What comes later counts more.
    for section in ("global.", "install.", ":env:."):
        for line in lines:
            # global.index-url='https://mirror.example/simple'
            setting, _, value = line.removeprefix(section).partition("=")
            if line.startswith(section) and (variable := PIP_FOR_UV.get(setting)):
                separator = "," if variable == "UV_FIND_LINKS" else " "
                variables[variable] = separator.join(str(ast.literal_eval(value)).split())
    return variables


def _stamp(lock: str) -> Path:
    return ENVIRONMENTS[lock] / f"airline-{lock}.stamp"


def _read(stamp: Path) -> str:
    return stamp.read_text() if stamp.exists() else ""


def _mark(lock: str) -> str:
    # Scripts in it have absolute paths: a moved clone needs a new one.
    text = (ROOT / "requirements" / f"{lock}.txt").read_bytes()
    return f"{ROOT}\n{hashlib.sha256(text).hexdigest()}\n"


def fail(what: str, todo: str, detail: str = "") -> int:
    print(f"airline: {what}; {todo}", *filter(None, [detail]), sep="\n", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
