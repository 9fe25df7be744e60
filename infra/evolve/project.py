"""How the models of a source table are named, read from their files."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from infra.errors import AirlineError

SATELLITES = "models/raw_vault/satellites"


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
