"""The dashboards' files hold together, and the check that says so finds what does not."""

from __future__ import annotations

import copy
import dataclasses
import shutil
from pathlib import Path

import pytest

from infra.settings import ROOT, Settings
from infra.superset import assets, basemap, canonical, chain, exposures


@pytest.fixture
def bundle() -> canonical.Bundle:
    return copy.deepcopy(assets.read())


@pytest.fixture
def models() -> dict[str, chain.Model]:
    return chain.models(ROOT)


def found(bundle, models) -> list[str]:
    links = chain.Chain(bundle, models)
    return [*links.uuids(), *links.datasets(), *links.charts(), *links.dashboards()]


def renamed(models, model: str, column: str) -> dict[str, chain.Model]:
    old = models[model]
    new = dataclasses.replace(old, columns=old.columns - {column} | {f"{column}_new"})
    return {**models, model: new}


def test_the_files_hold_together():
    """A dashboard would open with an error in place of a chart, or without the chart."""
    assert chain.problems(assets.read(), ROOT) == []


def test_exposures_say_what_the_dashboards_read():
    """dbt would call a mart unused that a dashboard reads, or the other way round."""
    assert exposures.problem() == ""


def test_the_files_are_as_an_export_writes_them():
    """The first export after a small change in the UI would rewrite every file."""
    assert assets.untidy() == []


def test_a_file_that_was_written_by_hand_is_put_in_order(tmp_path):
    """Whoever writes a chart by hand has to find out by himself how an export writes it."""
    folder = shutil.copytree(assets.FOLDER, tmp_path / "assets")
    file = folder / "charts/flyers.yaml"
    kept, before = file.read_text(), assets.read(folder)
    file.write_text(f"{kept}cache_timeout: null\n")
    assert assets.untidy(folder, mend=True) == ["charts/flyers.yaml"]
    assert file.read_text() == kept and assets.read(folder) == before
    assert assets.untidy(folder) == []


def test_a_renamed_mart_column_names_the_chart(bundle, models):
    """Who renames a column would not hear of the chart it breaks before people do."""
    lines = found(bundle, renamed(models, "v_passenger_metrics_30d", "revenue"))
    assert any("revenue" in line and "«Динамика выручки по дням»" in line for line in lines)
    lines = found(bundle, renamed(models, "airport_flights", "linked_latitude"))
    assert any("linked_latitude" in line and "«Карта аэропортов" in line for line in lines)
    lines = found(bundle, renamed(models, "frequent_flyers", "customer_group"))
    assert any(
        "customer_group" in line and "«Выручка по группам клиентов" in line for line in lines
    )


def test_every_column_of_every_dataset_is_watched(bundle, models):
    """Some column could be renamed without a word."""
    for dataset in assets.of_kind(bundle, "datasets").values():
        for column in models[dataset["table_name"]].columns & {
            each["column_name"] for each in dataset["columns"]
        }:
            lines = found(bundle, renamed(models, dataset["table_name"], column))
            assert any(column in line for line in lines), (dataset["table_name"], column)


def test_a_mart_that_is_gone_names_its_charts(bundle, models):
    """Every chart on it would fail, and nobody would have said so."""
    models = {name: model for name, model in models.items() if name != "airport_flights"}
    lines = found(bundle, models)
    assert any("«Распределение доли рейсов между аэропортами»" in line for line in lines)


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("charts/flyers.yaml", {"uuid": "not-a-uuid"}, "not a uuid"),
        ("charts/flyers.yaml", {"uuid": "00000000-0000-4000-8000-000000000000"}, "no file has"),
        (
            "charts/flyers.yaml",
            {"dataset_uuid": "00000000-0000-4000-8000-000000000000"},
            "«Клиенты",
        ),
        ("datasets/frequent_flyers.yaml", {"sql": "select 1"}, "make it a dbt model"),
        ("datasets/frequent_flyers.yaml", {"schema": "dwh_marts"}, "says schema dwh_marts"),
        ("datasets/frequent_flyers.yaml", {"table_name": "sat_passenger_details"}, "no dbt model"),
    ],
)
def test_a_broken_link_is_told(bundle, models, file, change, says):
    """Superset would drop the chart in silence."""
    bundle[file].update(change)
    assert any(says in line for line in found(bundle, models))


def test_a_chart_in_no_row_is_told(bundle, models):
    """The file places it, and the dashboard does not show it."""
    board = bundle["dashboards/passengers.yaml"]
    uuid = next(canonical.charts_of(board))
    [place] = [
        name
        for name, each in board["position"].items()
        if isinstance(each, dict) and each.get("meta", {}).get("uuid") == uuid
    ]
    for each in board["position"].values():
        if isinstance(each, dict) and place in each.get("children", []):
            each["children"].remove(place)
    assert f"chart {uuid} in its position, and in no row" in "\n".join(found(bundle, models))


def test_a_dashboard_that_a_role_reads_in_part_is_told(bundle, tmp_path):
    """One of its charts shows an error to whoever has the role."""
    (tmp_path / assets.ROLES).write_text(
        (assets.FOLDER / assets.ROLES).read_text().replace("airport_flights, ", "")
    )
    lines = chain.problems(bundle, ROOT, tmp_path)
    assert lines and all("airline_ops sees dashboard" in line for line in lines)
    assert any("may not read airport_flights" in line for line in lines)


def test_a_chart_that_asks_for_what_its_dataset_has_not_is_named(bundle, models):
    """The chart would show an error."""
    bundle["charts/flyers.yaml"]["params"]["metric"] = "no_such_metric"
    bundle["charts/home_airports.yaml"]["params"]["x_axis"] = "no_such_column"
    lines = found(bundle, models)
    assert any("«Клиенты, которые летали»" in line and "no_such_metric" in line for line in lines)
    assert any("no_such_column" in line for line in lines)


def test_a_filter_on_a_column_that_is_gone_is_named(bundle, models):
    """The filter would have no values to choose from."""
    board = bundle["dashboards/passengers.yaml"]
    [group] = [
        each
        for each in board["metadata"]["native_filter_configuration"]
        if each["filterType"] == "filter_select"
    ]
    group["targets"][0]["column"]["name"] = "no_such_column"
    assert any("filter «Группа по частоте полетов»" in line for line in found(bundle, models))


def test_a_cross_filter_that_names_a_chart_of_elsewhere_is_told(bundle, models):
    """Superset would drop it in silence, and the click would filter what it should leave alone."""
    board = bundle["dashboards/passengers.yaml"]
    elsewhere = canonical.chart_number(bundle["charts/flyers.yaml"]["uuid"])
    board["metadata"]["global_chart_configuration"]["scope"]["excluded"].append(elsewhere)
    assert any(f"cross-filters name chart {elsewhere}" in line for line in found(bundle, models))


@pytest.mark.parametrize(
    ("expression", "columns"),
    [
        ("SUM(revenue)", {"revenue"}),
        ("SUM(a) / NULLIF(COUNT(*), 0)", {"a"}),
        ("city || ' (' || airport_code || ')'", {"city", "airport_code"}),
        ("CASE g WHEN '50+' THEN 'x' ELSE 'top ' || g END", {"g"}),
        ('MAX("Odd name")', {"Odd name"}),
    ],
)
def test_columns_are_found_in_expressions(expression, columns):
    """A column would be missed, or a word of SQL taken for one."""
    assert chain.identifiers(expression) == columns


def test_the_connection_goes_to_this_stack_with_the_reading_role():
    """Dashboards would show another stack, or read as somebody who may write."""
    settings = Settings.from_environment({"AIRLINE_DWH_PORT": "7777"})
    [text] = [
        text
        for name, text in assets.for_import(assets.read(), settings).items()
        if name.startswith("databases/")
    ]
    assert f"airline_bi:{assets.MASK}@127.0.0.1:7777/" in text


def test_operations_may_not_read_passengers(bundle):
    """The role for airports would see names or revenue."""
    role = assets.read_roles()["airline_ops"]
    assert role.schemas == []
    assert all("passenger" not in each and "flyers" not in each for each in role.datasets)
    assert not any(view == "SQLLab" for _, view in role.permissions)


def test_the_filters_of_airports_reach_every_chart(bundle):
    """The map shows 30 days where a week was chosen, or every airport where one was."""
    freshness = canonical.chart_number(bundle["charts/airport_data_freshness.yaml"]["uuid"])
    filters = bundle["dashboards/airports.yaml"]["metadata"]["native_filter_configuration"]
    assert {each["name"]: each["scope"]["excluded"] for each in filters} == {
        "Период": [freshness],
        "Аэропорт": [freshness],
    }


def test_an_export_touches_only_what_changed(tmp_path: Path):
    """A person could not see in the diff what he changed in the UI."""
    settings = Settings.from_environment({})
    exported = assets.for_import(assets.read(), settings)
    exported["charts/New_7.yaml"] = exported["charts/flyers.yaml"].replace(
        assets.read()["charts/flyers.yaml"]["uuid"], "11111111-1111-4111-8111-111111111111"
    )
    exported["databases/other.yaml"] = exported["databases/airline_dwh.yaml"].replace(
        assets.read()["databases/airline_dwh.yaml"]["uuid"], "22222222-2222-4222-8222-222222222222"
    )
    for name in assets.read():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((assets.FOLDER / name).read_text())
    del exported["charts/flyers_revenue.yaml"]
    assert assets.write_export(exported, tmp_path, settings) == [
        "charts/flyers_revenue.yaml (removed)",
        "charts/new_11111111.yaml",
    ]


def test_land_is_drawn_where_it_is():
    """Airports would lie in the sea."""
    image = pytest.importorskip("PIL.Image")
    import io

    def at(longitude: float, latitude: float) -> tuple[int, int, int]:
        x, y = basemap.project(longitude, latitude)
        tile = image.open(io.BytesIO(basemap.tile(0, 0, 0))).convert("RGB")
        return tile.getpixel((int(x * basemap.SIZE), int(y * basemap.SIZE)))

    def near(colour: tuple, other: tuple) -> bool:
        return max(abs(a - b) for a, b in zip(colour, other, strict=True)) < 6

    assert near(at(100, 62), basemap.LAND)
    assert near(at(-60, -5), basemap.LAND)
    assert near(at(-35, 30), basemap.WATER)
    # The date line, where a country's outline goes around the world if drawn carelessly.
    assert near(at(-160, -15), basemap.WATER)
    assert near(at(160, 30), basemap.WATER)
