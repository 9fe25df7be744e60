"""The source's tables change under a running stack, and `./airline evolve` follows, end to end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.settings import ROOT
from tests.e2e.core.test_fresh_clone import MADE_HERE
from tests.support.commands import run

pytestmark = pytest.mark.timeout(1800)


class Checkout:
    """A copy of the project that works with the tests' stack: evolve writes into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        made_here = shutil.ignore_patterns(*MADE_HERE)
        shutil.copytree(
            ROOT,
            root,
            ignore=lambda where, names: made_here(where, names) if Path(where) == ROOT else (),
        )
        shutil.copytree(ROOT / "dbt_packages", root / "dbt_packages", symlinks=True)
        (root / ".venv").symlink_to(ROOT / ".venv")
        self.environment = os.environ | {
            "PYTHONPATH": str(root),
            "DBT_TARGET_PATH": str(root / "target"),
        }

    def airline(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "infra.cli", *arguments]
        return run(command, self.root, self.environment, check=False)

    def files(self) -> dict[str, str]:
        models = sorted((self.root / "models").rglob("*.*"))
        return {str(each.relative_to(self.root)): each.read_text() for each in models}


@pytest.fixture
def checkout(stack, tmp_path) -> Iterator[Checkout]:
    """A checkout of its own; after it source and vault are as this project has them."""
    # What dbt remembers of one checkout is not to be taken for the other.
    remembered = stack.home / "dbt" / "target" / "partial_parse.msgpack"
    remembered.unlink(missing_ok=True)
    yield Checkout(tmp_path / "checkout")
    remembered.unlink(missing_ok=True)
    stack.sql("primary", "alter table bookings drop column if exists tier")
    stack.sql("primary", "alter table tickets drop column if exists note")
    for table in ("sat_booking_details_2", "sat_ticket_details_2"):
        stack.sql("dwh", f"drop table if exists dwh_detailed.{table} cascade")
    stack.airline("dbt", "build")
    stack.assert_audit_clean()


def test_added_column_through_the_real_connector(stack, checkout):
    """A new column would stay outside the vault, or ask for a reset and a reading of everything."""
    stack.assert_audit_clean()
    stack.sql("primary", "alter table bookings add column tier text")
    stack.sql("primary", "comment on column bookings.tier is 'Tier of the client'")
    # Rows that are there have it without an event.
    stack.sql("primary", "alter table tickets add column note text default 'of old'")
    stack.commit(
        "update bookings set tier = 'gold' where book_ref in"
        " (select book_ref from bookings order by 1 limit 5)"
    )
    rows = "select (select count(*) from dwh_detailed.{}), (select count(*) from dwh_detailed.{})"
    stack.assert_audit_clean()
    counts = stack.sql("dwh", rows.format("sat_booking_details", "sat_ticket_details"))
    before = checkout.files()

    planned = checkout.airline("evolve")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "added: bookings.tier: text" in planned.stdout
    assert "./airline resync tickets" in planned.stdout
    assert checkout.files() == before

    applied = checkout.airline("evolve", "--apply")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert "wrote models/staging/stg_bookings.sql" in applied.stdout
    written = checkout.files()
    assert "Tier of the client" in written["models/descriptions/bookings.md"]
    assert "doc('bookings_tier')" in written["models/business_vault/current_bookings.yml"]
    # Filled from raw by the same command, and nothing else got a version.
    assert stack.sql(
        "dwh", "select tier, count(*) from dwh_business.current_bookings group by 1 order by 1"
    )[0] == ("gold", 5)
    assert counts == stack.sql("dwh", rows.format("sat_booking_details", "sat_ticket_details"))

    resync = checkout.airline("resync", "tickets", "--yes")
    assert resync.returncode == 0, resync.stdout + resync.stderr
    audit = checkout.airline("audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr
    assert "not compared" not in audit.stdout
    assert stack.sql("dwh", "select distinct note from dwh_business.current_tickets") == [
        ("of old",)
    ]
    assert counts == stack.sql("dwh", rows.format("sat_booking_details", "sat_ticket_details"))

    again, after = checkout.airline("evolve", "--apply"), checkout.files()
    assert again.returncode == 0 and "nothing to do" in again.stdout
    assert after == checkout.files()
