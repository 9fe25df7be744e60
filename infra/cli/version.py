"""`version`: what runs here, as a report of a fault names it."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import tomllib

from infra.dbt import packages
from infra.settings import ROOT, Settings


def version(_settings: Settings, options: argparse.Namespace) -> int:
    """Prints the version of the project, its commit, and what it depends on most."""
    told = {
        "version": tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"],
        "commit": _commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "automate_dv": packages.in_use(),
    }
    if options.json:
        print(json.dumps(told))
    else:
        commit = f" ({told['commit']})" if told["commit"] else ""
        print(f"airline {told['version']}{commit}")
        print(f"Python {told['python']}, {told['system']}, AutomateDV {told['automate_dv']}")
    return 0


def _commit() -> str | None:
    """Tag or commit, and whether files differ from it; None where there is no git or no clone."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--tags", "--dirty"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
    except OSError:
        return None
    return said.stdout.strip() or None
