"""A fresh clone where the dbt hub answers and one where it does not: the same vault, byte for byte.

The hub is one on loopback, with packages of the tests' own making: nobody here has AutomateDV.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.settings import ROOT, Settings
from infra.testing import suites
from tests.e2e.faults import proof
from tests.support.commands import run
from tests.support.dbt_hub import dbt_hub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# What a clone does not have: what was made in this one.
MADE_HERE = (".git", ".venv*", ".airline*", "dbt_packages", "target", "logs")


class Clone:
    """A copy of the project with a stack of its own, on the environment of this one."""

    def __init__(self, folder: Path, hub: str) -> None:
        self.root = folder / "clone"
        made_here = shutil.ignore_patterns(*MADE_HERE)
        shutil.copytree(
            ROOT,
            self.root,
            ignore=lambda where, names: made_here(where, names) if Path(where) == ROOT else (),
        )
        (self.root / ".venv").symlink_to(ROOT / ".venv")
        self.environment = suites.isolated(os.environ, Settings.from_environment()) | {
            "AIRLINE_HOME": str(self.root / ".airline"),
            "AIRLINE_PORT_OFFSET": str(suites.free_offset(suites.OFFSETS)),
            "DBT_PACKAGE_HUB_URL": hub,
            "PYTHONPATH": str(self.root),
        }
        self.settings = replace(Settings.from_environment(self.environment), root=self.root)

    def airline(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What ./airline hands over to. A failure fails the test."""
        command = [sys.executable, "-P", "-m", "infra.cli", *arguments]
        return run(command, self.root, self.environment)

    def packages(self) -> set[str]:
        return {each.name for each in (self.root / "dbt_packages").iterdir() if each.is_dir()}


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the servers' user can enter."""
    made = Path(tempfile.mkdtemp(prefix="airline-clone-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_the_hubs_packages_and_the_stand_in_make_one_vault(folder, capsys):
    """Where the hub answers no load would run, or keys would be others than elsewhere."""
    with dbt_hub() as hub:
        clone = Clone(folder, hub.url)
        try:
            said = clone.airline("up", "--only", "core", "--scale", "0.1").stdout
            assert "from the dbt hub" in said, said
            assert clone.packages() == {"automate_dv", "dbt_utils"}
            assert json.loads(clone.airline("audit", "--json").stdout)["differences"] == 0
            # From here on the hub is out of reach, and dbt_packages is made anew.
            hub.ill = ("api",)
            shutil.rmtree(clone.root / "dbt_packages")
            assert "stand-in" in clone.airline("dbt", "parse").stderr
            assert clone.packages() == {"automate_dv"}
            # The stack that the hub's packages made is loaded on, of the same hashes.
            clone.airline("dbt", "run", "--selector", "loading")
            differences = proof.rebuild_differences(clone.settings)
            with capsys.disabled():
                print("\ntable of dwh_detailed: rows, sum of the rows' hashes")
                for table, (rows, total) in proof.digests(clone.settings).items():
                    print(f"{table}: {rows}, {total}")
            assert differences == []
        finally:
            clone.airline("reset", "--yes")
