"""The source's tables and columns as the project has them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import catalogue
from infra.settings import ROOT
from infra.source.database import columns
from infra.stack.failures import explained

STAGED = ROOT / "models/vault_stage"
SCHEMA = (ROOT / "infra/source/schema.sql").read_text()
# What may hold a list of tables, by the ends of names.
CODE = (".py", ".sql", ".json", ".yml", ".yaml", ".toml", ".properties")


def of_schema(table: str) -> dict[str, bool]:
    """Column -> whether it may be null, as schema.sql makes the table."""
    made = re.search(rf"^CREATE TABLE IF NOT EXISTS {table} \(\n(.*?)^\);", SCHEMA, re.M | re.S)
    assert made is not None
    key = re.search(r"^    PRIMARY KEY \((.*)\)", made[1], re.MULTILINE)
    keys = key[1].split(", ") if key else []
    return {
        name: not (name in keys or "NOT NULL" in rest or "PRIMARY KEY" in rest)
        for name, rest in re.findall(r"^    ([a-z_]+) +(\w.*)$", made[1], re.MULTILINE)
    }


def copied(folder: Path) -> Path:
    """A project in `folder` that has what the catalogue reads, and no more."""
    for name in (catalogue.SOURCES, catalogue.PROJECT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def test_every_table_is_declared_with_its_columns_and_key():
    """A table that is landed is compared and checked by nobody; or its CSV file is read into the
    wrong columns.
    """
    tables = catalogue.tables()
    made = re.findall(r"^CREATE TABLE IF NOT EXISTS (\w+)", SCHEMA, re.MULTILINE)
    assert list(catalogue.names()) == made, (
        f"{catalogue.SOURCES} and infra/source/schema.sql differ in their tables or their order"
    )
    for name, table in tables.items():
        at_source = of_schema(name)
        assert columns()[name] == tuple(at_source), name
        assert table.nullable == tuple(each for each in at_source if at_source[each]), name
        assert set(table.columns) >= set(at_source), name
        assert set(table.key) <= set(table.columns), name
        assert set(table.personal) <= set(table.columns), name


def test_a_hub_is_filled_by_all_that_have_its_key():
    """Rows that refer to what no other table has vanish from `current_*`, and no load fails."""
    models = {file.stem: file.read_text() for file in (ROOT / "models").rglob("*.sql")}

    def read_by(model: str) -> set[str]:
        """The staging models that it is made from."""
        names = set(re.findall(r"\b(?:stg|vst)_\w+", models[model])) & models.keys() - {model}
        return names.union(*map(read_by, names))

    checked = 0
    for file in STAGED.glob("vst_*.yml"):
        [model] = yaml.safe_load(file.read_text())["models"]
        [staged] = read_by(model["name"]) & {model["name"].replace("vst_", "stg_")}
        tests = [each for column in model["columns"] for each in column.get("data_tests", ())]
        for test in tests:
            hub = re.fullmatch(r"ref\('(\w+)'\)", test["relationships"]["arguments"]["to"])[1]
            assert staged in read_by(hub), f"{hub} does not read {model['name']}"
            checked += 1
    assert checked > 15


def test_nobody_lists_the_tables_a_second_time():
    """A ninth table is in the catalogue, and is not landed, published or compared by whoever has a
    list of its own.
    """
    folders = ("infra", "ingest", "macros", "airflow", "catalogue")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = set(catalogue.names())
    found = []
    for file in listed.split():
        # The source makes these tables and writes into them: it knows each for what it is.
        if file.startswith("infra/source/") or not file.endswith(CODE):
            continue
        if (ROOT / file).exists():
            words = re.findall(r"\w+", (ROOT / file).read_text(encoding="utf-8"))
            if len(names.intersection(words)) > len(names) // 2:
                found.append(file)
    assert found == [], "take them from the module catalogue, or from load_batch_tables() in dbt"


def test_the_topics_prefix_is_spelled_once():
    """With another prefix in dbt_project.yml somebody goes on with the old one."""
    prefix = catalogue.topic_prefix()
    assert catalogue.topic("seats") == f"{prefix}.public.seats"
    assert catalogue.topic("transaction") == f"{prefix}.transaction"
    places = ("infra", "ingest", "macros", "models", "snapshots", "airflow", ".sqlfluff")
    said = subprocess.run(
        ["git", "grep", "-nE", rf"{prefix}\\*\.(public|transaction)|'{prefix}\.'", "--", *places],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout
    # An example in a message of the ingester's.
    assert [line for line in said.splitlines() if ", as in airline" not in line] == []
    assert f",{prefix}.public\n" in (ROOT / "seeds/source_systems.csv").read_text()


def test_a_catalogue_that_is_no_yaml_names_file_and_line(tmp_path, capsys):
    """Whoever mistyped it does not learn where, or reads a traceback of each command."""
    (copied(tmp_path) / catalogue.SOURCES).write_text("sources:\n  - name: [\n")
    with pytest.raises(
        catalogue.CatalogueError, match=rf"(?s){catalogue.SOURCES} is no YAML.*line 3"
    ):
        catalogue.tables(tmp_path)
    assert explained(lambda: len(catalogue.tables(tmp_path))) == 1
    assert "mend the file" in capsys.readouterr().err


def test_a_column_that_is_known_to_be_gone_is_not_asked_for(tmp_path):
    """A column that somebody has dropped for good is a fault for ever; or a file
    that was changed is not read again.
    """
    project = copied(tmp_path) / catalogue.PROJECT
    assert "range" in catalogue.tables(tmp_path)["aircrafts"].columns
    text = project.read_text()
    assert "  dropped_columns: []" in text
    project.write_text(
        text.replace("  dropped_columns: []", "  dropped_columns: [aircrafts.range]")
    )
    assert "range" not in catalogue.tables(tmp_path)["aircrafts"].columns
    assert "range" in catalogue.tables()["aircrafts"].columns
