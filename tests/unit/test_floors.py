"""The folders of infra as floors of a house: each imports from the floors below it alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from infra.settings import ROOT

INFRA = ROOT / "infra"
# From the ground up. Folders of one floor do not import each other. `infra` are the modules that
# lie in no folder: settings and errors.
FLOORS = (
    ("infra",),
    ("stack",),
    ("postgres", "mail"),
    ("kafka", "warehouse", "dbt"),
    ("source",),
    ("connect",),
    ("loading",),
    ("audit", "subject"),
    ("airflow", "superset", "metrics"),
    ("parts",),
    ("repair", "evolve", "lineage", "alerts"),
    ("health", "supply", "testing"),
    ("cli",),
)
# What is no product: nothing of it is there where the product runs.
NO_PRODUCT = ("tests", "benchmarks")


def imported(file: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything that a file imports, also within its functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively"
            yield from ((node.lineno, f"{node.module}.{each.name}") for each in node.names)


def folder(dotted: str) -> str:
    """The folder of infra that a name's module is in."""
    inside = dotted.split(".")[1]
    return inside if (INFRA / inside).is_dir() else "infra"


def files(*folders: str) -> list[Path]:
    found = [file for each in folders for file in sorted((ROOT / each).rglob("*.py"))]
    return [file for file in found if "dbt_packages" not in file.parts]


def arrows() -> Iterator[tuple[str, str, str]]:
    """(folder, folder that it imports from, where) for every import between two of them."""
    for file in files("infra"):
        place = file.relative_to(INFRA)
        here = place.parts[0] if len(place.parts) > 1 else "infra"
        for line, name in imported(file):
            if name.startswith("infra.") and folder(name) != here:
                yield here, folder(name), f"{file.relative_to(ROOT)}:{line} imports {name}"


def test_every_folder_has_its_floor():
    """A new folder would be above and below all others: nothing says what it may import."""
    known = sorted(name for floor in FLOORS for name in floor)
    assert known == sorted({"infra", *(file.parts[0] for file in _inside() if len(file.parts) > 1)})


def test_no_import_goes_upwards():
    """What is changed on the roof would shake the foundation; a circle could not be read apart."""
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    assert [where for here, there, where in arrows() if floor[there] >= floor[here]] == []


def test_the_ingester_knows_nothing_of_what_runs_it():
    """It could not run beside another Kafka and warehouse than this stack's."""
    assert [
        f"{file.relative_to(ROOT)}:{line}"
        for file in files("ingest")
        for line, name in imported(file)
        if name.split(".")[0] == "infra"
    ] == []


def test_the_product_imports_no_tests():
    """It would not start where tests are not installed."""
    assert [
        f"{file.relative_to(ROOT)}:{line}"
        for file in files("infra", "ingest", "airflow")
        for line, name in imported(file)
        if name.split(".")[0] in NO_PRODUCT
    ] == []


def _inside() -> list[Path]:
    return [file.relative_to(INFRA) for file in files("infra")]
