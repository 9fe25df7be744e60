"""Writes what the source's new columns mean for models, contracts and descriptions.

A table's new columns get a satellite of their own, beside those it has: what is in them stays, and
a row that did not change gets no version. Text is put in at places that every model of the project
has; where one is missing, nothing is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import catalogue
from infra.errors import AirlineError
from infra.evolve import project, types
from infra.evolve.catalogue import Column

# Pages of docs blocks, one for each table of the source.
DESCRIPTIONS = "models/descriptions"
ADDED = "-- added at the source"
DROPPED = r"^  dropped_columns: \[(.*)\]$"
BY_HAND = "evolve follows the project's conventions; model the column by hand. Nothing was written"


class Edit:
    """The files to be, by path below the project's root; nothing is written before `write`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, str] = {}
        self._before: dict[str, str | None] = {}

    def text(self, path: str) -> str:
        return self.files.get(path) or (self.root / path).read_text()

    def add_block(self, path: str, name: str, text: str) -> str:
        """Adds a docs block to a page, made if need be; one of the name stays as it is. Returns
        what refers to it in a YAML.
        """
        page = self.files.get(path) or ""
        if not page and (self.root / path).exists():
            page = self.text(path)
        if f"{{% docs {name} %}}" not in page:
            # dbt looks for its tags in the text as well.
            text = re.sub(r"\{(?=[{%#])", "{ ", text)
            block = f"{{% docs {name} %}}\n{text}\n{{% enddocs %}}\n"
            self.files[path] = f"{page}\n{block}" if page else block
        return _doc(name)

    def change(self, path: str, pattern: str, put: str | Callable[[re.Match[str]], str]) -> None:
        """Replaces the first match. Raises AirlineError where the file has none."""
        text, count = re.subn(
            pattern,
            put if callable(put) else lambda _: put,
            self.text(path),
            count=1,
            flags=re.MULTILINE,
        )
        if not count:
            raise AirlineError(
                f"{path} has no place for a new column ({pattern!r} is not in it)", BY_HAND
            )
        self.files[path] = text

    def write(self) -> list[str]:
        """Writes the files; returns their paths."""
        for path, text in self.files.items():
            file = self.root / path
            self._before[path] = file.read_text() if file.exists() else None
            file.write_text(text)
        return sorted(self.files)

    def undo(self) -> None:
        """Puts the files back as they were before `write`."""
        for path, text in self._before.items():
            if text is None:
                (self.root / path).unlink(missing_ok=True)
            else:
                (self.root / path).write_text(text)


def add_columns(edit: Edit, table: str, columns: Sequence[Column]) -> str:
    """Models the new columns of a table; returns the name of their satellite."""
    entity, hash_key = project.entity(edit.root, table)
    satellite, number = _next_satellite(edit.root, entity)
    kinds = {column.name: types.kept_as(column) or "" for column in columns}
    names = list(kinds)
    image, hash_diff = f"{entity}_details_{number}_image", f"{entity}_details_{number}_hash_diff"
    shown = ", ".join(f"'{name}'" for name in names)
    page = f"{DESCRIPTIONS}/{table}.md"
    descriptions = {
        column.name: edit.add_block(page, f"{table}_{column.name}", describe(table, column))
        for column in columns
    }

    _sources(edit, table, kinds, satellite)

    stg = f"models/staging/stg_{table}.sql"
    casts = "".join(
        f"        {types.cast(name, kind)} as {name},\n" for name, kind in kinds.items()
    )
    edit.change(
        stg,
        r"^        -- what a hash difference is made of\n",
        lambda found: f"        {ADDED}\n{casts}\n{found[0]}",
    )
    edit.change(
        stg,
        r"^\n        -- change\n",
        lambda found: f"        {{{{ added_image([{shown}]) }}}} as {image},\n{found[0]}",
    )
    edit.change(
        f"models/vault_stage/vst_{table}.sql",
        rf"^    {entity}_status_hash_diff:",
        lambda found: f"    {hash_diff}: {{is_hashdiff: true, columns: {image}}}\n{found[0]}",
    )
    about = [
        *descriptions.items(),
        (
            image,
            edit.add_block(
                page,
                image,
                f"The attributes of {satellite} exactly as the source sent them, as a JSON array:"
                " what its hash difference is made of. Null for an event from before the source had"
                " them.",
            ),
        ),
    ]
    for layer in ("staging/stg", "vault_stage/vst"):
        edit.change(
            f"models/{layer}_{table}.yml",
            r"^      - name: kafka_partition\n",
            lambda found: _described(about) + found[0],
        )
    edit.change(
        f"models/vault_stage/vst_{table}.yml",
        rf"^      - name: {entity}_status_hash_diff\n",
        lambda found: _described([(hash_diff, f"Hash of {image}.")]) + found[0],
    )
    _satellite(edit, table, satellite, hash_key, hash_diff, descriptions)
    _current(edit, table, satellite, hash_key, f"details_{number}", descriptions)
    return satellite


def widen(edit: Edit, table: str, name: str, kind: str) -> None:
    """Gives a modelled column the wider type `kind`, 'numeric' or 'bigint'."""
    edit.change(
        catalogue.SOURCES,
        rf"(      - name: {table}\n(?:(?!      - name: ).*\n)*?              {name}: ).*$",
        lambda found: found[1] + kind,
    )
    # The second is how models were written before event_value.
    cast = (
        rf"\{{\{{ event_(?:number|value)\('{name}', '[^']*'\) \}}\}}"
        rf"|\(row_image ->> '{name}'\)::\w+"
    )
    edit.change(f"models/staging/stg_{table}.sql", cast, types.cast(name, kind))


def name_dropped(edit: Edit, names: Sequence[str]) -> None:
    """Adds "table.column" to the variable dropped_columns."""

    def named(found: re.Match[str]) -> str:
        known = [each.strip() for each in found[1].split(",") if each.strip()]
        return f"  dropped_columns: [{', '.join([*known, *names])}]"

    edit.change(catalogue.PROJECT, DROPPED, named)


def name_returned(edit: Edit, table: str, names: Sequence[str]) -> None:
    """Takes columns that are back out of dropped_columns; events from in between may lack them."""
    gone = {f"{table}.{name}" for name in names}

    def named(found: re.Match[str]) -> str:
        known = [each.strip() for each in found[1].split(",") if each.strip()]
        return f"  dropped_columns: [{', '.join(each for each in known if each not in gone)}]"

    edit.change(catalogue.PROJECT, DROPPED, named)
    _put(
        edit, table, "returned_columns", "".join(f"              {name}: true\n" for name in names)
    )


def describe(table: str, column: Column) -> str:
    """A sentence on the column, from the source's own comment where it has one."""
    about = (
        column.comment.strip().rstrip(".") or f"Column `{column.name}` of `{table}` at the source"
    )
    if column.is_enum:
        about += f" ({column.type})"
    return (
        f"{' '.join(about.split())}. Null for a row that was not written since the source has it."
    )


def _next_satellite(root: Path, entity: str) -> tuple[str, int]:
    number = 2
    while (root / project.SATELLITES / "details" / f"sat_{entity}_details_{number}.sql").exists():
        number += 1
    return f"sat_{entity}_details_{number}", number


def _doc(name: str) -> str:
    """What stands in a YAML for the text of a docs block."""
    return f"{{{{ doc('{name}') }}}}"


def _described(columns: Sequence[tuple[str, str]]) -> str:
    return "".join(
        f"      - name: {name}\n        description: {json.dumps(text, ensure_ascii=False)}\n"
        for name, text in columns
    )


def _sources(edit: Edit, table: str, kinds: Mapping[str, str], satellite: str) -> None:
    listed = "".join(f"              {name}: {kind}\n" for name, kind in kinds.items())
    mapped = "".join(f"              {name}: {satellite}\n" for name in kinds)
    long = "".join(
        f"              {name}: {satellite}\n" for name, kind in kinds.items() if kind in types.LONG
    )

    _put(edit, table, "columns", listed)
    if long:
        _put(edit, table, "long_columns", long)
    _put(edit, table, "added_columns", mapped)


def _put(edit: Edit, table: str, key: str, lines: str) -> None:
    """Adds lines to a mapping of the table's `meta`, which is made after `columns` if need be."""
    block = rf"(      - name: {table}\n(?:(?!      - name: ).*\n)*?)"
    inside = rf"{block}(            {key}:\n(?:              .*\n)+)"
    if found := re.search(inside, edit.text(catalogue.SOURCES), flags=re.MULTILINE):
        new = "".join(each for each in lines.splitlines(True) if each not in found[2])
        edit.change(catalogue.SOURCES, inside, lambda found: found[1] + found[2] + new)
    else:
        edit.change(
            catalogue.SOURCES,
            rf"{block}(            columns:\n(?:              .*\n)+)",
            lambda found: f"{found[1]}{found[2]}            {key}:\n{lines}",
        )


def _satellite(
    edit: Edit,
    table: str,
    satellite: str,
    hash_key: str,
    hash_diff: str,
    descriptions: Mapping[str, str],
) -> None:
    payload = ", ".join(f"'{name}'" for name in descriptions)
    path = f"{project.SATELLITES}/details/{satellite}"
    edit.files[f"{path}.sql"] = f"""\
{{{{ config(indexes=[{{'columns': ['{hash_key}', 'load_date'], 'unique': true}}]) }}}}

{{{{ automate_dv.sat(
    src_pk='{hash_key}',
    src_hashdiff={{'source_column': '{hash_diff}', 'alias': 'hash_diff'}},
    src_payload=[{payload}],
    src_extra_columns='source_system_id',
    src_ldts='load_date',
    src_source='record_source',
    source_model='vst_{table}'
) }}}}
"""
    of_key = edit.add_block(
        f"{DESCRIPTIONS}/loading.md",
        "added_version_hash_key",
        "Hash key, as in the table's other satellites. With load_date unique.",
    )
    columns = [
        (hash_key, of_key),
        ("hash_diff", _doc("details_hash_diff")),
        *descriptions.items(),
        ("source_system_id", _doc("source_system_id")),
        ("load_date", _doc("version_load_date")),
        ("record_source", _doc("version_record_source")),
    ]
    edit.files[f"{path}.yml"] = f"""\
version: 2

models:
  - name: {satellite}
    description: >
      One row per version of what `{table}` got later ({", ".join(descriptions)}): columns that the
      source did not have when the vault was made. A row that has not been written since has none.
    columns:
{_described(columns)}"""


def _current(
    edit: Edit,
    table: str,
    satellite: str,
    hash_key: str,
    alias: str,
    descriptions: Mapping[str, str],
) -> None:
    path = f"models/business_vault/current_{table}.sql"
    text = edit.text(path)
    keeper = re.search(rf"(\w+)\.{hash_key} = status\.{hash_key}", text) or re.search(
        r"^from \{\{ ref\('kept_\w+'\) \}\} as (\w+)", text, flags=re.MULTILINE
    )
    if keeper is None:
        raise AirlineError(f"{path} names no hash key to join {satellite} by", BY_HAND)
    edit.change(
        path,
        r"^    (?:greatest\((?P<dates>.*)\) as load_date|(?P<only>\w+\.load_date))(?P<comma>,?)$",
        lambda found: (
            f"    greatest({found['dates'] or found['only']}, {alias}.load_date) as load_date"
            f"{found['comma']}"
        ),
    )
    # Last, so that PostgreSQL replaces the view in place and what is built on it stays.
    listed = ",\n".join(f"    {alias}.{name}" for name in descriptions)
    edit.change(
        path,
        r"^(    .*[^,\n])\nfrom ",
        lambda found: (
            f"{found[1]},\n"
            + ("" if ADDED in text else f"    {ADDED}, so last: the view is replaced in place\n")
            + f"{listed}\nfrom "
        ),
    )
    edit.files[path] = edit.files[path].rstrip("\n") + (
        f"\nleft join {{{{ newest('{satellite}', '{hash_key}') }}}} as {alias}"
        f" on {keeper[1]}.{hash_key} = {alias}.{hash_key}\n"
    )
    edit.change(
        f"models/business_vault/current_{table}.yml",
        r"^      - name: load_date\n",
        lambda found: _described(list(descriptions.items())) + found[0],
    )
