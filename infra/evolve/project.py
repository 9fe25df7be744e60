"""What the project models of the source, read from the files that say so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infra.errors import AirlineError

SOURCES = "models/staging/_staging__sources.yml"
PROJECT = "dbt_project.yml"
SATELLITES = "models/raw_vault/satellites"


@dataclass(frozen=True)
class Model:
    """A modelled table: `columns` name -> type in staging, `added` name -> its satellite."""

    table: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    added: Mapping[str, str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()


def read(root: Path) -> dict[str, Model]:
    """The modelled tables, by name."""
    sources = yaml.safe_load((root / SOURCES).read_text())
    dropped = yaml.safe_load((root / PROJECT).read_text())["vars"]["dropped_columns"]
    [staging] = [each for each in sources["sources"] if each["name"] == "staging"]
    models = {}
    for table in staging["tables"]:
        meta: dict[str, Any] = table.get("config", {}).get("meta") or {}
        if "columns" in meta:
            models[table["name"]] = Model(
                table["name"],
                meta["columns"],
                tuple(meta["primary_key"]),
                meta.get("added_columns") or {},
                frozenset(
                    name.split(".", 1)[1]
                    for name in dropped
                    if name.split(".", 1)[0] == table["name"]
                ),
            )
    return models


def entity(root: Path, table: str) -> tuple[str, str]:
    """(what the table's satellites are named after, their hash key), from its status satellite."""
    for file in sorted((root / SATELLITES / "status").glob("sat_*_status.sql")):
        text = file.read_text()
        if re.search(rf"source_model='vst_{table}'", text):
            key = re.search(r"src_pk='(\w+)'", text)
            if key:
                return file.stem.removeprefix("sat_").removesuffix("_status"), key[1]
    raise AirlineError(
        f"no status satellite of {table} in {SATELLITES}/status",
        "evolve follows the project's conventions; model the column by hand, as its neighbours are",
    )


def taken_names(root: Path, table: str) -> set[str]:
    """Names of columns that the models of a table have."""
    names: set[str] = set()
    for name in (f"vault_stage/vst_{table}", f"business_vault/current_{table}"):
        described = yaml.safe_load((root / "models" / f"{name}.yml").read_text())
        for model in described["models"]:
            names.update(column["name"] for column in model["columns"])
    return names
