"""Hash keys and hashdiffs would not be the bytes that AutomateDV makes if these failed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.automate_dv.harness import Project

COLUMNS = (
    "id integer, a text, b varchar(20), c text, number integer, amount numeric(6, 2),"
    " born date, moment timestamp, flag boolean"
)
TYPED = "42, 1.50, date '2024-02-29', timestamp '2024-02-29 12:30:00.25', true"
TYPED_TEXT = ["42", "1.50", "2024-02-29", "2024-02-29 12:30:00.25", "true"]
# The three texts of each row; the row's number is its place.
TEXTS: list[tuple[str | None, str | None, str | None]] = [
    (" Abc ", "x", "y"),
    (None, None, None),
    ("", "   ", None),
    ("A||B", None, "C"),
    ("B", None, "C||A"),
    ("^^", None, "Z"),
    (None, None, "Z"),
    ("back\\slash", "\\x41", "\\"),
    ("\ttab", "ПРИВЕТ", "it's 100%"),
    ("^^", "^^", "^^"),
]


class Hashing:
    """The scheme, written down a second time in Python."""

    def __init__(
        self,
        digest: Callable[[bytes], bytes],
        upper: bool = True,
        separator: str = "||",
        placeholder: str = "^^",
    ) -> None:
        self._digest = digest
        self._upper = upper
        self._separator = separator
        self._placeholder = placeholder

    def text(self, value: str | None) -> str | None:
        value = None if value is None else value.strip(" ")
        return (value.upper() if self._upper else value) if value else None

    def one(self, value: str | None) -> bytes | None:
        text = self.text(value)
        return None if text is None else self._digest(text.encode())

    def diff(self, *values: str | None) -> bytes:
        parts = [self._placeholder if (t := self.text(v)) is None else t for v in values]
        return self._digest(self._separator.join(parts).encode())

    def key(self, *values: str | None) -> bytes | None:
        nulls = (None, self._placeholder)
        if all(self.text(value) in nulls for value in values):
            return None
        return self.diff(*values)


def md5(data: bytes) -> bytes:
    return hashlib.md5(data).digest()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@pytest.fixture(scope="module")
def project(postgres_server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = Project(Path(tmp_path_factory.mktemp("hashes")), postgres_server, "automate_dv_hashes")
    made.replace("hash_input", COLUMNS)
    for number, texts in enumerate(TEXTS):
        made.execute(
            f"insert into raw.hash_input values (%s, %s, %s, %s, {TYPED})", (number, *texts)
        )
    made.replace(
        "wide_input",
        ", ".join(f"c{number:03d} text" for number in range(150)),
        ", ".join(f"'v{number}'" for number in range(150)),
        ", ".join(["null"] * 150),
    )
    return made


def check(project: Project, hashing: Hashing) -> None:
    """Compares every hash of every row with the scheme in Python."""
    rows = project.records("select * from vault.hashes order by id")
    assert len(rows) == len(TEXTS)
    for row, (a, b, c) in zip(rows, TEXTS, strict=True):
        number, amount, born, moment, flag = TYPED_TEXT
        everything = [a, amount, b, born, c, flag, str(row["id"]), moment, number]
        expected = {
            "one": hashing.one(a),
            "constant": hashing.one("abc"),
            "listed": hashing.key(c, a),
            "list_of_one": hashing.key(a),
            "with_constant": hashing.key(a, "k"),
            "types": hashing.key(*TYPED_TEXT),
            "diff": hashing.diff(a, b, c),
            "diff_of_one": hashing.diff(a),
            "diff_of_string": hashing.one(a),
            "diff_but": hashing.diff(a, b, c),
            "diff_of_all": hashing.diff(*everything),
        }
        assert {name: row[name] for name in expected} == expected, f"row {row['id']}: {(a, b, c)}"


def test_md5_is_the_default(project: Project) -> None:
    """Without variables, keys would not be the MD5 of upper-cased, trimmed text."""
    project.run("hashes")
    check(project, Hashing(md5))
    rows = project.rows("select a, one, diff, listed from vault.hashes order by id")
    # As observed of AutomateDV, not computed here.
    assert rows[1] == (None, None, bytes.fromhex("3C92E664B39D90428DBC94975B5DDA58"), None)
    assert rows[0][1] == bytes.fromhex("902FBDD2B1DF0C4F70B4A5D23525E932")  # MD5 of ABC
    assert rows[3][3] == rows[4][3], "the known weakness (a separator in a value) is kept"
    assert rows[5][3] == rows[6][3], "the known weakness (a literal placeholder) is kept"


def test_more_columns_than_concat_ws_takes(project: Project) -> None:
    """A hashdiff of more than 100 columns would fail, or come out wrong."""
    project.run("wide")
    values = [f"v{number}" for number in range(150)]
    nulls: list[str | None] = [None] * 150
    scheme = Hashing(md5)
    expected = {
        (scheme.key(*values), scheme.diff(*values), scheme.diff(*values)),
        (None, scheme.diff(*nulls), scheme.diff(*nulls)),
    }
    assert set(project.rows("select * from vault.wide")) == expected


def test_sha_and_global_variables(project: Project) -> None:
    """The project's variables would be ignored, or SHA would stumble over a backslash."""
    variables = {
        "hash": "sha",
        "concat_string": "\x1f",
        "null_placeholder_string": "\x1e",
        "hash_content_casing": "DISABLED",
    }
    project.run("hashes", variables=variables)
    check(project, Hashing(sha256, False, "\x1f", "\x1e"))


def test_variables_scoped_to_the_package_have_no_effect(project: Project) -> None:
    """Keys would be others with the stand-in than with AutomateDV, which does not see them."""
    scoped = {
        "hash": "SHA",
        "concat_string": "#",
        "null_placeholder_string": "it's null",
        "hash_content_casing": "DISABLED",
    }
    project.run("hashes", variables={"automate_dv": scoped})
    check(project, Hashing(md5))


def test_the_command_line_comes_first(project: Project) -> None:
    """A variable given with --vars would be ignored, and the project's be taken."""
    project.run("hashes", "--vars", "{hash: SHA}", variables={"hash": "MD5", "concat_string": "#"})
    check(project, Hashing(sha256, separator="#"))


@pytest.mark.parametrize(
    ("variables", "hashing"),
    [
        ({}, Hashing(md5)),
        (
            {"hash": "SHA", "hash_content_casing": "DISABLED", "concat_string": "\x1f"},
            Hashing(sha256, False, "\x1f"),
        ),
    ],
)
def test_hash_makes_what_stage_makes(project: Project, variables: dict, hashing: Hashing) -> None:
    """A model that hashes by itself would not find the keys that its stage made."""
    project.run("hash", variables=variables)
    rows = project.records("select * from vault.hash order by id")
    assert len(rows) == len(TEXTS)
    for row, (a, b, c) in zip(rows, TEXTS, strict=True):
        expected = {
            "one": hashing.one(a),
            "constant": hashing.one("abc"),
            "listed": hashing.key(c, a),
            "diff": hashing.diff(a, b, c),
            "diff_of_string": hashing.one(a),
        }
        assert {name: row[name] for name in expected} == expected, f"row {row['id']}: {(a, b, c)}"


def test_an_unknown_algorithm_warns_and_means_md5(project: Project) -> None:
    """A misspelt algorithm would pass silently, or change every key."""
    invocation = project.run("hashes", variables={"hash": "CRC-32"})
    check(project, Hashing(md5))
    assert any("CRC-32" in line and "MD5" in line for line in invocation.log), str(invocation)


def test_an_unknown_casing_is_an_error(project: Project) -> None:
    """A misspelt casing would silently change every key."""
    invocation = project.dbt(
        "run", "--select", "hashes", variables={"hash_content_casing": "LOWER"}
    )
    assert not invocation.result.success
    assert "hash_content_casing" in str(invocation) + str(invocation.messages)
