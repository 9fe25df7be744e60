"""The documents: each link leads somewhere, and what is in two languages says the same."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from infra.settings import ROOT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)|<(https?://[^>]+)>")
CODE = re.compile(r"`([^`]+)`")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
RUSSIAN = ".ru.md"


def documents() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(
        path for name in listed.stdout.split("\0") if name and (path := ROOT / name).exists()
    )


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
