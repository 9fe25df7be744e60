"""Each difference between the source's catalogue and what the project models, by its kind.

What each kind means for loads, and what to do, is the table of docs/source_changes.md in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import catalogue
from infra.evolve import types
from infra.evolve.catalogue import Column, Table


@dataclass(frozen=True)
class Difference:
    """One difference. `kind` is a word of docs/source_changes.md; `column` is '' for a whole table.

    `loads` says what becomes of the rows meanwhile, `todo` what a person does. `writes`: evolve
    writes it into the project's files. `settled`: decided before, nothing is to be done.
    """

    kind: str
    table: str
    column: str
    what: str
    loads: str
    todo: str
    writes: bool = False
    settled: bool = False

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column}" if self.column else self.table

    @property
    def is_for_a_person(self) -> bool:
        return not (self.writes or self.settled)


def differences(
    source: Mapping[str, Table],
    models: Mapping[str, catalogue.Table],
    taken: Mapping[str, set[str]],
) -> list[Difference]:
    """All differences, table by table. `taken`: names that a table's models have already."""
    found: list[Difference] = []
    others = [each for name, each in source.items() if name not in models]
    for name, model in models.items():
        table = source.get(name)
        found += _table(name, table, model, others)
        if table is not None and table.kind in ("r", "p"):
            found += _columns(table, model, taken.get(name, set()))
    found += [
        Difference(
            "new table",
            name,
            "",
            "the source has it, the project does not model it",
            "go on without it",
            "nothing, or model it as CONTRIBUTING.md says under 'Adding a table of the source'",
            settled=True,
        )
        for name, table in sorted(source.items())
        if name not in models and table.kind in ("r", "p") and table.published is not None
    ]
    return found


def _table(
    name: str, table: Table | None, model: catalogue.Table, others: Sequence[Table]
) -> Iterator[Difference]:
    again = f"'./airline resync {name}'"
    publish = "'./airline up' publishes it, as one table, and grants what the connector needs"
    if table is None or table.kind not in ("r", "p"):
        alike = [other.name for other in others if set(model.modelled) <= set(other.columns)]
        hint = f"; {', '.join(sorted(alike))} has its columns" if alike else ""
        yield Difference(
            "table gone",
            name,
            "",
            f"the source has no such table{hint}"
            if table is None
            else f"the source has it as a view{hint}",
            "get nothing of it: its rows stay as they were",
            f"give the table its name back (alter table … rename to {name}), then {again}",
        )
        return
    if table.published is None and table.kind == "p":
        yield Difference(
            "partitioned",
            name,
            "",
            "it is partitioned, and not published as one table",
            "get nothing of it: its rows stay as they were",
            f"{publish}, then {again}",
        )
    elif table.published is None:
        yield Difference(
            "not published",
            name,
            "",
            "it is not in the publication airline_publication: it was made anew, or taken out",
            "get nothing of it: its rows stay as they were",
            f"{publish}, then {again}",
        )
    if table.key != model.key:
        kept = ", ".join(model.key)
        yield Difference(
            "key changed",
            name,
            "",
            f"its primary key is ({', '.join(table.key) or 'none'}), the project's is ({kept})",
            "set its events aside: a row would be taken for another",
            f"make ({kept}) the primary key again, then {again}; another key is another hub or "
            "link, which is modelled by hand",
        )
    if table.replica_identity not in ("d", "f"):
        yield Difference(
            "replica identity",
            name,
            "",
            "its replica identity is neither its primary key nor the whole row",
            "do not get to know which row was deleted",
            f"'./airline up' puts it back, then {again}",
        )


def _columns(table: Table, model: catalogue.Table, taken: set[str]) -> Iterator[Difference]:
    for name, kind in model.modelled.items():
        column = table.columns.get(name)
        if column is None:
            yield _gone(table, model, name)
            continue
        if table.published is not None and name not in table.published and not column.is_generated:
            yield Difference(
                "not published",
                table.name,
                name,
                "the publication names columns, and not this one",
                "set its events aside, as if the column were dropped",
                f"'./airline up' publishes the whole table, then './airline resync {table.name}'",
            )
        if column.is_generated:
            yield Difference(
                "generated",
                table.name,
                name,
                "the source computes it, so no event has it",
                "set its events aside, as if the column were dropped",
                f"make it a column that is written, then './airline resync {table.name}'; or name "
                "it in dropped_columns",
            )
        if name in model.dropped:
            yield Difference(
                "back again",
                table.name,
                name,
                "the source has a column of this name again, and dropped_columns names it",
                "read it again; a row that was not written since keeps the value of before",
                f"'./airline evolve --apply', then './airline resync {table.name}', once",
                writes=True,
            )
        match types.relation(column, kind):
            case "wider":
                yield Difference(
                    "wider",
                    table.name,
                    name,
                    f"is {column.type} at the source, {kind} in the project",
                    f"go on; a value that is no {kind} is set aside, its neighbours load",
                    "'./airline evolve --apply' makes it wider here too; what was set aside loads "
                    "after './airline dead-letters replay'",
                    writes=True,
                )
            case "other" if kind == "text" and column.type.startswith("character("):
                yield Difference(
                    "padded",
                    table.name,
                    name,
                    f"is {column.type} at the source, which pads a value with blanks",
                    "go on; a value that is shorter comes with the blanks, and is another text",
                    f"make it text there, then './airline resync {table.name}'",
                )
            case "other":
                yield Difference(
                    "type changed",
                    table.name,
                    name,
                    f"is {column.type} at the source, {kind} in the project",
                    "set aside each event whose value does not come as the project's type",
                    "change it back, then './airline dead-letters replay'; or add a column of type "
                    f"{column.type} under another name, which evolve takes up",
                )
    for name, column in table.columns.items():
        if name not in model.modelled:
            yield _added(table, column, taken)


def _gone(table: Table, model: catalogue.Table, name: str) -> Difference:
    if name in model.key:
        return Difference(
            "dropped",
            table.name,
            name,
            "the source has it no more, and it is part of the primary key",
            "set its events aside: nothing says which row they are about",
            "put it back, then './airline dead-letters replay'",
        )
    if name in model.dropped:
        return Difference(
            "dropped",
            table.name,
            name,
            "the source has it no more, as dropped_columns says",
            "go on; the column is null in every later version of a row",
            "nothing",
            settled=True,
        )
    if name in model.added:
        return Difference(
            "dropped",
            table.name,
            name,
            "the source has it no more",
            "go on; no row gets a new value, the newest stands",
            "put it back if that was not meant; what is written now only says that it is known",
            writes=True,
        )
    return Difference(
        "dropped",
        table.name,
        name,
        "the source has it no more (or under another name)",
        "set all its events aside until the column is back, or dropped_columns names it",
        "put it back, or have it named there; then './airline dead-letters replay'",
        writes=True,
    )


def _added(table: Table, column: Column, taken: set[str]) -> Difference:
    def by_hand(why: str, todo: str) -> Difference:
        return Difference(
            "added",
            table.name,
            column.name,
            f"{column.type}, {why}",
            "go on without it; it lands, and stays in the raw events",
            todo,
        )

    name = column.name
    if column.is_generated:
        return by_hand(
            "generated by the source, so no event has it",
            "nothing; work it out in a mart from the columns it is made of",
        )
    if column.needs_quotes:
        return by_hand(
            "and its name needs quotes in SQL",
            "rename it at the source, or model it by hand under another name",
        )
    if name in taken:
        return by_hand(
            "and the project's models use its name for something else",
            "rename it at the source, or model it by hand under another name",
        )
    if types.kept_as(column) is None:
        return by_hand(
            "a type that evolve has no cast for",
            "model it by hand, as CONTRIBUTING.md says",
        )
    if table.published is not None and name not in table.published:
        return by_hand(
            "and the publication, which names columns, has it not",
            "'./airline up' publishes the whole table; then ask again",
        )
    todo = "'./airline evolve --apply' writes models and descriptions"
    if column.has_value_for_old_rows:
        todo += (
            "; it has a default, which old rows got without an event: after it "
            f"'./airline resync {table.name}'"
        )
    return Difference(
        "added",
        table.name,
        name,
        f"{column.type}, which the project does not model",
        "go on without it; it lands, and stays in the raw events",
        todo,
        writes=True,
    )
