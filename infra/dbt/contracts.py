"""What published models promise, kept in docs/contracts.json: no promise is broken by accident.

dbt's own contracts see to it that a model has the columns its YAML names. They do not notice when
both are changed together, and a dashboard that reads the old column finds out in front of people.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.dbt.manifest import Manifest
from infra.settings import ROOT

FILE = ROOT / "docs" / "contracts.json"
Contracts = dict[str, dict[str, Any]]


def contracts(manifest: Manifest) -> Contracts:
    """Published model -> its schema and its columns with their types, as the manifest has them."""
    return {
        model["name"]: {
            "schema": model["schema"],
            "columns": {
                column["name"]: column["data_type"] for column in model["columns"].values()
            },
        }
        for model in manifest.published()
        if model["access"] == "public"
    }


def breaking(before: Contracts, after: Contracts, manifest: Manifest) -> list[str]:
    """One line for each promise of `before` that `after` does not keep, and whom that hits."""
    found = []
    for model, promised in before.items():
        shown = f"{promised['schema']}.{model}"
        kept = after.get(model)
        if kept is None:
            found.append(f"{shown} is gone or no longer public{_hit(model, manifest)}")
            continue
        if kept["schema"] != promised["schema"]:
            found.append(f"{shown} moved to schema {kept['schema']}{_hit(model, manifest)}")
        for column, kind in promised["columns"].items():
            now = kept["columns"].get(column)
            if now is None:
                found.append(f"{shown}.{column} ({kind}) is gone{_hit(model, manifest)}")
            elif now != kind:
                found.append(f"{shown}.{column} was {kind} and is {now}{_hit(model, manifest)}")
    return found


def read() -> Contracts:
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def write(kept: Contracts, file: Path = FILE) -> None:
    file.write_text(text(kept))


def text(kept: Contracts) -> str:
    return json.dumps(kept, indent=2) + "\n"


def _hit(model: str, manifest: Manifest) -> str:
    dashboards = manifest.dashboards(f"model.airline.{model}")
    return f"; breaks: {', '.join(dashboards)}" if dashboards else "; no dashboard reads it"
