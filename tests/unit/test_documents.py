"""The documents: what links and comments name is there, and two languages say the same."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from pathlib import Path

import pytest

from infra.settings import ROOT
from tests.integration import test_marts_odd_values

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)|<(https?://[^>]+)>")
CODE = re.compile(r"`([^`]+)`")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
RUSSIAN = ".ru.md"
# A file, a folder or a page, as texts name it; no pattern such as stg_<table>.
NAMED = re.compile(
    r"(?<![\w/.:~<>*{}$-])"
    r"((?:docs|infra|ingest|macros|models|tests|airflow|benchmarks|requirements|seeds|snapshots)/"
    r"[\w./-]*[\w/]|[\w-]+(?:\.ru)?\.md\b)(?![\w./-]*[{<*])"
)
TEXTS = (".md", ".py", ".sql", ".yml", ".yaml", ".toml", ".properties")


def tracked(*patterns: str) -> list[Path]:
    """The project's files, without what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(
        path for name in listed.stdout.split("\0") if name and (path := ROOT / name).exists()
    )


def documents() -> list[Path]:
    return tracked("*.md")


def translated() -> list[Path]:
    return [path for path in documents() if path.name.endswith(RUSSIAN)]


def base(path: Path) -> Path:
    """What its links start from: the docs site serves the pages of the models beside `docs`."""
    return ROOT if path.is_relative_to(ROOT / "models") else path.parent


def of_english(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(RUSSIAN) + ".md")


def prose(text: str) -> str:
    """Without blocks of code."""
    return FENCE.sub("", text)


def headings(text: str) -> list[int]:
    """Their levels."""
    return [len(each) for each in re.findall(r"^(#+) ", prose(text), re.MULTILINE)]


def commands(text: str) -> list[tuple[str, list[str]]]:
    """(language, lines without their comments) of each block; of a diagram their first words."""
    return [
        (language, re.findall(r"^ *(\w+)", block, re.MULTILINE))
        if language == "mermaid"
        else (language, [line.split("  #")[0].rstrip() for line in block.splitlines()])
        for language, block in FENCE.findall(text)
    ]


def tables(text: str) -> list[list[list[tuple[list[str], list[str]]]]]:
    """Of each cell of each row of each table the code in it and the figures in it."""
    found: list[list[list[tuple[list[str], list[str]]]]] = []
    within = False
    for line in prose(text).splitlines():
        if line.startswith("|"):
            if not within:
                found.append([])
            # A message or a query may hold a bar itself.
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            found[-1].append([(code(cell), figures(cell)) for cell in cells])
        within = line.startswith("|")
    return found


def code(text: str) -> list[str]:
    """What stands as code; what a reader is to put in its place counts as the same."""
    return sorted(re.sub(r"<.*?>", "<>", each) for each in CODE.findall(text))


def figures(text: str) -> list[str]:
    """Numbers, however a language writes them."""
    text = CODE.sub("", LINK.sub("", text))
    text = re.sub(r"(?<=\d)[,\u00a0 ](?=\d{3}\b)", "", text)
    return sorted(NUMBER.findall(re.sub(r"(?<=\d),(?=\d)", ".", text)))


def links(text: str) -> list[str]:
    """Where they lead, the other language's page as the English one."""
    found = [first or second for first, second in LINK.findall(prose(text))]
    return [each.replace(RUSSIAN, ".md") for each in found]


def bullets(text: str) -> int:
    return len(re.findall(r"^ *[-*] ", prose(text), re.MULTILINE))


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_what_is_there(path):
    """A reader would follow a link to a page that was moved or never was."""
    gone = [
        target
        for first, second in LINK.findall(prose(path.read_text()))
        if not (target := first or second).startswith(("http:", "https:", "#", "mailto:"))
        and not (base(path) / target.split("#")[0]).exists()
    ]
    assert gone == []


@pytest.mark.parametrize("path", translated(), ids=lambda path: str(path.relative_to(ROOT)))
@pytest.mark.parametrize("what", [headings, commands, tables, links, bullets])
def test_both_languages_say_the_same(path, what):
    """A reader of one language would be told less, or what was so a year ago."""
    russian = path.read_text()
    english = of_english(path).read_text()
    if what is links:
        # Where a sentence has its links is its own business.
        assert sorted(what(russian)) == sorted(what(english))
    else:
        assert what(russian) == what(english)


def test_there_is_a_russian_page_of_all_that_a_readme_tells():
    """The Russian README would send its readers to pages in English that exist in Russian."""
    by_name = {path.relative_to(ROOT).as_posix() for path in documents()}
    for path in translated():
        english_pages = [
            target
            for target, _ in LINK.findall(prose(path.read_text()))
            if target.endswith(".md")
            and not target.endswith(RUSSIAN)
            and (path.parent / target).resolve().relative_to(ROOT).as_posix().removesuffix(".md")
            + RUSSIAN
            in by_name
            and (path.parent / target).resolve() != of_english(path)
        ]
        assert english_pages == [], path.name


def test_every_mart_is_on_the_docs_sites_first_page():
    """A reader looks there for the mart that answers a question, and it is not listed."""
    page = (ROOT / "models/overview.md").read_text()
    listed = re.search(r"^\| mart \|.*\n\| ---.*\n((?:\|.*\n)+)", page, re.MULTILINE)
    named = re.findall(r"^\| `(\w+)` \|", listed[1], re.MULTILINE)
    assert sorted(named) == sorted(file.stem for file in (ROOT / "models/marts").rglob("*.sql"))


def test_every_mart_is_tried_with_odd_values():
    """A new mart breaks or grows by one odd row, and nobody has tried it."""
    tried = {name.split(".")[1] for name in test_marts_odd_values.MARTS}
    assert tried == {file.stem for file in (ROOT / "models/marts").rglob("*.sql")}


def words_of(path: Path) -> str:
    """What is written for people: comments and docstrings of Python, else the whole text."""
    text = path.read_text()
    if path.suffix != ".py":
        return text
    comments = [
        token.string
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    ]
    docstrings = [
        ast.get_docstring(node) or ""
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    ]
    return "\n".join([*comments, *docstrings])


def test_comments_name_files_that_are_there():
    """Whoever looks up the page or module that a comment cites finds nothing."""
    files = [path for path in tracked() if path.suffix in TEXTS]
    pages = {path.name for path in files}
    gone = []
    for path in files:
        if path.is_relative_to(ROOT / "infra" / "dbt_packages"):
            continue  # its documents are those of another package
        for name in NAMED.findall(words_of(path)):
            places = (ROOT / name, path.parent / name, ROOT / f"{name}.py")
            if name not in pages and not any(place.exists() for place in places):
                gone.append(f"{path.relative_to(ROOT)}: {name}")
    assert gone == []


def test_every_test_says_what_would_be_wrong():
    """A test that fails leaves its reader to guess what it is about."""
    bare = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in tracked("tests/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and (ast.get_docstring(node) or "Wrong if").startswith("Wrong if")
    ]
    assert bare == []
