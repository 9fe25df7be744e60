"""The project's models, each with what its columns depend on in the tables of the source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from sqlglot.errors import SqlglotError

import catalogue
from infra.dbt.manifest import PUBLISHED, Manifest
from infra.errors import AirlineError
from infra.lineage import sql
from infra.lineage.deps import NOTHING, ROW, Deps, Origin, Relation

LANDED = "staging"
VAULT = "models/raw_vault/"
# current_<table> and kept_<table> have the rows of a table as they are now.
CURRENT, KEPT = "current_", "kept_"
LOAD_DATE = "load_date"
# A landed event's columns that hold the row.
JSON = ("key", "value")
# Columns of a hub that say when and from where a key came.
OF_THE_LOAD = frozenset({"load_date", "record_source", "source_system_id"})
# The book of persons: a token stands for one value, which is the one that the column has anyway.
BOOK = ("staging_pii", "identity")


class Lineage:
    """What every model's columns depend on. `manifest` has the SQL as dbt compiled it.

    What it says raises AirlineError where a model's SQL is not understood.
    """

    def __init__(self, manifest: Manifest, tables: dict[str, catalogue.Table]) -> None:
        self.tables = tables
        self._columns = {name: frozenset(table.columns) for name, table in tables.items()}
        self._models = {
            (model["schema"], model["alias"]): model for model in manifest.nodes("model")
        }
        self._known: dict[tuple[str, str], Relation] = {}

    def marts(self) -> dict[str, Relation]:
        """`schema.name` of each mart -> its columns."""
        return {
            f"{schema}.{name}": self.relation(schema, name)
            for (schema, name), model in sorted(self._models.items())
            if model["original_file_path"].startswith(PUBLISHED)
        }

    def relation(self, schema: str, name: str) -> Relation:
        """What a query reads under this name."""
        place = (schema, name)
        if place not in self._known:
            # A model that asks what it holds already adds no origin.
            self._known[place] = Relation({}, other=NOTHING)
            self._known[place] = self._read(schema, name)
        return self._known[place]

    def _read(self, schema: str, name: str) -> Relation:
        if schema == LANDED and name in self.tables:
            row = Deps(frozenset({Origin(name, ROW)}))
            return Relation(dict.fromkeys(JSON, row), other=NOTHING)
        model = self._models.get((schema, name))
        if (schema, name) == BOOK:
            return Relation({}, other=NOTHING, unique={frozenset({"token"})})
        if model is None:
            # A seed, or a table that the loads keep for themselves.
            return Relation({}, other=NOTHING)
        try:
            found = sql.read(model["compiled_code"], self.relation, self._columns)
        except (LookupError, SqlglotError) as error:
            raise AirlineError(
                f"the SQL of {model['original_file_path']} cannot be followed",
                "say it otherwise, or teach infra/lineage/sql.py what is said below",
                str(error),
            ) from None
        found = replace(
            found,
            columns={column: self._whole(deps) for column, deps in found.columns.items()},
            rows=self._about_rows(found.rows),
            unique=found.unique | self._unique(model),
        )
        table = self._table_of(model)
        if table and LOAD_DATE in found.columns:
            # The newest change of the row, whichever of its columns changed.
            row = frozenset(Origin(table, column) for column in self._columns[table])
            found.columns[LOAD_DATE] |= Deps(rows=row)
        return _of_vault(found, model) if model["original_file_path"].startswith(VAULT) else found

    def _whole(self, deps: Deps) -> Deps:
        """A whole row that is handed on is each of its columns."""
        handed = {origin.table for origin in deps.value if origin.column == ROW}
        value = {origin for origin in deps.value if origin.column != ROW}
        value |= {Origin(table, column) for table in handed for column in self._columns[table]}
        return Deps(frozenset(value), self._about_rows(deps).rows)

    @staticmethod
    def _about_rows(deps: Deps) -> Deps:
        """Whether there is an event at all is no column's matter."""
        return Deps(deps.value, frozenset(each for each in deps.rows if each.column != ROW))

    def _unique(self, model: dict[str, Any]) -> set[frozenset[str]]:
        """The keys that the project promises."""
        given = model["config"].get("unique_key") or []
        keys = {frozenset([given] if isinstance(given, str) else given)} if given else set()
        if model["name"].startswith(CURRENT) and (table := self._table_of(model)):
            keys.add(frozenset(self.tables[table].key))
        return keys

    def _table_of(self, model: dict[str, Any]) -> str:
        """The table of the source whose rows, as they are now, a model has; or ''."""
        name = model["name"].removeprefix(CURRENT).removeprefix(KEPT)
        return name if name in self.tables else ""


def _of_vault(found: Relation, model: dict[str, Any]) -> Relation:
    """Every key that ever came has its row in the vault: values decide none."""
    kind = PurePosixPath(model["original_file_path"]).parts[2]
    columns = {name: Deps(deps.value) for name, deps in found.columns.items()}
    found = replace(found, columns=columns, rows=NOTHING)
    if kind == "satellites":
        return found
    key = next(iter(found.columns))
    business = frozenset(found.columns) - OF_THE_LOAD if kind == "hubs" else frozenset()
    return replace(found, hash_key=key, business_keys=business)
