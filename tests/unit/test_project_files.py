"""What a visitor of the repository, GitHub and a devcontainer read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from infra.settings import ROOT, SERVERS, Settings

GITHUB = ROOT / ".github"
FORMS = ("bug", "feature")


def workflow(name: str) -> dict:
    return yaml.safe_load((GITHUB / "workflows" / f"{name}.yml").read_text())


def commands(name: str) -> list[str]:
    steps = [step for job in workflow(name)["jobs"].values() for step in job["steps"]]
    return [step["run"] for step in steps if "run" in step]


def test_a_push_is_tested_as_on_a_desk():
    """GitHub is green on something else than the tests, or a pull request may write."""
    assert commands("tests") == [".ci/run"]
    assert workflow("tests")["permissions"] == {"contents": "read"}
    assert {"push", "pull_request"} <= set(workflow("tests")["on"])
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_a_tag_becomes_a_release_with_its_notes():
    """A release is made without notes, or for every push."""
    assert workflow("release")["on"] == {"push": {"tags": ["v*"]}}
    notes, create = commands("release")
    assert notes.startswith(".ci/release-notes ") and "--notes-file" in create


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A commit that is to be released."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "release-notes", tmp_path / ".ci")
    project = (ROOT / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(
        re.sub(r'^version = ".*"', 'version = "1.10.0"', project, flags=re.MULTILINE)
    )
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## Unreleased\n\n- later\n\n## 1.10.0 - a day\n\n### Added\n\n- this\n\n"
        "## 1.1.0 - a day\n\n- before\n"
    )
    return tmp_path


def notes(checkout: Path, version: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / ".ci" / "release-notes", version], capture_output=True, text=True
    )


def test_the_notes_are_those_of_the_version(checkout):
    """A release tells what another one brought, or what is not in it."""
    done = notes(checkout, "1.10.0")
    assert (done.returncode, done.stdout.split()) == (0, ["###", "Added", "-", "this"])


def test_what_is_not_ready_is_not_released(checkout):
    """A tag that was set too early becomes a release without notes."""
    assert "pyproject.toml" in notes(checkout, "1.1.0").stderr
    changes = checkout / "CHANGELOG.md"
    changes.write_text(changes.read_text().replace("## 1.10.0 - a day", "## Unreleased"))
    refused = notes(checkout, "1.10.0")
    assert refused.returncode == 1 and "CHANGELOG.md" in refused.stderr and not refused.stdout


@pytest.mark.parametrize("name", FORMS)
def test_an_issue_asks_for_what_is_needed(name):
    """GitHub shows no form, for a field lacks what it needs; or nothing has to be filled in."""
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml").read_text())
    assert {"name", "description", "body"} <= form.keys()
    fields = [each for each in form["body"] if each["type"] != "markdown"]
    assert len({each["id"] for each in fields}) == len(fields)
    assert all(each["attributes"]["label"] for each in fields)
    assert any(each.get("validations", {}).get("required") for each in fields)


def test_a_devcontainer_forwards_the_stacks_ports():
    """One starts a stack in it and reaches no dashboard, or the wrong one."""
    told = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    usual = Settings.from_environment({})
    services = ("superset", "airflow", "docs", "connect", *SERVERS)
    assert told["forwardPorts"] == [usual.port(each) for each in services]
    assert sorted(map(int, told["portsAttributes"])) == sorted(told["forwardPorts"])


@pytest.mark.parametrize("name", ["README.md", "README.ru.md"])
def test_the_first_lines_say_what_it_takes(name):
    """A visitor begins, and learns after an hour that the laptop is too small."""
    text = (ROOT / name).read_text()
    first = "\n".join(text.splitlines()[:12])
    assert re.search(r"(minutes|минут), 4 (GB|ГБ)", first) and "Python 3.11" in first
    assert text.index("git clone ") < text.index("./airline up ")
