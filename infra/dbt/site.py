"""Builds the dbt docs site: what dbt generates with the SQL of the last build, linked, and the ER
diagrams."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import catalogue
from infra.dbt import links, marks, packages, runner
from infra.errors import AirlineError
from infra.settings import Settings

DIAGRAMS = "docs"
STAMP = "made-from"


def folder(settings: Settings) -> Path:
    """Where the site lies; the service `docs` serves it."""
    return settings.home / "docs-site"


def is_new(settings: Settings) -> bool:
    """Whether the site is of the project as it is now."""
    try:
        return (folder(settings) / STAMP).read_text() == _mark(settings)
    except OSError:
        return False


def build(settings: Settings, say: Callable[[str], None]) -> None:
    """Makes the site anew; the old one is served until it is whole. Raises AirlineError."""
    packages.put_in_place(say)
    target = _target(settings)
    # dbt build has compiled every model; doing it again takes longer than all the rest.
    if said := runner.complaint(settings, "docs", "generate", "--no-compile"):
        raise AirlineError(
            "dbt could not make the docs site",
            "the warehouse must run ('./airline up'); see what dbt says below",
            said,
        )
    publish(settings, target)
    say(f"docs site made of {_count(folder(settings))} models")


def publish(settings: Settings, target: Path) -> None:
    """Puts what `dbt docs generate` wrote into `target` in the place of the site."""
    site = folder(settings)
    new = site.with_name(f"{site.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    shutil.copy(target / "catalog.json", new)
    (new / "index.html").write_text(links.in_page((target / "index.html").read_text()))
    manifest = json.loads((target / "manifest.json").read_text())
    _put_compiled_sql(manifest, target)
    links.in_texts(manifest)
    tables = catalogue.tables(settings.root).values()
    marks.in_columns(manifest, {name for table in tables for name in table.personal})
    (new / "manifest.json").write_text(json.dumps(manifest))
    (new / DIAGRAMS).mkdir()
    for picture in (settings.root / DIAGRAMS).glob("*_schema.svg"):
        drawn = links.in_picture(picture, links.pages(manifest))
        (new / DIAGRAMS / picture.name).write_text(drawn)
    (new / STAMP).write_text(_mark(settings))
    old = site.with_name(f"{site.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if site.exists():
        site.rename(old)
    new.rename(site)
    shutil.rmtree(old, ignore_errors=True)


def _put_compiled_sql(manifest: dict, target: Path) -> None:
    """Gives the models the SQL that the last build ran."""
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model":
            compiled = target / "compiled" / node["package_name"] / node["original_file_path"]
            if compiled.exists():
                node["compiled_code"] = compiled.read_text()
                node["compiled"] = True


def _count(site: Path) -> int:
    manifest = json.loads((site / "manifest.json").read_text())
    return sum(node["resource_type"] == "model" for node in manifest["nodes"].values())


def _target(settings: Settings) -> Path:
    return Path(settings.environment().get("DBT_TARGET_PATH", settings.root / "target"))


def _mark(settings: Settings) -> str:
    pictures = sorted((settings.root / DIAGRAMS).glob("*_schema.svg"))
    return " ".join(
        [
            runner.project_digest(settings),
            *(f"{file.name}:{file.stat().st_size}" for file in pictures),
        ]
    )
