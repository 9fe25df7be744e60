"""Satellites would hold other versions than AutomateDV keeps, if these failed."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import pytest

from tests.integration.automate_dv.harness import Project

DETAILS = (
    "customer_hk bytea, customer_hashdiff bytea, name text, age integer, note text,"
    " effective_from timestamp, load_date timestamp, record_source text"
)
PLAIN = ("sat_plain", "sat_indexed")
FILTERED = ("sat_filtered", "sat_filtered_meta")


def day(number: int) -> datetime:
    return datetime(2024, 1, number)


def detail(key: int | None, content: str | None, loaded: int, effective: int | None = None) -> str:
    """A stage row; the content's first byte is its hashdiff."""
    hash_key = "null" if key is None else f"'\\x{key:02x}'"
    hashdiff = "null" if content is None else f"'\\x{content.encode().hex()}'"
    return (
        f"{hash_key}, {hashdiff}, '{content}', 7, 'extra', '2024-01-{effective or loaded:02d}',"
        f" '2024-01-{loaded:02d}', 'S'"
    )


DETAIL_LOADS = [
    [
        detail(1, "a", 1),
        detail(1, "a", 4),
        detail(1, "b", 3),
        detail(1, "b", 2),
        # At one load date the effective date decides.
        detail(2, "y", 2, effective=2),
        detail(2, "x", 2, effective=1),
        detail(2, "x", 2, effective=3),
        detail(3, "c", 5),
        detail(None, "n", 1),
        detail(9, None, 1),
    ],
    [
        detail(1, "a", 5),
        detail(1, "c", 6),
        # The first is late: the target has a newer version.
        detail(3, "z", 4),
        detail(3, "c", 6),
        detail(4, "n", 6),
    ],
]
State = dict[str, list[tuple]]


@pytest.fixture(scope="module")
def project(postgres_server, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(
        Path(tmp_path_factory.mktemp("satellites")), postgres_server, "automate_dv_satellites"
    )


@pytest.fixture(scope="module")
def loads(project: Project) -> list[State]:
    """The tables' rows after each of two loads, and after the second once more."""
    seen: list[State] = []
    for number in (0, 1, 1):
        project.replace("details", DETAILS, *DETAIL_LOADS[number])
        project.run("path:models/satellites")
        seen.append(
            {
                name: sorted(
                    project.rows(
                        "select get_byte(customer_hk, 0), name, load_date, effective_from"
                        f" from vault.{name}"
                    ),
                    key=lambda row: (row[0], row[2], row[3], row[1]),
                )
                for name in (*PLAIN, *FILTERED, "sat_excluding")
            }
        )
    return seen


def versions(rows: list[tuple], *keys: int) -> list[tuple]:
    """(key, content, day loaded) of the rows of these keys."""
    return [(key, name, loaded.day) for key, name, loaded, _ in rows if key in keys]


def test_columns(project: Project, loads: list[State]) -> None:
    """Tables would have their columns in another order, or the hashdiff another name."""
    after = ["note", "effective_from", "load_date", "record_source"]
    assert project.columns("sat_plain") == ["customer_hk", "hash_diff", "name", "age", *after]
    assert project.columns("sat_indexed") == [
        *["customer_hk", "customer_hashdiff", "name", "age", *after]
    ]
    assert project.columns("sat_excluding") == [
        "customer_hk",
        "hash_diff",
        "name",
        "age",
        *after[1:],
    ]


@pytest.mark.parametrize("name", PLAIN + FILTERED)
def test_first_load(loads: list[State], name: str) -> None:
    """Unchanged rows would be kept, changes lost, or rows without key or hashdiff taken."""
    assert loads[0][name] == [
        (1, "a", day(1), day(1)),
        (1, "b", day(2), day(2)),
        (1, "a", day(4), day(4)),
        (2, "x", day(2), day(1)),
        (2, "y", day(2), day(2)),
        (2, "x", day(2), day(3)),
        (3, "c", day(5), day(5)),
    ]


@pytest.mark.parametrize("name", PLAIN + FILTERED)
def test_next_load(loads: list[State], name: str) -> None:
    """A batch's first row would not be compared with the newest version of its key."""
    assert versions(loads[1][name], 1, 2, 4) == [
        *[(1, "a", 1), (1, "b", 2), (1, "a", 4), (1, "c", 6)],
        *[(2, "x", 2), (2, "y", 2), (2, "x", 2)],
        (4, "n", 6),
    ]


@pytest.mark.parametrize("name", PLAIN)
def test_a_late_row_is_a_change_without_the_filter(loads: list[State], name: str) -> None:
    """A late row would be judged another way than AutomateDV does."""
    assert versions(loads[1][name], 3) == [(3, "z", 4), (3, "c", 5), (3, "c", 6)]


@pytest.mark.parametrize("name", PLAIN)
def test_a_repeated_batch_adds_versions_without_the_filter(loads: list[State], name: str) -> None:
    """A repeated batch would be judged another way than AutomateDV does."""
    assert versions(loads[2][name], 1, 4) == [
        *[(1, "a", 1), (1, "b", 2), (1, "a", 4), (1, "a", 5), (1, "c", 6), (1, "c", 6)],
        (4, "n", 6),
    ]


@pytest.mark.parametrize("name", FILTERED)
def test_the_filter_leaves_out_late_and_repeated_rows(loads: list[State], name: str) -> None:
    """`apply_source_filter` would not keep rows out that the target has gone past."""
    assert versions(loads[1][name], 3) == [(3, "c", 5)]
    assert loads[2][name] == loads[1][name]


def test_a_payload_by_exclusion_is_what_the_rest_names(loads: list[State]) -> None:
    """A satellite whose payload is all but some columns would hold other versions."""
    assert [load["sat_excluding"] for load in loads] == [load["sat_plain"] for load in loads]


MACROS = Path(__file__).parents[2] / "macros"
OWN_LOADER = (MACROS / "engine/postgres/sat.sql", MACROS / "automate_dv/arguments.sql")
OWN_ORDER = {
    "dispatch": [
        {"macro_namespace": "automate_dv", "search_order": ["automate_dv_rules", "automate_dv"]}
    ]
}


@pytest.fixture(scope="module")
def own_loader(postgres_server, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same models, with the satellite loader that this repository puts in place."""
    made = Project(
        Path(tmp_path_factory.mktemp("own")), postgres_server, "automate_dv_own_satellites"
    )
    (made.folder / "macros").mkdir()
    for file in OWN_LOADER:
        shutil.copy(file, made.folder / "macros")
    made.replace("details", DETAILS, *DETAIL_LOADS[0])
    return made


def test_the_projects_loader_takes_a_payload_by_exclusion(own_loader: Project) -> None:
    """`exclude_columns` would be a syntax error of SQL, or name columns twice, in its loader."""
    select = "batch_details sat_plain sat_excluding"
    own_loader.run(select, settings=OWN_ORDER)
    own_loader.replace("details", DETAILS, *DETAIL_LOADS[1])
    own_loader.run(select, settings=OWN_ORDER)
    named = ["customer_hk", "hash_diff", "name", "age"]
    dates = ["effective_from", "load_date", "record_source"]
    assert own_loader.columns("sat_plain") == [*named, "note", *dates]
    assert own_loader.columns("sat_excluding") == [*named, *dates]
    columns = ", ".join(named + dates)
    excluding = own_loader.rows(f"select {columns} from vault.sat_excluding order by 1, load_date")
    assert len(excluding) == 7
    assert excluding == own_loader.rows(
        f"select {columns} from vault.sat_plain order by 1, load_date"
    )


@pytest.mark.parametrize(
    ("model", "culprits"),
    [
        ("own_sat_of_several_keys", ["src_pk", "['A', 'B']", "hashed_columns"]),
        ("own_sat_of_several_load_dates", ["src_ldts", "['L', 'M']"]),
        ("own_sat_of_several_stages", ["source_model", "one name"]),
        ("own_sat_of_unknown_payload", ["src_payload", "'but'"]),
        ("own_sat_of_all_but_all", ["src_payload", "no column"]),
    ],
)
def test_the_projects_loader_names_what_it_does_not_take(
    own_loader: Project, model: str, culprits: list[str]
) -> None:
    """A use that the loader cannot serve would come out as a syntax error of SQL."""
    invocation = own_loader.dbt(
        "run",
        "--select",
        f"batch_details {model}",
        settings=OWN_ORDER,
        variables={"own_loader": model},
    )
    said = str(invocation) + str(invocation.messages)
    assert not invocation.result.success
    assert [each for each in culprits if each not in said] == [], said
    assert "syntax error" not in said


def test_ghost_record(project: Project, loads: list[State]) -> None:
    """The ghost record would be missing, come twice, or have other bytes."""

    def ghosts() -> list[tuple]:
        return project.rows("select * from vault.sat_plain where record_source <> 'S'")

    assert ghosts() == []
    nineteen_hundred = datetime(1900, 1, 1)
    dates = (nineteen_hundred, nineteen_hundred)
    variables = {"enable_ghost_records": True}
    before = project.rows("select count(*) from vault.sat_plain where record_source = 'S'")
    project.replace("details", DETAILS, detail(4, "n", 7))
    for _ in range(2):
        project.run("batch_details sat_plain", variables=variables)
        md5_zeros = b"0" * 32
        assert ghosts() == [(md5_zeros, md5_zeros, None, None, None, *dates, "AUTOMATE_DV_SYSTEM")]
    assert project.rows("select count(*) from vault.sat_plain where record_source = 'S'") == before

    variables |= {"hash": "SHA", "system_record_value": "NOBODY"}
    project.run("sat_plain", "--full-refresh", variables=variables)
    sha_zeros = b"0" * 64
    assert ghosts() == [(sha_zeros, sha_zeros, None, None, None, *dates, "NOBODY")]
    assert project.rows("select count(*) from vault.sat_plain") == [(2,)]
