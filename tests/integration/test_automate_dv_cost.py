"""If these failed, a load would cost more as the history grows, instead of following its batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.automate_dv.harness import Project, stand_in_only

pytestmark = stand_in_only

SMALL, LARGE = 10_000, 500_000
BATCH = 200
# What a batch row may cost, in pages: a look-up in an index of 500,000 keys reads three or four
# pages, and the row's own.
PAGES_PER_ROW = 5
# Versions of one key of the batch, to show that neither a long history of a key costs.
VERSIONS = 50_000

KEY = "decode(lpad(to_hex({}), 32, '0'), 'hex')"
COLUMNS = (
    "hk bytea, one_hk bytea, other_hk bytea, id integer, name text, hash_diff bytea,"
    " load_date timestamp, record_source text"
)
# What the n-th row of each target holds; all were loaded on the first day of 2024.
TARGETS = {
    "cost_hub": "hk, n, loaded, 'S'",
    "cost_link": "hk, hk, hk, loaded, 'S'",
    "cost_sat": "hk, '\\x01', 'name', loaded, 'S'",
}
NEW_ROWS = {
    # Half of the batch has keys that the targets lack; the other half changes known ones.
    "cost_hub": BATCH // 2,
    "cost_link": BATCH // 2,
    "cost_sat": BATCH,
}


class Load:
    """One load as EXPLAIN saw it."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.rows = round(plan["Actual Rows"])
        self.pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        self.scanned = {
            node["Relation Name"] for node in _nodes(plan) if node["Node Type"] == "Seq Scan"
        }


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


@pytest.fixture(scope="module")
def loads(postgres_server, tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Load]]:
    """The same batch against the same tables at two sizes of history."""
    project = Project(Path(tmp_path_factory.mktemp("cost")), postgres_server, "automate_dv_cost")
    project.replace("cost_batch", COLUMNS)
    project.run("path:models/cost")
    known, new = KEY.format("n * 50"), KEY.format("n + 100000000")
    for hash_key in (known, new):
        project.execute(
            f"insert into raw.cost_batch select {hash_key}, {known}, {hash_key}, n, 'name',"
            " '\\x02', loaded, 'S'"
            f" from generate_series(1, {BATCH // 2}) as n,"
            " (select timestamp '2025-01-01' as loaded)"
        )
    project.execute(
        f"create unlogged table raw.history as select n, {KEY.format('n')} as hk,"
        f" timestamp '2024-01-01' as loaded from generate_series(1, {LARGE}) as n"
    )
    # Made once: the SQL of an incremental load, the tables being there.
    compiled = project.dbt("compile", "--select", "path:models/cost").compiled
    seen: dict[int, dict[str, Load]] = {}
    loaded_before = 0
    for size in (SMALL, LARGE):
        for table, columns in TARGETS.items():
            project.execute(
                f"insert into vault.{table} select {columns} from raw.history"
                f" where n > {loaded_before} and n <= {size}"
            )
        loaded_before = size
        if size == LARGE:
            project.execute(
                f"insert into vault.cost_sat select {KEY.format('50')}, '\\x01', 'name',"
                f" timestamp '2024-01-01' + n * interval '1 second', 'S'"
                f" from generate_series(1, {VERSIONS}) as n"
            )
        seen[size] = {}
        for table in TARGETS:
            # What autovacuum would do at some time, done now: the plan must not depend on when.
            project.execute(f"analyze vault.{table}")
            explained = project.rows(
                f"explain (analyze, buffers, timing off, format json) {compiled[table]}"
            )
            seen[size][table] = Load(explained[0][0][0]["Plan"])
    return seen


@pytest.mark.parametrize("table", TARGETS)
def test_what_a_load_finds(loads: dict[int, dict[str, Load]], table: str) -> None:
    """The loads measured here would not be the loads that are meant: nothing found, or all."""
    assert {size: load[table].rows for size, load in loads.items()} == {
        SMALL: NEW_ROWS[table],
        LARGE: NEW_ROWS[table],
    }


@pytest.mark.parametrize("table", TARGETS)
def test_cost_follows_the_batch(loads: dict[int, dict[str, Load]], table: str) -> None:
    """A load would read the whole target, or more of it as it grows."""
    small, large = loads[SMALL][table], loads[LARGE][table]
    allowed = PAGES_PER_ROW * BATCH
    assert table not in large.scanned
    assert large.pages <= allowed, f"{large.pages} pages (small: {small.pages})"
