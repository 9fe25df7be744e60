"""What a column is made of, and what a query's result is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Origin(NamedTuple):
    """A column of a table of the source; the column ROW is the whole row, as an event has it."""

    table: str
    column: str


ROW = ""


@dataclass(frozen=True)
class Deps:
    """The columns of the source that something depends on: `value` flow into what it says, `rows`
    only decide which rows it is said of. `fields`: what the columns of a whole row depend on.
    """

    value: frozenset[Origin] = frozenset()
    rows: frozenset[Origin] = frozenset()
    fields: dict[str, Deps] | None = field(default=None, compare=False)

    def __or__(self, other: Deps) -> Deps:
        return Deps(self.value | other.value, self.rows | other.rows)

    @property
    def all(self) -> frozenset[Origin]:
        return self.value | self.rows

    def as_rows(self) -> Deps:
        return Deps(rows=self.all)


NOTHING = Deps()


def union(parts: list[Deps]) -> Deps:
    return Deps(
        frozenset().union(*(each.value for each in parts)),
        frozenset().union(*(each.rows for each in parts)),
    )


@dataclass
class Relation:
    """The result of a query, a table or a view.

    `rows`: what decides which rows there are. `other`: what columns that are not in `columns`
    depend on. `unique`: sets of columns that no two rows agree on. `is_one_row`: there is one row,
    whatever is read.
    """

    columns: dict[str, Deps]
    rows: Deps = NOTHING
    other: Deps | None = None
    unique: set[frozenset[str]] = field(default_factory=set)
    is_one_row: bool = False
    # Of a hub or link: its hash key. Of a hub also the business keys that the hash is made of.
    hash_key: str = ""
    business_keys: frozenset[str] = frozenset()

    def column(self, name: str) -> Deps | None:
        return self.columns.get(name, self.other)

    def whole(self) -> Deps:
        found = union([*self.columns.values(), self.other or NOTHING])
        return Deps(found.value, found.rows, dict(self.columns))
