"""A checkout of the project in a folder of a test's own, which it may change."""

from __future__ import annotations

import shutil
from pathlib import Path

from infra.dbt import runner
from infra.settings import ROOT

PARTS = (*runner.PROJECT, "selectors.yml", "dbt_packages", "tests/data", "docs")


def copy_to(folder: Path) -> Path:
    """Copies what dbt reads, and the diagrams; returns `folder`."""
    for name in PARTS:
        part, to = ROOT / name, folder / name
        to.parent.mkdir(parents=True, exist_ok=True)
        if part.is_dir():
            shutil.copytree(part, to)
        elif part.exists():
            shutil.copy(part, to)
    return folder
