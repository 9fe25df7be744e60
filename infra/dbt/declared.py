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
    """A table of the source: its primary key, and column -> the type that the models give it.

    `dropped`: columns that the variable dropped_columns names. `added`: column -> its satellite, of
    those that the source got later.
    """

    name: str
    key: tuple[str, ...]
    modelled: dict[str, str]
    dropped: frozenset[str]
    added: dict[str, str]

    @functools.cached_property
    def columns(self) -> dict[str, str]:
        """What is modelled and not dropped."""
        return {name: kind for name, kind in self.modelled.items() if name not in self.dropped}


def tables(root: Path = ROOT) -> dict[str, Table]:
    """Table -> what the project reads of it, in the order of their names."""
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
                found[name] = Table(
                    name,
                    tuple(meta["primary_key"]),
                    meta["columns"],
                    frozenset(each for each in meta["columns"] if f"{name}.{each}" in dropped),
                    meta.get("added_columns") or {},
                )
    return dict(sorted(found.items()))


def _yaml(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8"))
