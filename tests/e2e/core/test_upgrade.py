"""A stack that an earlier commit made, and `up` of this code on it.

The earlier code is that of a commit from before versions were noted, taken out of git's history.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from infra.settings import ROOT, Settings
from infra.stack.supervision import Supervisor
from infra.testing import suites
from infra.warehouse import layout
from tests.e2e.faults import proof
from tests.support.commands import run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

BEFORE = "bc4aa99"


class Upgraded:
    """One folder of state, and two versions of the code that work on it."""

    def __init__(self, folder: Path) -> None:
        self.before = folder / "before"
        self.before.mkdir()
        archive = subprocess.run(
            ["git", "-C", str(ROOT), "archive", BEFORE], capture_output=True, check=True
        )
        subprocess.run(["tar", "-x", "-C", str(self.before)], input=archive.stdout, check=True)
        (self.before / ".venv").symlink_to(ROOT / ".venv")
        self.environment = suites.isolated(os.environ, Settings.from_environment()) | {
            "AIRLINE_HOME": str(folder / "home"),
            "AIRLINE_PORT_OFFSET": str(suites.free_offset(suites.OFFSETS)),
        }
        self.settings = Settings.from_environment(self.environment)

    def airline(
        self, *arguments: str, root: Path = ROOT, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """What the ./airline of the code in `root` hands over to."""
        command = [sys.executable, "-P", "-m", "infra.cli", *arguments]
        return run(command, root, self.environment | {"PYTHONPATH": str(root)}, check=check)

    def sql(self, server: str, *statements: str) -> list[tuple]:
        with (
            closing(psycopg2.connect(self.settings.dsn(server))) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def pids(self) -> dict[str, int]:
        states = Supervisor(self.settings).states()
        return {name: state.pid for name, state in states.items()}


@pytest.fixture
def stack() -> Iterator[Upgraded]:
    known = subprocess.run(
        ["git", "-C", str(ROOT), "cat-file", "-e", f"{BEFORE}^{{commit}}"], capture_output=True
    )
    if known.returncode:
        pytest.skip(f"git does not have {BEFORE} here: a shallow clone, or no clone at all")
    # One that the servers' user can enter.
    folder = Path(tempfile.mkdtemp(prefix="airline-upgrade-"))
    folder.chmod(0o755)
    made = Upgraded(folder)
    yield made
    made.airline("reset", "--yes", check=False)
    shutil.rmtree(folder, ignore_errors=True)


def test_a_stack_of_an_earlier_version_goes_on_with_this_one(stack, capsys):
    """An update of the product would cost people their data, or a `reset`."""
    stack.airline("up", "--only", "core", "--scale", "0.1", root=stack.before)
    vault_before = proof.digests(stack.settings)
    # Nobody has loaded these when the new version comes; the earlier one may have landed them.
    stack.sql(
        "primary",
        "insert into bookings values ('UPGRD1', now(), 10.00)",
        "update bookings set total_amount = total_amount + 1"
        " where book_ref in (select book_ref from bookings order by book_ref limit 20)",
        "delete from boarding_passes where (ticket_no, flight_id) in"
        " (select ticket_no, flight_id from boarding_passes order by 1, 2 limit 5)",
    )
    ran_before = stack.pids()

    said = stack.airline("up", "--only", "core").stdout
    assert "dwh: migration 1 applied" in said, said
    # No process writes with the code of before.
    assert "ingest stopped: it runs the version before" in said
    assert stack.pids()["ingest"] != ran_before["ingest"]
    noted = stack.sql("dwh", "select version from dwh_control.migration order by version")
    assert [number for (number,) in noted] == list(range(1, layout.version() + 1))

    audit = json.loads(stack.airline("audit", "--json", check=False).stdout)
    assert (audit["differences"], audit["findings"]) == (0, [])
    found = json.loads(stack.airline("status", "--json", check=False).stdout)
    assert found["healthy"], found
    assert found["checks"]["version"]["version"] == layout.version()
    # What is loaded stays, and old and new batches make the vault that the raw events give anew.
    vault = proof.digests(stack.settings)
    assert vault_before.keys() <= vault.keys()
    assert vault["sat_booking_details"][0] == vault_before["sat_booking_details"][0] + 21
    assert proof.rebuild_differences(stack.settings) == []
    with capsys.disabled():
        print(f"\n{sum(rows for rows, _ in vault_before.values()):,} rows of the vault upgraded")

    # A second time there is nothing to do, and a version to come is left alone.
    running = stack.pids()
    assert "migration" not in stack.airline("up", "--only", "core").stdout
    stack.sql("dwh", "insert into dwh_control.migration (version, name, applied_by)"
              " values (99, 'later', 'a test')")  # fmt: skip
    refused = stack.airline("up", "--only", "core", check=False)
    assert refused.returncode == 1 and "the data is of version 99" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert stack.pids() == running
    stack.airline("down")
    refused = stack.airline("up", "--only", "core", check=False)
    assert refused.returncode == 1 and "the data is of version 99" in refused.stderr
    assert [name for name, pid in stack.pids().items() if pid] == ["dwh"]
