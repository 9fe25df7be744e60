"""Models and macros spell no engine, and the contract of those that do is kept."""

from __future__ import annotations

import re

import pytest

from infra.settings import ROOT
from infra.testing import engine_seam
from tests.support.engine_cases import CASES, CONTRACT, contract
from tests.support.engine_rendering import EngineLacksError, rendered


def _macros(folder: str) -> dict[str, list[str]]:
    """Macro of the folder's files -> its arguments."""
    return {
        name: [each for each in arguments.split(", ") if each]
        for file in (CONTRACT / folder).rglob("*.sql")
        for name, arguments in re.findall(r"\{% macro (\w+)\((.*?)\)", file.read_text())
    }


def _takes(name: str, arguments: list[str]) -> list[str]:
    """What an engine's own macro is passed: where the contract takes a block, its text too."""
    text = next(
        file.read_text() for file in CONTRACT.glob("*.sql") if f"macro {name}(" in file.read_text()
    )
    passes = re.search(rf"dispatch\('{name}', 'airline'\)\((.*)\) \}}\}}", text)[1]
    return [*arguments, "query"] if "caller()" in passes else arguments


def test_every_macro_is_there_for_postgresql_with_the_same_arguments():
    """A model that calls it fails where it runs, or a value comes as another argument."""
    ours = _macros("postgres")
    for name, arguments in contract().items():
        assert ours.get(f"postgres__{name}") == _takes(name, arguments), name


def test_every_macro_has_a_default_that_names_it():
    """An engine that lacks it says only that something is undefined."""
    text = "".join(file.read_text() for file in CONTRACT.glob("*.sql"))
    for name, arguments in contract().items():
        takes = ", ".join(_takes(name, arguments))
        assert f"{{% macro default__{name}({takes}) %}}{{{{ engine_lacks('{name}') }}}}" in text


@pytest.mark.parametrize("name", contract())
def test_what_an_engine_lacks_is_named(name):
    """Whoever runs the project on a new engine reads that something is undefined."""
    given = ", ".join(f"'{each}'" for each in contract()[name])
    call = f"{{{{ {name}({given}) }}}}"
    if name == "first_match":
        call = f"{{% call {name}({given}) %}}select 1{{% endcall %}}"
    with pytest.raises(EngineLacksError, match=f"engine other has no macro {name}, which"):
        rendered("other", call)


def test_every_macro_is_in_the_table_with_its_arguments():
    """Who writes a new engine cannot know what the macro is to return."""
    table = re.findall(r"^\| `(\w+)\((.*?)\)` \| \S", (CONTRACT / "README.md").read_text(), re.M)
    assert {
        name: arguments.split(", ") if arguments else [] for name, arguments in table
    } == contract()
    assert len(table) == len(contract())


def test_every_macro_has_a_case():
    """It may return anything."""
    assert {case.macro for case in CASES} == contract().keys()
    for case in CASES:
        assert case.rows or case.error, case
        assert f"{case.macro}(" in " ".join(case.statements), case


def test_every_macro_is_used():
    """The contract asks a new engine for what nobody needs."""
    files = [
        file
        for folder in engine_seam.FOLDERS
        for file in (ROOT / folder).rglob("*.sql")
        if CONTRACT not in file.parents
    ]
    texts = [file.read_text() for file in [*files, ROOT / "dbt_project.yml"]]
    for name in contract():
        assert any(re.search(rf"\b{name}\(", text) for text in texts), name


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("select\n    flight_id::text", 2),
        ("{# a ->> b #}\nselect row_image ->> 'a'", 2),
        ("-- now()::date\nselect 1,\n    value -> 'a'", 3),
        ("{% set x = \"value -> 'a'\" %}", 1),
        ("{{ config(x=1) }}\nselect distinct on (a) a", 2),
        ("from a\ncross join lateral (\n    values (1)\n)", 2),
        ("from generate_series(1, 2)", 1),
        ("select moment at time zone 'UTC'", 1),
        ("select extract(\n    epoch from a - b)", 1),
        ("select timestamptz '-infinity'", 1),
        ("select cast(a as timestamptz)", 1),
        ("select cast(a as numeric) / b", 1),
        ("select jsonb_build_array(a)", 1),
        ("select n * interval '1 hour'", 1),
        ("where (a.x, a.y) < (b.x, b.y)", 1),
        ('order by a collate "C"', 1),
        ("select a\noffset 0", 2),
        ("insert into a select 1 on conflict do nothing", 1),
        ("{% macro postgres__sat() %}", 1),
        ("select div(a, b)", 1),
    ],
)
def test_a_spelling_of_one_engine_is_found(tmp_path, text, line):
    """It runs on one engine only, and nobody knows until it is tried on another."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.sql").write_text(text)
    found = engine_seam.problems(tmp_path, ())
    assert found and found[0].startswith(f"models/a.sql:{line}: "), found


@pytest.mark.parametrize(
    "text",
    [
        "{#- a ->> b -#}\nselect {{ json_text('a', 'b') }} -- was a::text",
        "{{- x -}}",
        "{%- if a -%}{%- endif -%}",
        "select count(*) filter (where a > 0) from b where c is distinct from d",
        "select cast(a as numeric(10, 2)), cast(b as bigint), a - interval '720 hours'",
        "cross join lateral {{ numbers_between('n', 1, 2) }}",
        "{{ cast_to('a', 'timestamptz') }}, {{ cast_to('a', 'jsonb') }}",
        "select 100.0 * a / nullif(b, 0), row_number() over (order by a)",
    ],
)
def test_what_engines_share_is_left_alone(tmp_path, text):
    """People work around a check that is wrong."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.sql").write_text(text)
    assert engine_seam.problems(tmp_path, ()) == []


def test_the_list_of_exceptions_only_gets_shorter(tmp_path):
    """A file that was cleaned gets a spelling again, and nobody says so."""
    (tmp_path / "macros").mkdir()
    (tmp_path / "macros" / "a.sql").write_text("select a::text")
    assert engine_seam.problems(tmp_path, ("macros/a.sql",)) == []
    (tmp_path / "macros" / "a.sql").write_text("select {{ as_text('a') }}")
    assert "take it out" in engine_seam.problems(tmp_path, ("macros/a.sql",))[0]
    (tmp_path / "macros" / "a.sql").unlink()
    assert "is gone" in engine_seam.problems(tmp_path, ("macros/a.sql",))[0]


def test_nothing_outside_spells_an_engine():
    """The project runs on one engine only."""
    assert engine_seam.problems(ROOT) == []
