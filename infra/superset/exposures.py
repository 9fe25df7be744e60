"""Generates models/exposures.yml (to dbt: who reads the marts) from the dashboards' files."""

from __future__ import annotations

from pathlib import Path

import yaml

from infra.settings import ROOT
from infra.superset import assets, canonical, chain, language

FILE = ROOT / "models" / "exposures.yml"
HEAD = """\
# Written by './airline test --lint --fix' from infra/superset/assets: change the dashboards there.
"""
# Where Superset is by default.
URL = "http://localhost:8088/superset/dashboard/{slug}/"
OWNER = {"name": "Data platform", "email": "data-platform@airline.example"}


def text(bundle: canonical.Bundle, root: Path = ROOT) -> str:
    """The file as the dashboards in `bundle` want it."""
    links = chain.Chain(bundle, chain.models(root))
    # Titles as people see them; the docs site explains in English.
    english = language.words()
    exposures = [
        {
            "name": f"dashboard_{Path(name).stem}",
            "label": board["dashboard_title"],
            "type": "dashboard",
            "maturity": "high",
            "url": URL.format(slug=board["slug"]),
            "description": english.get(board["description"], board["description"]),
            "owner": OWNER,
            "depends_on": [f"ref('{model}')" for model in sorted(links.models_of(board))],
        }
        for name, board in sorted(assets.of_kind(bundle, "dashboards").items())
    ]
    return HEAD + yaml.dump(
        {"version": 2, "exposures": exposures},
        Dumper=assets.Dumper,
        allow_unicode=True,
        sort_keys=False,
        width=110,
    )


def problem(fix: bool = False, file: Path = FILE) -> str:
    """What is wrong with the file, '' if nothing; with `fix` it is written."""
    wanted = text(assets.read())
    if file.exists() and file.read_text() == wanted:
        return ""
    if fix:
        file.write_text(wanted)
        return ""
    return f"{file.relative_to(ROOT)} does not say what the dashboards read"
