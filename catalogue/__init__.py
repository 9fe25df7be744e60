"""The source's tables as the project has them: what it loads, by which key, in which columns.

Written once, in models/staging/_staging__sources.yml, which the loads read too, and `./airline
evolve` writes on. Topics, publication, connector, audit, resync and CSV files follow from here.
Whoever compares or checks the source takes the list from here, never from what is compared or
checked. Plain YAML, read once for each state of the files; of `infra` nothing, for the ingester
reads it too.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
SOURCES, PROJECT = "models/staging/_staging__sources.yml", "dbt_project.yml"
# Debezium's markers of transactions: landed like a table, and no table of the source.
TRANSACTION = "transaction"


class CatalogueError(ValueError):
    """A file that the catalogue stands in cannot be read; the text names file and line."""


@dataclass(frozen=True)
class Table:
    """A table of the source: its primary key, and column -> the type that the models give it.

    `nullable`: columns that may be null at the source. `personal`: those that identify a person,
    `person` being the one that says whose they are; `not_personal`: those that look so, and do not.
    `dropped`: columns that the variable dropped_columns names. `added`: column -> its satellite, of
    those that the source got later.
    """

    name: str
    key: tuple[str, ...]
    modelled: dict[str, str]
    nullable: tuple[str, ...]
    personal: tuple[str, ...]
    person: str | None
    not_personal: tuple[str, ...]
    dropped: frozenset[str]
    added: dict[str, str]

    @functools.cached_property
    def columns(self) -> dict[str, str]:
        """What is modelled and not dropped."""
        return {name: kind for name, kind in self.modelled.items() if name not in self.dropped}

    @functools.cached_property
    def original(self) -> tuple[str, ...]:
        """The columns that the source had from the beginning, in their order."""
        return tuple(name for name in self.modelled if name not in self.added)


def names(root: Path = ROOT) -> tuple[str, ...]:
    """The tables in order of dependency: each after those that it refers to."""
    return tuple(_read(*_files(root))[0])


def tables(root: Path = ROOT) -> dict[str, Table]:
    """Table -> what the project reads of it, in the order of their names."""
    return dict(sorted(_read(*_files(root))[0].items()))


def topic_prefix(root: Path = ROOT) -> str:
    """First part of the topics' names: Debezium's topic.prefix, dbt's variable topic_prefix."""
    return _read(*_files(root))[1]


def topic(table: str, prefix: str | None = None) -> str:
    """The Kafka topic of a table of the source, or of TRANSACTION."""
    schema = "" if table == TRANSACTION else "public."
    return f"{topic_prefix() if prefix is None else prefix}.{schema}{table}"


def landed() -> tuple[str, ...]:
    """The tables of the schema `staging` that events land in, that of the transactions last."""
    return (*names(), TRANSACTION)


def topics(prefix: str | None = None) -> list[str]:
    """The topics that land, in the order of `landed`."""
    return [topic(table, prefix) for table in landed()]


def _files(root: Path) -> Iterator[tuple[Path, int]]:
    for name in (SOURCES, PROJECT):
        yield root / name, (root / name).stat().st_mtime_ns


@functools.lru_cache(maxsize=2)
def _read(sources: tuple[Path, int], project: tuple[Path, int]) -> tuple[dict[str, Table], str]:
    """(table -> what is read of it, the topics' prefix). Once for each state of the files:
    services ask for days.
    """
    variables = _yaml(project[0])["vars"]
    dropped = variables.get("dropped_columns") or []
    found = {}
    for source in _yaml(sources[0])["sources"]:
        for table in source["tables"]:
            meta = table.get("config", {}).get("meta")
            # Those without are the ingester's own.
            if meta is not None:
                name = table["name"]
                found[name] = Table(
                    name,
                    tuple(meta["primary_key"]),
                    meta["columns"],
                    tuple(meta.get("nullable") or ()),
                    tuple(meta.get("personal") or ()),
                    meta.get("person"),
                    tuple(meta.get("not_personal") or ()),
                    frozenset(each for each in meta["columns"] if f"{name}.{each}" in dropped),
                    meta.get("added_columns") or {},
                )
    return found, variables["topic_prefix"]


def _yaml(file: Path) -> dict[str, Any]:
    """Raises CatalogueError."""
    try:
        with file.open(encoding="utf-8") as stream:
            return yaml.safe_load(stream)
    except yaml.YAMLError as error:
        raise CatalogueError(
            f"{file} is no YAML, so nobody knows the source's tables: {error}"
        ) from None
