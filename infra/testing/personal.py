"""Personal data is marked once, at the source's table (`personal` in _staging__sources.yml).

Here is what follows for models: what looks personal is marked or said not to be, and of what is
marked no mart shows more than pseudonyms, but for those of a schema that few roles read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import catalogue
from infra.dbt.manifest import Manifest
from infra.postgres import roles
from ingest.book import unsupported

# A schema whose marts have names; roles.SEE_NAMES alone may be their readers.
APART = "_pii"
# What names of columns with personal data have in them, in the words that schemas use.
LOOKS = re.compile(
    r"phone|e_?mail|contact|passport|document|birth|address|surname|citizen|nationality|snils"
    r"|(?:^|_)(?:first|last|middle|full|maiden|father)_?name|(?:^|_)(?:inn|iin|iban|gender|sex)(?:_|$)"
    r"|(?:passenger|person|customer|client|holder|traveller|guest)_?(?:id|no|number|name|code)(?:_|$)"
)


def problems(
    manifest: Manifest,
    tables: Mapping[str, catalogue.Table],
    datasets: Mapping[str, Collection[str]],
) -> list[str]:
    """What is wrong, a line each. `datasets`: role of Superset -> the marts that it may open."""
    found = list(_unmarked(tables))
    known = {}
    for model in manifest.nodes("model"):
        readers = known[model["name"]] = readers_of(model)
        place = model["original_file_path"]
        if unknown := sorted(set(readers) - set(roles.READERS)):
            found.append(f"{place}: meta `readers` has {', '.join(unknown)}, which are none")
        if _is_apart(model) and (others := sorted(set(readers) - set(roles.SEE_NAMES))):
            found.append(
                f"{place}: {', '.join(others)} would read names in {model['schema']}: take it from"
                " meta `readers`, or into SEE_NAMES of infra/postgres/roles.py"
            )
        if readers:
            found += [
                f"{place}: {column} is personal, and {', '.join(readers)} would read it: move the"
                f" model to a schema *{APART}, or show it by shown_to_readers_of"
                for column in model["columns"]
                if is_personal(column, tables) and not is_covered(model, column)
            ]
    for role, names in datasets.items():
        found += [
            f"infra/superset/assets/roles.yml: {role} has the dataset {name}, and the mart {name}"
            " does not name it among meta `readers`"
            for name in names
            if role not in known.get(name, ())
        ]
    return found


def _unmarked(tables: Mapping[str, catalogue.Table]) -> Iterator[str]:
    for table in tables.values():
        if table.personal and (why := unsupported(table)):
            yield f"{catalogue.SOURCES}: {table.name} {why}"
        for column in table.columns:
            if LOOKS.search(column) and column not in (*table.personal, *table.not_personal):
                yield (
                    f"{catalogue.SOURCES}: {table.name}.{column} looks personal: name it in"
                    " `personal` of the table's meta, or in `not_personal`"
                )


def readers_of(model: Mapping[str, Any]) -> list[str]:
    """The roles that read a model of the manifest."""
    return model["config"].get("meta", {}).get("readers") or []


def is_personal(column: str, tables: Mapping[str, catalogue.Table]) -> bool:
    """Whether a column of this name has what is marked at the source; names stay on the way."""
    if any(column in table.personal for table in tables.values()):
        return True
    said_not = any(column in table.not_personal for table in tables.values())
    return bool(LOOKS.search(column)) and not said_not


def is_covered(model: Mapping[str, Any], column: str) -> bool:
    """Whether those who may not see names see a pseudonym in this column, or not the model."""
    shown = rf"shown_to_readers_of\([^{{}}]*\)\s*\}}\}}\s+as\s+{re.escape(column)}\b"
    return _is_apart(model) or bool(re.search(shown, model["raw_code"]))


def _is_apart(model: Mapping[str, Any]) -> bool:
    return model["schema"].endswith(APART)
