"""The plan: what differs, what becomes of it, and the writing of what evolve writes."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import psycopg2

import catalogue
from infra.evolve import files, project, types
from infra.evolve.catalogue import Table, read
from infra.evolve.differences import Difference, differences
from infra.stack.terminal import width, wrapped

WIDTH = 100


def find(source_dsn: str, root: Path) -> tuple[dict[str, Table], list[Difference]]:
    """(the source's tables, how they differ from the models in the checkout `root`)."""
    models = catalogue.tables(root)
    with closing(psycopg2.connect(source_dsn)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        source = read(connection)
    taken = {table: project.taken_names(root, table) for table in models}
    return source, differences(source, models, taken)


def text(found: Sequence[Difference]) -> str:
    """The plan as people read it."""
    lines = []
    for each in found:
        lines.append(wrapped(f"{each.kind}: {each.name}: {each.what}"))
        for head, said in (("loads", each.loads), ("to do", each.todo)):
            lines += textwrap.wrap(
                said,
                min(WIDTH, width() or WIDTH),
                initial_indent=f"    {head:<6} ",
                subsequent_indent=" " * 11,
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(lines)


def document(found: Sequence[Difference]) -> str:
    """The plan as one JSON object."""
    return json.dumps(
        {
            "differences": [asdict(each) | {"column": each.column or None} for each in found],
            "to_write": sum(each.writes for each in found),
            "to_do": sum(each.is_for_a_person for each in found),
        },
        ensure_ascii=False,
    )


def edit(root: Path, source: dict[str, Table], found: Sequence[Difference]) -> files.Edit:
    """The files of `root` as they are to be; nothing is written yet. Raises AirlineError."""
    made = files.Edit(root)
    added: dict[str, list[str]] = {}
    for each in found:
        if each.writes and each.kind == "added":
            added.setdefault(each.table, []).append(each.column)
    for table, names in added.items():
        files.add_columns(made, table, [source[table].columns[name] for name in names])
    for each in found:
        if each.writes and each.kind == "wider":
            wider = types.wider(source[each.table].columns[each.column])
            files.widen(made, each.table, each.column, wider)
    for each in found:
        if each.writes and each.kind == "back again":
            files.name_returned(made, each.table, [each.column])
    dropped = [each.name for each in found if each.writes and each.kind == "dropped"]
    if dropped:
        files.name_dropped(made, dropped)
    return made
