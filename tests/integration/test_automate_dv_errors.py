"""Calls that the stand-in cannot serve would pass, or fail without saying why, if these failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.automate_dv.harness import Project, stand_in_only

pytestmark = stand_in_only

MACROS = ("stage", "hash", "hub", "link", "sat")
COMMON = {"src_pk", "src_ldts", "src_source", "source_model"}
REQUIRED = {
    "stage": {"source_model"},
    "hash": {"columns", "alias"},
    "hub": COMMON | {"src_nk"},
    "link": COMMON | {"src_fk"},
    "sat": COMMON | {"src_hashdiff", "src_payload"},
}
SATELLITE_KEYWORDS = [
    *("source_model", "src_eff", "src_extra_columns", "src_hashdiff", "src_ldts"),
    *("src_payload", "src_pk", "src_source"),
]


@pytest.fixture(scope="module")
def project(postgres_server, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(Path(tmp_path_factory.mktemp("errors")), postgres_server, "automate_dv_errors")


@pytest.fixture(scope="module")
def messages(project: Project) -> dict[str, str]:
    """What dbt says of every model that must not build; one run says it of them all."""
    invocation = project.dbt(
        "run", "--select", "path:models/errors", "--vars", "{with_errors: true}"
    )
    assert invocation.messages, str(invocation)
    succeeded = [each.node.name for each in invocation.result.result if each.status == "success"]
    assert succeeded == []
    return invocation.messages


def missing(message: str) -> set[str]:
    """The arguments that a message lists as missing."""
    listed = message.partition("missing or empty: ")[2].partition(".")[0]
    return {name.strip() for name in listed.split(",")}


@pytest.mark.parametrize("macro", MACROS)
def test_missing_arguments_are_named(messages: dict[str, str], macro: str) -> None:
    """A forgotten argument would come out as a syntax error in SQL, or not at all."""
    message = messages[f"without_arguments_{macro}"]
    assert f"automate_dv.{macro}" in message
    assert missing(message) == REQUIRED[macro]


def test_only_the_missing_arguments_are_named(messages: dict[str, str]) -> None:
    """An empty list would count as given, or given arguments as missing."""
    assert missing(messages["missing_one"]) == {"src_nk", "src_source"}


@pytest.mark.parametrize(
    "name",
    [
        *("nh_link", "ma_sat", "eff_sat"),
        *("t_link", "xts", "pit", "bridge", "ref_table"),
    ],
)
def test_unsupported_macros_are_named(messages: dict[str, str], name: str) -> None:
    """A macro that the stand-in lacks would fail without a way out."""
    message = messages[f"unsupported_{name}"]
    assert f"automate_dv.{name} " in message and "Use AutomateDV" in message


@pytest.mark.parametrize(
    "name",
    ["vault_insert_by_period", "vault_insert_by_rank", "pit_incremental", "bridge_incremental"],
)
def test_unsupported_materializations_are_named(messages: dict[str, str], name: str) -> None:
    """A materialization that the stand-in lacks would fail without a way out."""
    message = messages[f"unsupported_{name}"]
    assert f"'{name}'" in message and "Use AutomateDV" in message


@pytest.mark.parametrize("macro", MACROS)
def test_other_adapters_are_refused(messages: dict[str, str], macro: str) -> None:
    """On another database PostgreSQL's SQL would be run; called by its dispatched name here."""
    message = messages[f"other_adapter_{macro}"]
    assert f"automate_dv.{macro} on adapter" in message and "Use AutomateDV" in message


@pytest.mark.parametrize(
    ("model", "culprits"),
    [
        ("unknown_argument", ["'src_colour'", "automate_dv.link", "Use AutomateDV"]),
        ("positional_argument", ["automate_dv.hub", "1 positional", "by keyword"]),
        ("payload_of_unknown_key", ["'src_payload'", "'but'", "Use AutomateDV"]),
        ("payload_of_nothing", ["src_payload", "names no columns"]),
        ("derived_of_nothing", ["'NAME'", "nothing to derive"]),
        ("ranked_by_name", ["'POSITION'", "must be a mapping"]),
        ("null_columns_of_unknown_kind", ["'wanted'", "null_columns", "Use AutomateDV"]),
        ("satellite_of_several", ["source_model of automate_dv.sat", "Use AutomateDV"]),
        ("unknown_hash_key", ["'salted'", "'HK'", "Use AutomateDV"]),
        ("hash_of_nothing", ["'HK'", "no columns"]),
        ("rank_without_order", ["'POSITION'", "order_by"]),
        ("stage_of_two_sources", ["source_model", "one pair"]),
        ("nothing_selected", ["never_built", "nothing to select"]),
    ],
)
def test_unsupported_uses_are_named(
    messages: dict[str, str], model: str, culprits: list[str]
) -> None:
    """A use that the stand-in lacks would be ignored: a table that AutomateDV would not make."""
    assert [each for each in culprits if each not in messages[model]] == [], messages[model]


def test_a_project_may_put_its_own_satellite_in_place(project: Project) -> None:
    """The documented seam would be closed, or the satellite be called another way."""
    macros = project.folder / "macros"
    macros.mkdir()
    (macros / "override.sql").write_text(
        "{% macro postgres__sat() %}"
        "select '{{ kwargs | sort | join(',') }}' as keywords, {{ varargs | length }} as positional"
        "{% endmacro %}"
    )
    order = ["automate_dv_rules", "automate_dv"]
    invocation = project.dbt(
        "compile",
        "--select",
        "sat_plain",
        settings={"dispatch": [{"macro_namespace": "automate_dv", "search_order": order}]},
    )
    assert invocation.result.success, str(invocation)
    (macros / "override.sql").unlink()
    keywords = ",".join(SATELLITE_KEYWORDS)
    expected = f"select '{keywords}' as keywords, 0 as positional"
    assert invocation.compiled["sat_plain"].strip() == expected
