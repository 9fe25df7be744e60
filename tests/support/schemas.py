"""What `--json` prints, held against its schema (infra/cli/schemas)."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from infra.settings import ROOT

FOLDER = ROOT / "infra" / "cli" / "schemas"


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((FOLDER / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def faults(name: str, document: Any) -> list[str]:
    """Where `document` is not as the schema says."""
    return [f"{each.json_path}: {each.message}" for each in validator(name).iter_errors(document)]
