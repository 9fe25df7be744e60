"""Entities and relations of vault and marts, from the manifest: what the ER diagrams show.

Written out as Mermaid, which GitHub draws and a person can read in a diff. What docs/*.mmd holds is
compared by `./airline test --lint`; infra/dbt/drawing.py makes the picture of the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from infra.dbt.manifest import Manifest

HASH_KEY = "_hash_key"
CURRENT = "current_"


@dataclass
class Column:
    """A column; `mark` is PK, FK, or empty, `kind` its type where the YAML has one."""

    name: str
    kind: str = ""
    mark: str = ""


@dataclass
class Entity:
    """A table or view; `kind` decides its colour and place."""

    name: str
    kind: str
    columns: list[Column] = field(default_factory=list)

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True, order=True)
class Relation:
    """`child.column` holds a key of `parent`."""

    child: str
    column: str
    parent: str


@dataclass
class Schema:
    """One diagram."""

    title: str
    entities: list[Entity]
    relations: list[Relation]

    def mermaid(self) -> str:
        lines = ["---", f"title: {self.title}", "---", "erDiagram"]
        for entity in self.entities:
            lines.append(f"    {entity.name} {{")
            for column in entity.columns:
                kind = re.sub(r"[(, ]+", "_", column.kind.rstrip(")")) or "column"
                lines.append(f"        {kind} {column.name} {column.mark}".rstrip())
            lines.append("    }")
        for relation in self.relations:
            lines.append(f'    {relation.parent} ||--o{{ {relation.child} : "{relation.column}"')
        return "\n".join([*lines, ""])


def vault(manifest: Manifest) -> Schema:
    """Hubs, links and satellites. Relations follow from the names of their hash keys."""
    entities = {}
    for model in manifest.nodes("model", "models/raw_vault/"):
        folders = PurePosixPath(model["original_file_path"]).parts
        kind = {"hubs": "hub", "links": "link", "satellites": "satellite"}[folders[2]]
        entities[model["name"]] = Entity(
            model["name"], kind, [Column(name) for name in model["columns"]]
        )
    keys = {
        entity.columns[0].name: entity.name
        for entity in entities.values()
        if entity.kind in ("hub", "link")
    }
    relations = []
    for entity in entities.values():
        own = entity.columns[0]
        own.mark = "PK"
        if entity.kind == "satellite":
            entity.column("load_date").mark = "PK"
        for column in entity.columns:
            if not column.name.endswith(HASH_KEY) or keys.get(column.name) == entity.name:
                continue
            # departure_airport_hash_key is an airport_hash_key
            parent = max(
                (key for key in keys if column.name == key or column.name.endswith(f"_{key}")),
                key=len,
            )
            column.mark = column.mark or "FK"
            relations.append(Relation(entity.name, column.name, keys[parent]))
    order = {"hub": 0, "link": 1, "satellite": 2}
    return Schema(
        "Data Vault (dwh_detailed)",
        sorted(entities.values(), key=lambda entity: (order[entity.kind], entity.name)),
        sorted(relations),
    )


def marts(manifest: Manifest) -> Schema:
    """Marts, seeds and snapshots. Relations are what the `relationships` tests state."""
    nodes = {
        node["unique_id"]: node
        for node in (
            *manifest.published(),
            *manifest.nodes("seed"),
            *manifest.nodes("snapshot"),
        )
    }
    entities = {
        node["name"]: Entity(
            node["name"],
            node["schema"],
            [
                Column(column["name"], column["data_type"] or "")
                for column in node["columns"].values()
            ],
        )
        for node in nodes.values()
    }
    for test in manifest.nodes("test"):
        if (test.get("test_metadata") or {}).get("name") == "unique":
            owner = nodes.get(test["attached_node"])
            if owner:
                entities[owner["name"]].column(test["column_name"]).mark = "PK"
    relations = []
    for child, column, parent in manifest.relationships():
        if child not in nodes:
            continue
        target = nodes[parent]["name"] if parent in nodes else _stand_in(parent, column, entities)
        if target:
            mine = entities[nodes[child]["name"]].column(column)
            mine.mark = mine.mark or "FK"
            relations.append(Relation(nodes[child]["name"], column, target))
    related = {name for relation in relations for name in (relation.child, relation.parent)}
    return Schema(
        "Marts (dwh_marts, presentation)",
        [
            entity
            for entity in sorted(entities.values(), key=lambda entity: entity.name)
            if entity.name in related or entity.kind in ("dwh_marts", "presentation")
        ],
        sorted(set(relations)),
    )


def _stand_in(parent: str, column: str, entities: dict[str, Entity]) -> str | None:
    """For a key of current_<table>, which is no mart: the mart that has one row for each."""
    if not parent.rpartition(".")[2].startswith(CURRENT):
        return None
    owners = [
        entity.name
        for entity in entities.values()
        if any(each.name == column and each.mark == "PK" for each in entity.columns)
    ]
    return min(owners, default=None)
