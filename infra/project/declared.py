"""The source's tables as the project has them: what it loads, by which key, in which columns.

Written in models/staging/_staging__sources.yml, which the loads read too, and `./airline evolve`
writes on. Whoever compares or checks the source takes the list from here, never from what is
compared or checked.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.settings import ROOT, TABLES

SOURCES, PROJECT = "models/staging/_staging__sources.yml", "dbt_project.yml"


@dataclass(frozen=True)
class Table:
    """A table of the source: its primary key, and column -> the type that the models give it."""

    name: str
    key: tuple[str, ...]
    columns: dict[str, str]


def tables(root: Path = ROOT) -> dict[str, Table]:
    """Table -> what the project reads of it, in the order of their names. Columns that the variable
    dropped_columns names are none.
    """
    files = (root / SOURCES, root / PROJECT)
    return _read(*((file, file.stat().st_mtime_ns) for file in files))


@functools.lru_cache(maxsize=2)
def _read(sources: tuple[Path, int], project: tuple[Path, int]) -> dict[str, Table]:
    """Once for each state of the files: services ask for days."""
    dropped = (_yaml(project[0]).get("vars") or {}).get("dropped_columns") or []
    found = {}
    for source in _yaml(sources[0])["sources"]:
        for table in source["tables"]:
            name = table["name"]
            if name in TABLES:
                meta = table["config"]["meta"]
                columns = {
                    column: kind
                    for column, kind in meta["columns"].items()
                    if f"{name}.{column}" not in dropped
                }
                found[name] = Table(name, tuple(meta["primary_key"]), columns)
    return dict(sorted(found.items()))


def _yaml(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8"))
