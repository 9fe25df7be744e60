"""Broken promises of published models, and the diagrams, from made-up manifests."""

from __future__ import annotations

from infra.dbt import contracts, schema
from infra.dbt.manifest import Manifest


def model(name: str, columns: dict[str, str], path: str = "models/marts/x", **more) -> dict:
    return {
        "unique_id": f"model.airline.{name}",
        "name": name,
        "package_name": "airline",
        "resource_type": "model",
        "original_file_path": f"{path}/{name}.sql",
        "schema": "dwh_marts",
        "access": "public",
        "columns": {
            column: {"name": column, "data_type": kind} for column, kind in columns.items()
        },
    } | more


def manifest(*models: dict, reads: dict[str, list[str]] | None = None) -> Manifest:
    """`reads`: dashboard -> names of the models it reads."""
    children: dict[str, list[str]] = {}
    for dashboard, read in (reads or {}).items():
        for name in read:
            children.setdefault(f"model.airline.{name}", []).append(f"exposure.airline.{dashboard}")
    return Manifest(
        {
            "nodes": {each["unique_id"]: each for each in models},
            "exposures": {
                f"exposure.airline.{name}": {"name": name, "label": name.title()}
                for name in reads or {}
            },
            "child_map": children,
        }
    )


OLD = contracts.contracts(manifest(model("flights", {"day": "date", "seats": "bigint"})))


def breaking(*models: dict, reads: dict[str, list[str]] | None = None) -> list[str]:
    now = manifest(*models, reads=reads)
    return contracts.breaking(OLD, contracts.contracts(now), now)


def test_a_column_that_is_gone_names_the_dashboards_that_read_it():
    """A dashboard would break and nobody know which."""
    reads = {"airports": ["flights"], "passengers": ["other"], "load": ["flights"]}
    found = breaking(model("flights", {"day": "date"}), model("other", {}), reads=reads)
    assert found == ["dwh_marts.flights.seats (bigint) is gone; breaks: Airports, Load"]


def test_another_type_or_schema_is_a_break():
    """A chart would sum text, or ask for a table that is not there."""
    [kind] = breaking(model("flights", {"day": "date", "seats": "text"}))
    assert kind == "dwh_marts.flights.seats was bigint and is text; no dashboard reads it"
    [moved] = breaking(model("flights", {"day": "date", "seats": "bigint"}, schema="presentation"))
    assert moved.startswith("dwh_marts.flights moved to schema presentation")


def test_a_model_that_is_gone_or_private_is_a_break():
    """Whoever reads it would lose it without a word."""
    assert breaking()[0].startswith("dwh_marts.flights is gone")
    assert breaking(model("flights", {"day": "date", "seats": "bigint"}, access="private"))


def test_what_is_new_breaks_nothing():
    """Every new column would have to be accepted like a broken promise."""
    assert breaking(model("flights", {"day": "date", "seats": "bigint", "km": "numeric"})) == []


def test_a_dashboard_that_reads_another_model_of_it_is_hit_too():
    """Only the nearest readers would be named."""
    now = manifest(
        model("flights", {"day": "date"}), model("shares", {}), reads={"all": ["shares"]}
    )
    now._content["child_map"]["model.airline.flights"] = ["model.airline.shares"]
    assert now.dashboards("model.airline.flights") == ["All"]


def test_a_hash_key_with_a_role_refers_to_its_hub():
    """The ER diagram would lack the relation of a flight to its two airports."""
    hubs = "models/raw_vault/hubs"
    airports = model("hub_airports", {"airport_hash_key": "", "airport_code": ""}, hubs)
    ports = model("hub_ports", {"port_hash_key": ""}, hubs)
    leg = model(
        "link_leg",
        {"leg_hash_key": "", "departure_airport_hash_key": "", "arrival_airport_hash_key": ""},
        "models/raw_vault/links",
    )
    details = model(
        "sat_airport_details",
        {"airport_hash_key": "", "load_date": ""},
        "models/raw_vault/satellites/details",
    )
    found = schema.vault(manifest(airports, ports, leg, details))
    assert {(one.child, one.column, one.parent) for one in found.relations} == {
        ("link_leg", "departure_airport_hash_key", "hub_airports"),
        ("link_leg", "arrival_airport_hash_key", "hub_airports"),
        ("sat_airport_details", "airport_hash_key", "hub_airports"),
    }
    assert "hub_airports ||--o{ link_leg" in found.mermaid()
