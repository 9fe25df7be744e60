"""The command line as people type it: help, what was mistyped, lines on a terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.cli import verbs
from infra.cli.verbs import VERBS
from infra.parts import names, registry
from infra.settings import ROOT
from infra.stack import terminal
from infra.stack.progress import aligned
from tests.support.terminal import Terminal

ESCAPE = "\033["


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A clone that nothing was installed in."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copy(ROOT / "airline", folder)
    for part in ("infra", "ingest", "benchmarks", "catalogue", "models/staging", "requirements"):
        shutil.copytree(
            ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "dbt_packages")
        )
    return folder


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory) -> Path:
    """A folder for the PATH with a python3 that has no package but its own library."""
    folder = tmp_path_factory.mktemp("bin")
    python = folder / "python3"
    python.write_text(f'#!/bin/sh\nexec "{os.path.realpath(sys.executable)}" -S "$@"\n')
    python.chmod(0o755)
    return folder


def airline(clone: Path, bare_python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["./airline", *arguments],
        cwd=clone,
        env={"PATH": f"{bare_python}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "words",
    [
        [],
        *([name] for name in VERBS),
        ["bench", "landing"],
        ["dead-letters", "replay"],
        ["test", "--unit", "-k", "some"],
    ],
    ids=" ".join,
)
def test_help_installs_nothing(clone, bare_python, words):
    """`bench --help` took 43 s: it installed what benchmarks need, to say what it does."""
    done = airline(clone, bare_python, *words, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")
    assert done.stderr == ""
    assert not (clone / ".venv").exists() and not (clone / ".airline").exists()


def test_no_verb_at_all_is_answered_without_packages(clone, bare_python):
    """Whoever only tries the command waits for an installation."""
    done = airline(clone, bare_python)
    assert done.returncode == 2 and "usage: airline" in done.stderr
    assert not (clone / ".venv").exists()


def test_help_of_a_setting_that_cannot_be_used_says_so(clone, bare_python):
    """Help that shows a setting ends in a traceback."""
    done = subprocess.run(
        ["./airline", "retention", "--help"],
        cwd=clone,
        env={"PATH": f"{bare_python}:/usr/bin:/bin", "AIRLINE_RETENTION_DAYS": "many"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("airline: ") and "AIRLINE_RETENTION_DAYS" in done.stderr


@pytest.mark.parametrize("name", VERBS)
def test_what_a_verb_does_is_there(name):
    """A verb names a function that was renamed, and ends in a traceback."""
    assert callable(VERBS[name].function())
    if not VERBS[name].of:
        assert "--help" in verbs.parser_of(name).format_help()


def test_parts_have_the_names_that_up_takes():
    """`up --only` refuses a part that there is, or takes one that is gone."""
    assert tuple(registry.PARTS) == names.NAMES


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["staus"], "did you mean 'status'?"),
        (["Up"], "did you mean 'up'?"),
        (["up", "--only", "spuerset"], "did you mean 'superset'?"),
        (["up", "--no-dat", "--scal", "1"], ""),  # an abbreviation, as ever
        (["up", "--sacle", "2"], "did you mean '--scale'?"),
        (["psql", "dhw"], "did you mean 'dwh'?"),
        (["audit", "--josn"], "did you mean '--json'?"),
        (["dead-letters", "lst"], "did you mean 'list'?"),
        (["bench", "landin"], "did you mean 'landing'?"),
        (["up", "--zzz"], ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_may_have_been_meant_is_said(words, meant, capsys):
    """One looks for the letter that is wrong in a list of twenty names."""
    from infra.cli.__main__ import parser

    try:
        if words[0] in VERBS:
            verbs.parser_of(words[0]).parse_args(words[1:])
        else:
            parser().parse_args(words)
    except SystemExit as ended:
        assert ended.code == 2
    said = capsys.readouterr().err
    assert meant in said if meant else "did you mean" not in said


def test_a_service_may_have_been_meant():
    """`logs conect` only lists all services."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", "logs", "conect"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "did you mean 'connect'?" in done.stderr


SHOW = """
from infra.health import screen
from infra.health.finding import Finding
from infra.stack.progress import Progress, aligned, complain
from types import SimpleNamespace
words = "nothing of it is lost; mend it by './airline up' " * 6
Progress().say(words)
complain(words)
print(aligned([tuple(range(1000, 1030))], [f"column_{n}" for n in range(30)]))
state = dict(state="RUNNING", pid=1, uptime=5, restarts=0, port=5432, last_error=words)
print(screen.text(SimpleNamespace(home="/home"),
    [Finding("primary", problem=words, values=state)], [Finding("slot", words, words)]))
"""


def shown(columns: int, **variables: str) -> str:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables}
    with Terminal([sys.executable, "-c", SHOW], environment, columns) as there:
        there.read()
        assert there.end() == 0, there.shown
        return there.shown


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_lines_fit_the_terminal(columns):
    """`up` printed lines of 287 characters, which a terminal breaks in the middle of words."""
    lines = shown(columns, NO_COLOR="1").splitlines()
    assert max(map(len, lines)) <= columns
    assert ESCAPE not in "".join(lines)
    assert "column_29" in "\n".join(lines)


def test_colour_is_for_terminals_alone():
    """A file or a program gets escape sequences, or a person who wants none."""
    assert ESCAPE in shown(80)
    assert ESCAPE not in shown(80, NO_COLOR="1")
    assert ESCAPE not in shown(80, TERM="dumb")


def test_whole_lines_without_colour_go_into_a_pipe():
    """A program that reads the lines finds them broken, or a number is left out."""
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "COLUMNS": "60"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ESCAPE not in done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "1029" in done.stdout and "also" not in done.stdout
    assert len([line for line in done.stdout.splitlines() if line.startswith("slot ")]) == 1


def test_a_table_keeps_its_first_column_on_any_terminal(monkeypatch):
    """A narrow terminal shows rows without what they are about."""
    monkeypatch.setattr(terminal, "_is_terminal", lambda _: True)
    monkeypatch.setenv("COLUMNS", "20")
    table = aligned([("a" * 30, 1)], ["name", "rows"])
    assert "a" * 30 in table and "also rows" in table


def test_the_logs_of_libraries_stay_out_of_the_lines():
    """'ERROR:kafka.net.manager' again and again, while `up` waits for the broker it has just
    started: what a library of dbt's sets up for all.
    """
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import logging, sys; from infra.cli.__main__ import run; sys.argv[1:] = ['--version'];"
            " run(); import dbt.deprecations; logging.getLogger('kafka').error('no broker yet')",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout and done.stderr == ""
