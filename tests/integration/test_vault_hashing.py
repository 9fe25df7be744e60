"""Hashes of two kinds in one vault: no key is found again, and every row comes a second time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pytest

from infra.postgres import roles
from tests.support.events import aircraft, airport, booking, flight, segment, ticket
from tests.support.warehouse import Warehouse, messages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

# What AutomateDV takes where a project sets nothing.
DEFAULTS = {
    "hash": "MD5",
    "hash_content_casing": "UPPER",
    "concat_string": "||",
    "null_placeholder_string": "^^",
}
RECORD = "select settings, is_complete from dwh_control.hashing"


@pytest.fixture(scope="module")
def parsed() -> dict:
    """The project as dbt parsed it for the first test; it is the same for all."""
    return {}


@pytest.fixture
def warehouse(postgres_server, tmp_path_factory, parsed) -> Iterator[Warehouse]:
    made = Warehouse(postgres_server, "vault_hashing", tmp_path_factory.mktemp("dbt"))
    made.manifest = parsed.get("manifest")
    made.source.snapshot("airports", airport("AAA"), airport("BBB"))
    made.source.snapshot("aircrafts", aircraft())
    made.source.snapshot("flights", flight())
    made.source.commit(
        ("c", "bookings", booking()), ("c", "tickets", ticket()), ("c", "ticket_flights", segment())
    )
    yield made
    parsed["manifest"] = made.manifest


def with_settings(**settings: str) -> list[str]:
    """Arguments of dbt: variables at the top level, as they stand in dbt_project.yml."""
    return ["--vars", json.dumps(settings)]


def change(warehouse: Warehouse, city: str) -> None:
    """One change at the source, landed."""
    warehouse.source.commit(("u", "airports", airport("AAA", city=city)))
    warehouse.source.land()


def refused(
    warehouse: Warehouse, *arguments: str, selection: Sequence[str] = ("--selector", "loading")
) -> str:
    """What a load says that must be refused, and must leave the vault and its batches alone."""
    vault, batches = warehouse.vault(), warehouse.rows("select * from dwh_control.load_batch")
    done = warehouse.dbt("run", *selection, *arguments)
    assert not done.success
    assert warehouse.vault() == vault
    assert warehouse.rows("select * from dwh_control.load_batch") == batches
    return messages(done)


def forget(warehouse: Warehouse) -> None:
    """As if the stack had been made before the record was kept."""
    warehouse.rows("drop table dwh_control.hashing")


def test_other_settings_are_refused_by_name(warehouse):
    """A changed variable would load every row again under other keys, without a word."""
    warehouse.load()
    [(settings, is_complete)] = warehouse.rows(RECORD)
    assert is_complete and settings["concat_string"] == "\x1f" and settings["hash"] == "MD5"
    change(warehouse, "changed")
    for name, value in (DEFAULTS | {"hash": "SHA"}).items():
        said = refused(warehouse, *with_settings(**{name: value}))
        assert name in said and value in said and "--full-refresh" in said, said
    # Set back, all is as before. What AutomateDV does not see changes nothing.
    warehouse.load(*with_settings(automate_dv=DEFAULTS))
    assert warehouse.differences() == []


def test_a_full_refresh_makes_all_hashes_anew(warehouse):
    """There would be no way to other settings but to empty the warehouse."""
    warehouse.load()
    before = warehouse.rows("select airport_hash_key from dwh_detailed.hub_airports order by 1")
    settings = with_settings(**(DEFAULTS | {"hash": "SHA"}))
    # Of a part it would leave hashes of two kinds.
    part = ["--select", "tag:vault", "--exclude", "link_aircraft_seat"]
    said = refused(warehouse, "--full-refresh", *settings, selection=part)
    assert "--full-refresh --selector vault" in said

    done = warehouse.dbt("run", "--full-refresh", "--selector", "loading", *settings)
    assert done.success, messages(done)
    after = warehouse.rows("select airport_hash_key from dwh_detailed.hub_airports order by 1")
    assert len(after) == len(before) and {len(key) for (key,) in after} == {32}
    assert warehouse.rows(RECORD) == [(DEFAULTS | {"hash": "SHA"}, True)]
    change(warehouse, "after")
    warehouse.load_landed(*settings)
    assert warehouse.differences() == []
    assert "SHA" in refused(warehouse)


def test_a_full_refresh_that_broke_off_is_ended_first(warehouse):
    """A load would go on with hashes of one kind in some tables and of another in the rest."""
    warehouse.load()
    settings = with_settings(**DEFAULTS)
    # One table that cannot be made anew, while the others are.
    satellite = "alter table dwh_detailed.sat_airport_details owner to"
    warehouse.rows(f"{satellite} {warehouse.settings.admin_user}")
    done = warehouse.dbt("run", "--full-refresh", "--selector", "loading", *settings)
    assert not done.success
    warehouse.rows(f"{satellite} {roles.DBT}")
    for arguments in (settings, []):
        assert "has begun and not ended" in refused(warehouse, *arguments)
    done = warehouse.dbt("run", "--full-refresh", "--selector", "loading", *settings)
    assert done.success, messages(done)
    warehouse.load_landed(*settings)
    assert warehouse.differences() == []


def test_a_stack_of_before_with_the_same_hashes_goes_on(warehouse):
    """Every stack made before the record would be told to make its vault anew."""
    warehouse.load()
    forget(warehouse)
    change(warehouse, "after the update")
    warehouse.load()
    assert [settings["hash"] for settings, _ in warehouse.rows(RECORD)] == ["MD5"]
    assert warehouse.differences() == []


@pytest.mark.parametrize(
    "others",
    [DEFAULTS, {"hash_content_casing": "UPPER"}, {"concat_string": "||"}],
    ids=["defaults", "casing", "separator"],
)
def test_a_stack_of_before_with_other_hashes_is_told(warehouse, others):
    """A vault that the genuine package made without the project's settings would be mixed."""
    warehouse.load(*with_settings(**others))
    forget(warehouse)
    change(warehouse, "after the update")
    said = refused(warehouse)
    assert "dwh_detailed" in said and "--full-refresh" in said and "dbt_project.yml" in said
    # The vault can go on with what it was made with.
    warehouse.load_landed(*with_settings(**others))
    assert warehouse.differences() == []


def test_an_automate_dv_that_hashes_otherwise_is_told(warehouse):
    """Another version of the package that makes other bytes of the same settings would mix in."""
    warehouse.load()
    warehouse.rows("update dwh_control.hashing set sample = jsonb_set(sample, '{key}', '\"00\"')")
    change(warehouse, "with another package")
    said = refused(warehouse)
    assert "dbt_packages" in said and "of the same variables" in said
