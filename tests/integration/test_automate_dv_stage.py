"""If these failed, stages would have other columns or values than AutomateDV gives them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.integration.automate_dv.harness import Project, stand_in_only


def md5(text: str) -> bytes:
    return hashlib.md5(text.encode()).digest()


@pytest.fixture(scope="module")
def project(postgres_server, tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(Path(tmp_path_factory.mktemp("stage")), postgres_server, "automate_dv_stage")
    made.replace(
        "stage_input",
        'id integer, name text, code text, region text, part integer, "Mixed Case" text,'
        ' "order" text',
        "1, 'ann', 'x', 'north', 10, 'Quiet', 'o1'",
        "2, 'bob', 'x', null, 10, null, 'o2'",
        "3, 'cid', 'x', 'south', 20, 'Low', null",
        "4, 'dan', null, 'south', 20, 'Soft', 'o4'",
    )
    made.run("stage_base stage_full stage_generated_only stage_source_only")
    return made


def test_column_order(project: Project) -> None:
    """Columns would come in another order, or a redefined one twice."""
    assert project.columns("stage_full") == [
        # The source's, but those that a later step defines anew.
        *["id", "part", "Mixed Case", "order"],
        *["name", "label", "shouted", "spoken", "copied"],
        *["code_original", "code", "region_original", "region", "kind_original", "kind"],
        *["code_hk", "name_hk", "region_hk", "hashed_later", "diff"],
        *["ranked", "dense", "mixed"],
    ]
    assert project.columns("stage_source_only") == [
        *["id", "name", "code", "region", "part", "Mixed Case", "order"],
    ]
    assert project.columns("stage_generated_only") == [
        *["name", "code_original", "code", "region_original", "region", "id_hk", "position"],
    ]


def test_derived_columns(project: Project) -> None:
    """Expressions, constants, lists or escaped names would be read another way."""
    rows = project.rows(
        "select kind, name, label, shouted, spoken, copied from vault.stage_full order by id"
    )
    constant = "a constant"
    assert rows == [
        (constant, "ann!", "ann||x||end", "Quiet", "Quiet||o1||.", "x"),
        # A NULL part is skipped together with its separator.
        (constant, "bob!", "bob||x||end", None, "o2||.", "x"),
        (constant, "cid!", "cid||x||end", "Low", "Low||.", "x"),
        (constant, "dan!", "dan||end", "Soft", "Soft||o4||.", None),
    ]


def test_null_columns(project: Project) -> None:
    """A NULL business key would not become -1 or -2, or its original value would be lost."""
    rows = project.rows(
        "select code_original, code, region_original, region, kind_original = kind"
        " from vault.stage_full order by id"
    )
    assert rows == [
        ("x", "x", "north", "north", True),
        ("x", "x", None, "-2", True),
        ("x", "x", "south", "south", True),
        (None, "-1", "south", "south", True),
    ]


def test_null_columns_take_their_keys_in_any_case(project: Project) -> None:
    """`REQUIRED` or `Optional` would be an error, or be passed over, where AutomateDV takes it."""
    rows = project.rows("select name, code, region from vault.stage_generated_only order by name")
    assert rows == [
        ("ANN", "x", "north"),
        ("BOB", "x", "-2"),
        ("CID", "x", "south"),
        ("DAN", "-1", "south"),
    ]


def test_hashes_see_derived_and_null_columns(project: Project) -> None:
    """Hashes would be taken of the source's values where a step before redefined them."""
    rows = project.rows(
        "select code_hk, name_hk, region_hk, hashed_later, diff from vault.stage_full order by id"
    )
    # The hashdiff: every source column not excluded, by name: code, name, region.
    assert rows == [
        (md5("X"), md5("ANN!"), md5("NORTH"), md5("1"), md5("X||ANN!||NORTH")),
        (md5("X"), md5("BOB!"), md5("-2"), md5("2"), md5("X||BOB!||-2")),
        (md5("X"), md5("CID!"), md5("SOUTH"), md5("3"), md5("X||CID!||SOUTH")),
        (md5("-1"), md5("DAN!"), md5("SOUTH"), md5("4"), md5("-1||DAN!||SOUTH")),
    ]


def test_ranked_columns(project: Project) -> None:
    """Ranks would be partitioned or ordered another way, or have gaps where they must not."""
    rows = project.rows("select ranked, dense, mixed from vault.stage_full order by id")
    assert rows == [(1, 2, 2), (1, 2, 1), (3, 1, 3), (1, 1, 1)]


def test_null_keys_are_variables(project: Project) -> None:
    """The replacements of NULL keys would not follow the project's variables."""
    variables = {"null_key_required": "missing", "null_key_optional": -9}
    project.run("stage_full", variables=variables)
    rows = project.rows("select id, code, region from vault.stage_full where id in (2, 4)")
    assert sorted(rows) == [(2, "x", "-9"), (4, "missing", "south")]


def test_compiles_before_its_source_exists(project: Project) -> None:
    """A fresh warehouse could not be parsed, compiled or documented before it is built."""
    selected = ["--select", "stage_of_nothing_yet"]
    for command in (["parse"], ["compile", *selected], ["compile", "--empty", *selected]):
        invocation = project.dbt(*command)
        assert invocation.result.success, f"{command}: {invocation}"


@stand_in_only
def test_a_stage_of_an_absent_source_says_so(project: Project) -> None:
    """A stage would be built with no source columns when its source is not there."""
    invocation = project.dbt("run", "--select", "stage_of_nothing_yet")
    assert not invocation.result.success
    message = invocation.messages["stage_of_nothing_yet"]
    assert "never_built" in message and "build it first" in message


def test_an_empty_run_builds_the_same_columns(project: Project) -> None:
    """`--empty` would fail, or make tables of another shape."""
    columns = project.columns("stage_full")
    project.run("stage_full stage_generated_only", "--empty")
    assert project.columns("stage_full") == columns
    assert project.rows("select * from vault.stage_full") == []
