"""What hangs on a column of the source, and what a column of a mart comes from."""

from __future__ import annotations

from dataclasses import dataclass, field

from infra.errors import AirlineError
from infra.lineage.dashboards import Reader
from infra.lineage.deps import Deps, Origin, Relation

VALUE, ROWS = "value", "rows"


@dataclass(frozen=True)
class Impact:
    """What would change with `column`: mart -> column -> VALUE or ROWS, and who reads those.

    Of a column of a mart: what it comes from, `table.column` -> VALUE or ROWS, and who reads it.
    """

    column: str
    marts: dict[str, dict[str, str]] = field(default_factory=dict)
    comes_from: dict[str, str] = field(default_factory=dict)
    readers: list[tuple[Reader, str]] = field(default_factory=list)

    def dashboards(self) -> list[str]:
        return sorted({title for reader, _ in self.readers for title in reader.dashboards})


def of_source(origin: Origin, marts: dict[str, Relation], readers: list[Reader]) -> Impact:
    """What would change with a column of the source."""
    touched = {
        name: columns
        for name, mart in marts.items()
        if (columns := _touched(origin, mart)) or origin in mart.rows.all
    }
    found = []
    for reader in readers:
        columns = touched.get(reader.mart)
        if columns is None:
            continue
        kinds = {columns[each] for each in reader.columns & columns.keys()}
        if kinds or origin in marts[reader.mart].rows.all:
            found.append((reader, VALUE if VALUE in kinds else ROWS))
    return Impact(f"{origin.table}.{origin.column}", touched, readers=found)


def of_mart(name: str, column: str, marts: dict[str, Relation], readers: list[Reader]) -> Impact:
    """Where a column of a mart comes from, and who reads it."""
    deps = depends(marts[name], column)
    return Impact(
        f"{name}.{column}",
        comes_from={
            f"{each.table}.{each.column}": kind
            for each in sorted(deps.all)
            if (kind := _kind(each, deps))
        },
        readers=[(each, VALUE) for each in readers if each.mart == name and column in each.columns],
    )


def depends(mart: Relation, column: str) -> Deps:
    """What a column of a mart depends on, with what decides which rows the mart has."""
    return mart.columns[column] | mart.rows.as_rows()


def _touched(origin: Origin, mart: Relation) -> dict[str, str]:
    return {
        column: kind for column in mart.columns if (kind := _kind(origin, depends(mart, column)))
    }


def _kind(origin: Origin, deps: Deps) -> str:
    if origin in deps.value:
        return VALUE
    return ROWS if origin in deps.rows else ""


def find(
    name: str, tables: dict[str, list[str]], marts: dict[str, Relation]
) -> Origin | tuple[str, str]:
    """The column that a person names: of a table of the source, or (mart, column).

    Raises AirlineError that says what there is.
    """
    place, _, column = name.rpartition(".")
    mart = next((each for each in marts if place in (each, each.partition(".")[2])), None)
    columns = list(marts[mart].columns) if mart else tables.get(place)
    if columns is None:
        raise AirlineError(
            f"{name!r} names no column of a table of the source, and of no mart",
            f"say <table>.<column> with one of {', '.join(tables)}; or a mart, one of "
            + ", ".join(each.partition(".")[2] for each in marts),
        )
    if column not in columns:
        raise AirlineError(f"{place} has no column {column!r}", f"it has {', '.join(columns)}")
    return (mart, column) if mart else Origin(place, column)
