"""Reads, writes and compares the files under infra/superset/assets.

One file per database connection, dataset, chart and dashboard, in Superset's export format without
defaults and machine-specific values, so that a change in the UI is a small change of a file. Files
refer to each other by uuid. Needs only PyYAML, not Superset.
"""

from __future__ import annotations

import copy
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infra.errors import AirlineError
from infra.settings import Settings
from infra.superset import language
from infra.superset.canonical import (
    Asset,
    Bundle,
    canonical,
    charts_of,
    with_defaults,
)

FOLDER = Path(__file__).with_name("assets")
ROLES = "roles.yml"
KINDS = ("databases", "datasets", "charts", "dashboards")
VERSION = "1.0.0"
# Stands for the password, here as in Superset's own exports.
MASK = "X" * 10


@dataclass(frozen=True)
class Role:
    """A role of roles.yml: pairs of (permission, view), whole schemas and single datasets."""

    description: str = ""
    permissions: list[tuple[str, str]] = field(default_factory=list)
    schemas: list[str] = field(default_factory=list)
    datasets: list[str] = field(default_factory=list)


def read(folder: Path = FOLDER) -> Bundle:
    """Every asset below `folder`. Raises AirlineError that names a file which cannot be one."""
    found: Bundle = {}
    for path in files(folder):
        name = path.relative_to(folder).as_posix()
        try:
            asset = yaml.safe_load(path.read_text())
        except yaml.YAMLError as error:
            raise AirlineError(f"{path} is not YAML ({error})", "mend it") from None
        if not isinstance(asset, dict) or not isinstance(asset.get("uuid"), str):
            raise AirlineError(f"{path} has no uuid", "give it one, or take the file out")
        found[name] = with_defaults(kind_of(name), asset)
    return found


def files(folder: Path) -> list[Path]:
    return sorted(path for kind in KINDS for path in (folder / kind).rglob("*.yaml"))


def kind_of(name: str) -> str:
    return name.split("/", 1)[0]


def of_kind(bundle: Bundle, kind: str) -> Bundle:
    return {name: asset for name, asset in bundle.items() if kind_of(name) == kind}


def read_roles(folder: Path = FOLDER) -> dict[str, Role]:
    """The roles of roles.yml, by name."""
    content = yaml.safe_load((folder / ROLES).read_text())
    sets = content["permission_sets"]
    return {
        name: Role(
            description=role["description"],
            permissions=[
                (permission, view)
                for named in role["may"]
                for permission, views in sets[named].items()
                for view in views
            ],
            schemas=role.get("schemas", []),
            datasets=role.get("datasets", []),
        )
        for name, role in content["roles"].items()
    }


def dump(asset: Asset) -> str:
    """The text of a file: keys in alphabetical order below the first level, Russian readable."""
    first = [
        "database_name",
        "table_name",
        "slice_name",
        "dashboard_title",
        "description",
        "viz_type",
        "slug",
        "uuid",
        "database_uuid",
        "dataset_uuid",
        "schema",
        "sqlalchemy_uri",
    ]
    keys = [key for key in first if key in asset] + sorted(set(asset) - set(first))
    ordered = {key: _sorted(asset[key]) for key in keys}
    return yaml.dump(ordered, allow_unicode=True, sort_keys=False, width=96, Dumper=Dumper)


def untidy(folder: Path = FOLDER, *, mend: bool = False) -> list[str]:
    """The files that are not as an export writes them. With `mend` they are written so.

    The first export after a small change would rewrite them whole.
    """
    found = []
    for name, asset in read(folder).items():
        text = dump(canonical(kind_of(name), asset))
        if (folder / name).read_text() != text:
            found.append(name)
            if mend:
                (folder / name).write_text(text)
    return found


def uri(settings: Settings | None) -> str:
    """The connection to the warehouse; with the usual address where `settings` are not given."""
    from infra.postgres import roles

    host = settings.host if settings else "127.0.0.1"
    port = settings.dwh_port if settings else 5434
    name = settings.dwh_db if settings else "airline_tickets_dwh"
    return f"postgresql+psycopg2://{roles.BI}:{MASK}@{host}:{port}/{name}"


def for_import(bundle: Bundle, settings: Settings) -> dict[str, str]:
    """The input of Superset's ImportAssetsCommand: texts by file name."""
    contents = {
        "metadata.yaml": yaml.safe_dump(
            {"version": VERSION, "type": "assets", "timestamp": "2026-01-01T00:00:00+00:00"}
        )
    }
    for name, asset in language.to(settings.language, bundle, language.words()).items():
        given = copy.deepcopy(asset) | {"version": VERSION}
        if kind_of(name) == "databases":
            given["sqlalchemy_uri"] = uri(settings)
        if kind_of(name) == "datasets":
            # PostgreSQL's database. Without it a role's schema is not taken for the dataset's.
            given["catalog"] = settings.dwh_db
        contents[name] = yaml.safe_dump(given, allow_unicode=True, sort_keys=False)
    return contents


def write_export(exported: dict[str, str], folder: Path, settings: Settings) -> list[str]:
    """Writes an export of ExportAssetsCommand over the files in `folder`.

    Only objects that use our connection are written; a file keeps its name when its title changes.
    A file whose object does not exist in Superset any more is removed. Returns the changed paths.
    """
    there = {path: yaml.safe_load(path.read_text()) for path in files(folder)}
    # Into an empty folder it goes under the project's own names.
    by_uuid = {asset["uuid"]: folder / name for name, asset in read().items()}
    by_uuid |= {asset["uuid"]: path for path, asset in there.items()}
    ours = _ours({name: yaml.safe_load(text) for name, text in exported.items()}, set(by_uuid))
    changed, kept = [], set()
    known = language.words()
    for name, shown in ours.items():
        kind = kind_of(name)
        asset = language.back(settings.language, shown, known)
        if kind == "databases":
            asset["sqlalchemy_uri"] = uri(None)
        path = by_uuid.get(asset["uuid"]) or folder / kind / f"{_slug(name, asset['uuid'])}.yaml"
        kept.add(path)
        text = dump(canonical(kind, asset))
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            changed.append(path.relative_to(folder).as_posix())
    for path in set(there) - kept:
        path.unlink()
        changed.append(f"{path.relative_to(folder).as_posix()} (removed)")
    return sorted(changed)


def digest(settings: Settings, folder: Path = FOLDER) -> str:
    """A digest of all files, and of the settings that an import depends on."""
    logins = (settings.superset_manager_password, settings.superset_analyst_password)
    found = hashlib.sha256("\0".join((uri(settings), settings.language, *logins)).encode())
    for path in [*files(folder), folder / ROLES, folder / language.FILE]:
        found.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def _ours(exported: Bundle, known: set[str]) -> Bundle:
    databases = {
        asset["uuid"]
        for name, asset in exported.items()
        if kind_of(name) == "databases" and asset["uuid"] in known
    }
    datasets = {
        asset["uuid"]
        for name, asset in exported.items()
        if kind_of(name) == "datasets" and asset["database_uuid"] in databases
    }
    charts = {
        asset["uuid"]
        for name, asset in exported.items()
        if kind_of(name) == "charts" and asset.get("dataset_uuid") in datasets
    }
    dashboards = {
        asset["uuid"]
        for name, asset in exported.items()
        if kind_of(name) == "dashboards"
        and (asset["uuid"] in known or charts & set(charts_of(asset)))
    }
    wanted = databases | datasets | charts | dashboards
    return {
        name: asset
        for name, asset in exported.items()
        if kind_of(name) in KINDS and asset["uuid"] in wanted
    }


def _slug(name: str, uuid: str) -> str:
    words = re.findall(r"[a-z0-9]+", Path(name).stem.lower())
    # The number at the end is Superset's id.
    return "_".join([*words[:-1], uuid[:8]])


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list):
        return [_sorted(each) for each in value]
    return value


class Dumper(yaml.SafeDumper):
    """Long texts as blocks, lists indented below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Dumper.add_representer(str, _text)
