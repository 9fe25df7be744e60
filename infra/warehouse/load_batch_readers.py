"""Which tables remember the newest load batch that they have seen, and so need the ones after it.

A model says it in its YAML, in `config`: `meta: {last_load_batch: <column>}`, with its `schema`
beside it. Retention keeps the load batches that such a table has not seen yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import yaml

from infra.errors import AirlineError
from infra.settings import ROOT

KEY = "last_load_batch"


class Reader(NamedTuple):
    """A table and its column with the number of the newest load batch that it has seen."""

    schema: str
    table: str
    column: str


def readers(root: Path = ROOT) -> list[Reader]:
    """What the models' YAML declares. Raises AirlineError for a model that names no schema."""
    found = []
    for file in sorted((root / "models").rglob("*.yml")):
        for model in (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("models") or []:
            config = model.get("config") or {}
            column = (config.get("meta") or {}).get(KEY)
            if column is None:
                continue
            if "schema" not in config:
                raise AirlineError(
                    f"{file.relative_to(root)} has meta.{KEY} for {model['name']} and no schema",
                    f"put 'schema' into the 'config' of {model['name']} in the same file",
                )
            found.append(Reader(config["schema"], model["name"], column))
    return found
