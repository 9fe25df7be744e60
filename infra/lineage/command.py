"""`impact`: what would change with a column, on paper or for programs."""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
from pathlib import Path
from typing import Any

import catalogue
from infra.dbt import packages, runner
from infra.dbt.manifest import Manifest
from infra.errors import AirlineError
from infra.lineage import dashboards, impact
from infra.lineage.deps import Origin
from infra.lineage.impact import ROWS, VALUE, Impact
from infra.settings import Settings
from infra.stack import runtime
from infra.stack.progress import complain
from infra.superset import assets

STAMP = "compiled-from"


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Prints what would change with `options.column`, or where it comes from."""
    # Here, for what reads SQL takes a moment to import, and no other verb needs it.
    from infra.lineage.project import Lineage

    tables = catalogue.tables()
    marts = Lineage(compiled(settings), tables).marts()
    named = impact.find(
        options.column, {name: list(table.columns) for name, table in tables.items()}, marts
    )
    readers = dashboards.readers(assets.read())
    found = (
        impact.of_source(named, marts, readers)
        if isinstance(named, Origin)
        else impact.of_mart(*named, marts, readers)
    )
    if options.json:
        print(json.dumps(as_json(found), ensure_ascii=False, indent=2))
    else:
        print(text(found, shutil.get_terminal_size().columns))
    return 0


def compiled(settings: Settings) -> Manifest:
    """The manifest with every model's SQL, as dbt compiles a first build of it.

    dbt asks the warehouse for the columns of the stages; it is asked once for each state of the
    project. Raises AirlineError with what dbt says.
    """
    folder = settings.home / "dbt" / "lineage"
    stamp, mark = folder / STAMP, runner.project_digest(settings)
    if not (stamp.exists() and stamp.read_text() == mark):
        runtime.make_folder(settings, settings.home)
        runtime.make_folder(settings, settings.home / "dbt")
        runtime.make_folder(settings, folder)
        packages.put_in_place(complain)
        arguments = ("compile", "--full-refresh", "--target-path", str(folder))
        if said := runner.complaint(settings, *arguments):
            raise AirlineError(
                "dbt could not compile the models, whose SQL says where a column goes",
                "the warehouse must run and be loaded ('./airline up'); see what dbt says below",
                said,
            )
        stamp.write_text(mark)
    return read(folder)


def read(target: Path) -> Manifest:
    """The manifest that `dbt compile` left in its folder, with the SQL that lies beside it."""
    content = json.loads((target / "manifest.json").read_text())
    for node in content["nodes"].values():
        if node["resource_type"] == "model":
            file = target / "compiled" / node["package_name"] / node["original_file_path"]
            node["compiled_code"] = file.read_text()
    return Manifest(content)


def as_json(found: Impact) -> dict[str, Any]:
    """For programs; docs/lineage.md says what each part is."""
    shown: dict[str, Any] = {"column": found.column}
    if found.comes_from:
        shown["comes_from"] = found.comes_from
    else:
        shown["marts"] = found.marts
    return shown | {
        "readers": [
            {
                "kind": reader.kind,
                "title": reader.title,
                "dashboards": list(reader.dashboards),
                "mart": reader.mart,
                "by": kind,
            }
            for reader, kind in found.readers
        ],
        "dashboards": found.dashboards(),
    }


def text(found: Impact, width: int) -> str:
    """For people, in lines of `width` characters."""
    lines = [found.column]
    for name, columns in found.marts.items():
        lines += ["", f"  {name}", *_kinds(columns, width)]
    if found.comes_from:
        lines += ["", "  comes from", *_kinds(found.comes_from, width)]
    elif not found.marts:
        lines += ["", "  no mart depends on it"]
    shown: dict[tuple[str, ...], list[str]] = {}
    for reader, kind in found.readers:
        of = f"{reader.kind} «{reader.title}»"
        shown.setdefault(reader.dashboards, []).append(f"{of} ({kind})" if kind == ROWS else of)
    for boards, titles in shown.items():
        lines += ["", f"  dashboard «{'», «'.join(boards)}»"]
        lines += _wrapped("    ", dict.fromkeys(titles), width)
    return "\n".join(lines)


def _kinds(columns: dict[str, str], width: int) -> list[str]:
    return [
        line
        for kind in (VALUE, ROWS)
        if any(each == kind for each in columns.values())
        for line in _wrapped(
            f"    {kind:<7}", [name for name, each in columns.items() if each == kind], width
        )
    ]


def _wrapped(head: str, names: Any, width: int) -> list[str]:
    return textwrap.wrap(
        ", ".join(names),
        max(width, 40),
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
