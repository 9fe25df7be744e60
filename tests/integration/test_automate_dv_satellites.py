"""Satellites would hold other versions than AutomateDV keeps, if these failed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.integration.automate_dv.harness import Project, stand_in_only

DETAILS = (
    "customer_hk bytea, customer_hashdiff bytea, name text, age integer, note text,"
    " effective_from timestamp, load_date timestamp, record_source text"
)
PHONES = (
    "customer_hk bytea, phone text, extension integer, phone_hashdiff bytea, kind text, note text,"
    " effective_from timestamp, load_date timestamp, record_source text"
)
EMPLOYMENTS = (
    "employment_hk bytea, person_hk bytea, company_hk bytea, started timestamp, ended timestamp,"
    " effective_from timestamp, load_date timestamp, record_source text"
)
PLAIN = ("sat_plain", "sat_indexed")
FILTERED = ("sat_filtered", "sat_filtered_meta")
MULTI_ACTIVE = ("ma_sat_plain", "ma_sat_indexed")
AUTO = ("eff_sat_auto", "eff_sat_auto_meta")
OPEN = "9999-12-31 23:59:59.999"


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


def phone(key: int | None, number: str | None, content: str, loaded: int, note: str = "") -> str:
    hash_key = "null" if key is None else f"'\\x{key:02x}'"
    child_key = "null" if number is None else f"'{number}'"
    return (
        f"{hash_key}, {child_key}, 1, '\\x{content.encode().hex()}', '{content}', '{note}',"
        f" '2024-01-{loaded:02d}', '2024-01-{loaded:02d}', 'S'"
    )


def employment(
    key: int,
    person: int,
    company: int,
    loaded: int,
    ended: str = OPEN,
    effective: int | None = None,
) -> str:
    effective_from = f"'2024-01-{effective or loaded:02d}'"
    return (
        f"'\\x{key:02x}', '\\x{person:02x}', '\\x{company:02x}', {effective_from}, '{ended}',"
        f" {effective_from}, '2024-01-{loaded:02d}', 'S'"
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
PHONE_LOADS = [
    [
        phone(1, "p1", "h", 1),
        phone(1, "p2", "h", 1),
        phone(1, "p2", "h", 1),
        phone(2, "p3", "h", 1),
        phone(3, "p4", "h", 1),
        phone(3, "p5", "h", 1),
        phone(None, "p9", "h", 1),
        phone(9, None, "h", 1),
    ],
    [
        phone(1, "p1", "h", 2),
        phone(1, "p2", "h", 2),
        phone(2, "p3", "changed", 2),
        phone(3, "p4", "h", 2),
        phone(4, "p6", "h", 2),
    ],
    [
        phone(1, "p1", "h", 3),
        phone(1, "p2", "h", 3),
        phone(1, "p7", "h", 3),
        phone(2, "p3", "changed", 3),
        phone(3, "p4", "h", 3),
        phone(4, "p8", "h", 3),
    ],
]
EMPLOYMENT_LOADS = [
    [
        employment(1, 11, 21, 1),
        employment(2, 12, 22, 1),
        employment(3, 13, 23, 1, ended="2024-01-01"),
    ],
    # Person 11 changes to another company, person 13 comes back, person 12 stays.
    [
        employment(4, 11, 24, 2),
        employment(2, 12, 22, 2),
        # Open is a matter of the date, not of the time of day.
        employment(3, 13, 23, 2, ended="9999-12-31"),
    ],
    # Person 11 goes back; the end is the effective date, not the load date.
    [employment(1, 11, 21, 4, effective=3)],
]
State = dict[str, list[tuple]]


@pytest.fixture(scope="module")
def project(postgres_server, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(
        Path(tmp_path_factory.mktemp("satellites")), postgres_server, "automate_dv_satellites"
    )


@pytest.fixture(scope="module")
def loads(project: Project) -> list[State]:
    """The tables' rows after each of three loads, and after the third once more."""
    seen: list[State] = []
    for number in (0, 1, 2, 2):
        # There are two loads of details: the second comes again as the third.
        project.replace("details", DETAILS, *DETAIL_LOADS[min(number, 1)])
        project.replace("phones", PHONES, *PHONE_LOADS[number])
        project.replace("employments", EMPLOYMENTS, *EMPLOYMENT_LOADS[number])
        project.run("path:models/satellites")
        seen.append(
            {
                **{
                    name: sorted(
                        project.rows(
                            "select get_byte(customer_hk, 0), name, load_date, effective_from"
                            f" from vault.{name}"
                        ),
                        key=lambda row: (row[0], row[2], row[3], row[1]),
                    )
                    for name in PLAIN + FILTERED
                },
                **{
                    name: sorted(
                        project.rows(
                            "select get_byte(customer_hk, 0), extract(day from load_date)::integer,"
                            f" phone, kind from vault.{name}"
                        )
                    )
                    for name in MULTI_ACTIVE
                },
                **{
                    name: sorted(
                        project.rows(
                            "select get_byte(employment_hk, 0), load_date, started, ended,"
                            f" effective_from, person_hk, company_hk from vault.{name}"
                        )
                    )
                    for name in (*AUTO, "eff_sat_manual")
                },
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
    assert project.columns("ma_sat_plain") == [
        *["customer_hk", "phone", "extension", "kind", "note", "hash_diff"],
        *["effective_from", "load_date", "record_source"],
    ]
    assert project.columns("eff_sat_auto") == [
        *["employment_hk", "person_hk", "company_hk", "started", "ended"],
        *["effective_from", "load_date", "record_source"],
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


@pytest.mark.parametrize("name", MULTI_ACTIVE)
def test_multi_active_satellite(loads: list[State], name: str) -> None:
    """The set of a key's rows would not be the unit of change."""
    first = [(1, 1, "p1", "h"), (1, 1, "p2", "h"), (2, 1, "p3", "h")]
    first += [(3, 1, "p4", "h"), (3, 1, "p5", "h")]
    # Key 1 is the same set, key 2 has another hashdiff, key 3 a row fewer, key 4 is new.
    second = [*first, (2, 2, "p3", "changed"), (3, 2, "p4", "h"), (4, 2, "p6", "h")]
    # Key 1 has a row more, keys 2 and 3 the set of the newest load, key 4 another child key.
    third = [(1, 3, "p1", "h"), (1, 3, "p2", "h"), (1, 3, "p7", "h"), (4, 3, "p8", "h")]
    assert loads[0][name] == first
    assert loads[1][name] == sorted(second)
    assert loads[2][name] == sorted(second + third)
    assert loads[3][name] == loads[2][name], "a repeated batch added a set"


def effective(rows: list[tuple], key: int) -> list[tuple[int, int, str]]:
    """(day loaded, day started, day ended or 'open') of one key's rows."""
    return [
        (row[1].day, row[2].day, "open" if row[3].year == 9999 else str(row[3].day))
        for row in rows
        if row[0] == key
    ]


@pytest.mark.parametrize("name", AUTO)
def test_effectivity_with_auto_end_dating(loads: list[State], name: str) -> None:
    """A relationship that another one displaced would stay open, or one that came back closed."""
    assert effective(loads[1][name], 1) == [(1, 1, "open"), (2, 1, "2")]
    assert effective(loads[1][name], 2) == [(1, 1, "open")]
    assert effective(loads[1][name], 3) == [(1, 1, "1"), (2, 2, "open")]
    assert effective(loads[1][name], 4) == [(2, 2, "open")]
    assert effective(loads[2][name], 1) == [(1, 1, "open"), (2, 1, "2"), (4, 3, "open")]
    assert effective(loads[2][name], 4) == [(2, 2, "open"), (4, 2, "3")]
    assert loads[3][name] == loads[2][name], "a repeated batch added rows"
    closing = next(row for row in loads[2][name] if row[0] == 4 and row[3] == day(3))
    assert closing[4:] == (day(3), b"\x0b", b"\x18")


def test_effectivity_without_auto_end_dating(loads: list[State]) -> None:
    """Relationships would be closed although the model does not ask for it."""
    rows = loads[3]["eff_sat_manual"]
    assert effective(rows, 1) == [(1, 1, "open")]
    assert effective(rows, 2) == [(1, 1, "open")]
    assert effective(rows, 3) == [(1, 1, "1"), (2, 2, "open")]
    assert effective(rows, 4) == [(2, 2, "open")]


@stand_in_only
def test_two_changes_of_a_driving_key_close_the_old_row_once(
    project: Project, loads: list[State]
) -> None:
    """Two changes in one batch would end the relationship before them twice."""
    project.replace("employments", EMPLOYMENTS, employment(6, 12, 26, 6), employment(5, 12, 25, 5))
    project.run("batch_employments eff_sat_auto")
    rows = sorted(
        project.rows(
            "select get_byte(employment_hk, 0), load_date, started, ended from vault.eff_sat_auto"
        )
    )
    assert effective(rows, 2) == [(1, 1, "open"), (5, 1, "5")]
    assert effective(rows, 5) == [(5, 5, "open")]
    assert effective(rows, 6) == [(6, 6, "open")]


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
