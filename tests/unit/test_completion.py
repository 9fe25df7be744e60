"""What shells complete, against the verbs' table."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from infra.cli import completions
from infra.cli.verbs import SHELLS, VERBS
from infra.settings import ROOT, SERVERS

# What ./airline uses before it looks for a Python.
TOOLS = ("sh", "env", "sed", "readlink", "dirname", "cat")

# In bash, without a terminal: the words of a command line, and what its last one may become.
ASK = """
eval "$(<"$1")"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
_shtab_airline
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(*words: str) -> list[str]:
    """What bash offers for the last word; it can start no program for it."""
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-c", ASK, "bash", completions.file("bash"), *words],
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_files_are_those_of_the_table(shell):
    """A new verb or flag is not completed, or one that is gone is."""
    assert completions.file(shell).read_text() == completions.text(shell), (
        "write them: python -m infra.cli.completions"
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_no_python_starts_to_print_one(tmp_path, shell):
    """Every new shell of a person would wait for Python, or for an installation."""
    for name in TOOLS:
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    done = subprocess.run(
        [ROOT / "airline", "completion", shell],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == completions.file(shell).read_text()


def test_bash_completes_without_any_program():
    """A person presses TAB and waits for Python, or is offered nothing."""
    assert sorted(completed("./airline", "")) == sorted(VERBS)
    assert completed("./airline", "stat") == ["status"]
    assert completed("./airline", "psql", "") == list(SERVERS)
    assert completed("./airline", "up", "--only", "su") == ["superset"]
    assert completed("./airline", "logs", "-n", "5", "conn") == ["connect"]
    assert completed("./airline", "resync", "boa") == ["boarding_passes"]
    assert completed("./airline", "dead-letters", "list", "--js") == ["--json"]
    assert "--as-is" in completed("./airline", "audit", "--")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_can_read_theirs(shell):
    """A person's shell starts with an error, where it is on the machine."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not on this machine")
    file: Path = completions.file(shell)
    done = subprocess.run([program, "--no-execute", file], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
