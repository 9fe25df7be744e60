"""Rows that were deleted unseen: what raw and the vault knew of, and the snapshot did not bring."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infra.cli import retention
from infra.errors import AirlineError
from infra.repair import missed_deletes
from infra.settings import Settings
from infra.source import database
from tests.support.events import airport, booking, segment, ticket
from tests.support.warehouse import Warehouse

pytestmark = pytest.mark.timeout(1800)

EVERYTHING = ["--keep-days", "0", "--above-gb", "0"]


@pytest.fixture(scope="module")
def warehouse(postgres_server, tmp_path_factory) -> Warehouse:
    """A warehouse whose raw has lost its oldest events to retention."""
    made = Warehouse(postgres_server, "missed_deletes", tmp_path_factory.mktemp("dbt"))
    made.source.snapshot("airports", airport("OLD"), airport("AAA"), airport("GON"))
    made.source.snapshot("bookings", booking())
    made.source.snapshot("tickets", ticket())
    made.source.snapshot("ticket_flights", segment(flight_id=1), segment(flight_id=2))
    made.load()
    made.source.commit(("d", "airports", airport("GON")))
    made.load()
    for city in ("Here", "There"):
        made.source.commit(
            ("u", "airports", airport("AAA", city=city)),
            ("u", "ticket_flights", segment(flight_id=2, amount="1.00")),
        )
        made.load()
    retention.main(made.settings, EVERYTHING)
    return made


@pytest.fixture(scope="module")
def settings(warehouse, postgres_server) -> Settings:
    """The warehouse's server has a source too, to be asked for its keys."""
    database.setup(postgres_server.create_database("missed_deletes_source"))
    return replace(
        warehouse.settings, primary_port=postgres_server.port, source_db="missed_deletes_source"
    )


def find(settings: Settings, warehouse: Warehouse, table: str, *snapshot: dict):
    """What is missed where a snapshot has just brought these rows."""
    start = {0: warehouse.source.next_offset[table, 0]}
    warehouse.source.snapshot(table, *snapshot)
    warehouse.source.land()
    return missed_deletes.find(settings, table, start)


def test_rows_of_which_raw_has_nothing_left_are_found(settings, warehouse):
    """A row older than retention that is deleted unseen is in the vault for
    ever, or one that raw says was deleted is deleted again.
    """
    assert (
        warehouse.rows("select 1 from staging.airports where key ->> 'airport_code' = 'OLD'") == []
    )
    # Raw knows this one, and the vault does not yet.
    warehouse.source.commit(("c", "airports", airport("NEW")))
    warehouse.source.land()
    assert find(settings, warehouse, "airports", airport("AAA")) == [
        (0, {"airport_code": "NEW"}),
        (None, {"airport_code": "OLD"}),
    ]
    assert find(settings, warehouse, "airports", airport("AAA"), airport("OLD")) == [
        (0, {"airport_code": "NEW"})
    ]


def test_a_key_is_written_as_the_source_writes_it(settings, warehouse):
    """With several partitions the delete is not where the row's events are."""
    [(partition, key)] = find(settings, warehouse, "ticket_flights", segment(flight_id=2))
    assert partition is None
    assert list(key.items()) == [("ticket_no", segment()["ticket_no"]), ("flight_id", 1)]


def test_a_snapshot_that_retention_has_dropped_says_nothing(settings, warehouse):
    """Every row is taken for one that was deleted."""
    start = {0: warehouse.source.next_offset["airports", 0]}
    warehouse.source.snapshot("airports", airport("AAA"), airport("OLD"))
    warehouse.load()
    warehouse.source.commit(("u", "airports", airport("AAA", city="Later")))
    warehouse.load()
    assert not missed_deletes.was_dropped(settings, "airports", start)
    retention.main(warehouse.settings, EVERYTHING)
    assert missed_deletes.was_dropped(settings, "airports", start)
    with pytest.raises(AirlineError, match="begins it anew"):
        missed_deletes.find(settings, "airports", start)


def test_it_costs_what_the_rows_do(settings, warehouse):
    """A resync seems to hang. Right after a snapshot has landed the planner
    knows nothing of its rows, and looks all of them through for each row of before.
    """
    # It knows what was there before, as it does until autovacuum comes.
    warehouse.rows("analyze staging.tickets")
    warehouse.rows("alter table staging.tickets set (autovacuum_enabled = false)")
    read = []
    for rows in (1_000, 4_000):
        tickets = [ticket(ticket_no=f"{number:013}") for number in range(rows)]
        warehouse.source.snapshot("tickets", *tickets)
        warehouse.source.land()
        before = blocks_read(warehouse)
        find(settings, warehouse, "tickets", *tickets)
        read.append(blocks_read(warehouse) - before)
    assert read[1] < 8 * read[0], read


def blocks_read(warehouse: Warehouse) -> int:
    """Of raw's tickets, by sessions that have ended."""
    [(blocks,)] = warehouse.rows(
        "select sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0))"
        " from pg_statio_all_tables where schemaname = 'staging' and relname like 'tickets%%'"
    )
    return int(blocks)


def test_an_event_of_another_key_tells_of_no_row(settings, warehouse):
    """A row that is there goes from the vault: its table had a longer key for a while."""
    warehouse.source.commit(("u", "airports", airport("AAA", city="Anywhere")))
    warehouse.source.land()
    with_city = 'update staging.airports set key = key || \'{"city": "Anywhere"}\''
    newest = "(select max(kafka_offset) from staging.airports)"
    warehouse.rows(f"{with_city} where kafka_offset = {newest}")
    found = find(settings, warehouse, "airports", airport("AAA"), airport("OLD"), airport("NEW"))
    assert found == []
