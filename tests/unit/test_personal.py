"""What is marked personal at the source, and what lint says of models that would show it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import catalogue
from infra.dbt.manifest import Manifest
from infra.postgres import roles
from infra.testing import personal

TABLES = catalogue.tables()
PLAIN = "select x as passenger_name from y"
COVERED = "select {{ shown_to_readers_of('apart', 'y.x', 'y.p') }} as passenger_name from y"


def mart(
    name: str = "mart",
    columns: tuple[str, ...] = ("passenger_name",),
    schema: str = "presentation",
    readers: tuple[str, ...] = (roles.ANALYST,),
    raw_code: str = PLAIN,
) -> dict[str, Any]:
    return {
        "name": name,
        "package_name": "airline",
        "resource_type": "model",
        "original_file_path": f"models/marts/{name}.sql",
        "schema": schema,
        "columns": {column: {} for column in columns},
        "config": {"meta": {"readers": list(readers)} if readers else {}},
        "raw_code": raw_code,
    }


def said(*marts: dict[str, Any], tables=TABLES, **datasets: list[str]) -> list[str]:
    manifest = Manifest({"nodes": {each["name"]: each for each in marts}, "exposures": {}})
    return personal.problems(manifest, tables, datasets)


def with_column(name: str, **marks: tuple[str, ...] | str) -> dict[str, catalogue.Table]:
    table = TABLES["bookings"]
    changed = replace(table, modelled={**table.modelled, name: "text"}, **marks)
    return {**TABLES, "bookings": changed}


def test_the_projects_own_tables_are_marked():
    """Passengers' columns are marked, and of the others none looks like one."""
    assert said() == []
    assert set(TABLES["tickets"].personal) == {"passenger_id", "passenger_name", "contact_data"}


@pytest.mark.parametrize(
    "column",
    ["phone", "contact_email", "passport_no", "birth_date", "customer_id", "last_name", "inn",
     "passenger_name", "home_address", "holder_name", "gender"],
)  # fmt: skip
def test_what_looks_personal_and_is_not_marked_is_named(column):
    """A new column of the source is in every mart before anybody thinks of it."""
    [line] = said(tables=with_column(column))
    assert f"bookings.{column} looks personal" in line
    assert said(tables=with_column(column, personal=(column,), person=column)) == []
    assert said(tables=with_column(column, not_personal=(column,))) == []


@pytest.mark.parametrize(
    "column",
    ["airport_name", "passenger_group", "unique_passengers", "book_ref", "ticket_no", "city",
     "scheduled_departure", "aircraft_code", "seat_no", "innings", "passengers_departed"],
)  # fmt: skip
def test_what_is_about_no_person_needs_no_mark(column):
    """People mark what they like to make lint quiet."""
    assert said(tables=with_column(column)) == []


def test_a_mark_that_landing_cannot_follow_is_named():
    """A marked column lands in the clear, for nobody can say whose it is."""
    [line] = said(tables=with_column("phone", personal=("phone",)))
    assert "bookings names in `personal` whose values they are not" in line


def test_a_marked_column_without_cover_is_named():
    """An analyst reads names in the mart."""
    [line] = said(mart())
    assert line.startswith("models/marts/mart.sql: passenger_name is personal, and")
    # What looks so is personal in a mart too, whatever it is made of.
    assert len(said(mart(columns=("customer_phone", "passenger_id", "revenue")))) == 2


@pytest.mark.parametrize(
    "model",
    [
        mart(raw_code=COVERED),
        mart(readers=()),
        mart(schema="presentation_pii", readers=roles.SEE_NAMES),
        mart(columns=("passenger_group", "revenue")),
    ],
    ids=["pseudonym", "nobody reads it", "apart", "nothing personal"],
)
def test_what_is_covered_is_well(model):
    """Lint would refuse marts that show nobody."""
    assert said(model) == []


def test_a_cover_of_another_column_does_not_count():
    """One covered column would hide the others."""
    covered_id = COVERED.replace("as passenger_name", "as passenger_id, passenger_name")
    assert len(said(mart(columns=("passenger_id", "passenger_name"), raw_code=covered_id))) == 1


def test_who_may_not_see_names_reads_no_schema_of_names():
    """A role is added to a mart of names, and nobody has decided that it sees them."""
    [line] = said(mart(schema="presentation_pii", readers=(roles.BI, roles.OPS)))
    assert roles.OPS in line and "SEE_NAMES" in line and roles.BI not in line


def test_a_reader_that_is_no_role_is_named():
    """A mistyped role reads nothing, and nobody says so."""
    [line] = said(mart(columns=("revenue",), readers=("airline_annalist",)))
    assert "airline_annalist" in line


def test_a_role_of_superset_that_the_database_refuses_is_named():
    """A dashboard is open to a role, and its chart ends in 'permission denied'."""
    model = mart(columns=("revenue",), readers=(roles.ANALYST,))
    [line] = said(model, airline_ops=["mart"])
    assert "airline_ops has the dataset mart" in line
    assert said(model, airline_analyst=["mart"]) == []
