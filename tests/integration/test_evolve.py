"""The source's tables change: what evolve finds, what it writes, and what loads make of it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from infra import roles
from infra.evolve import plan
from infra.evolve.differences import Difference
from infra.settings import ROOT, Settings
from infra.warehouse import retention as upkeep
from tests.support import project
from tests.support.events import UNAVAILABLE, Source, airport, booking, segment, ticket
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(900)

SCHEMA = (ROOT / "infra" / "source" / "schema.sql").read_text()


class Evolving:
    """A source database whose tables change for real, a checkout, and a warehouse beside it."""

    def __init__(self, server: Any, name: str, folder: Path) -> None:
        server.create_database(f"{name}_source")
        self.source_dsn = server.dsn(f"{name}_source")
        self.at_source(SCHEMA)
        self.root = project.copy_to(folder / "checkout")
        self.warehouse = Warehouse(server, name, folder, self.root)

    @property
    def source(self) -> Source:
        return self.warehouse.source

    def at_source(self, statement: str) -> None:
        with closing(psycopg2.connect(self.source_dsn)) as connection, connection:
            connection.cursor().execute(statement)

    def find(self) -> list[Difference]:
        return plan.find(self.source_dsn, self.root)[1]

    def evolve(self) -> list[str]:
        """What `./airline evolve --apply` writes; returns the paths."""
        tables, found = plan.find(self.source_dsn, self.root)
        written = plan.edit(self.root, tables, found).write()
        self.warehouse.manifest = None
        return written

    def newest_ranges(self) -> dict[str, tuple[int, int]]:
        """Of the newest batch: table -> the offsets it read."""
        return {
            topic.rpartition(".")[2]: (begin, end)
            for topic, begin, end in self.warehouse.rows(
                "select topic, from_offset, to_offset from dwh_control.load_batch_range where"
                " load_batch_id = (select max(load_batch_id) from dwh_control.load_batch)"
            )
        }

    def retain(self) -> int:
        """Drops all raw events that may be dropped; returns how many."""
        with (
            closing(_connect(self.warehouse.settings, roles.INGEST)) as landing,
            closing(_connect(self.warehouse.settings, roles.DBT)) as batches,
        ):
            return upkeep.drop(landing, batches, keep_days=0, above_gb=0, say=print)


def _connect(settings: Settings, role: str) -> Any:
    connection = psycopg2.connect(
        settings.dsn("dwh", user=role, password=settings.secret(role))
    )
    connection.autocommit = True
    return connection


@pytest.fixture
def evolving(postgres_server, tmp_path, request) -> Evolving:
    name = request.node.name.removeprefix("test_").partition("[")[0][:40]
    return Evolving(postgres_server, name, tmp_path)


def kinds(found: list[Difference]) -> dict[str, str]:
    return {each.name: each.kind for each in found}


def test_added_columns_are_filled_and_nothing_else_changes(evolving):
    """A new column would need a full refresh, or give every row of the table a new version."""
    warehouse, source = evolving.warehouse, evolving.source
    assert evolving.find() == []
    source.snapshot("bookings", *[booking(f"BOOK0{n}") for n in range(4)])
    source.snapshot("tickets", ticket("0000000000001"), ticket("0000000000002"))
    warehouse.load()
    source.commit(("u", "bookings", booking("BOOK00", total_amount="7.00")))
    source.commit(("c", "airports", airport("AAA")))
    warehouse.load()

    evolving.at_source(
        "alter table bookings add tier text, add discount numeric(6, 3), add seen timestamptz,"
        " add points integer, add born date, add at_noon timestamp, add is_agent boolean;"
        "comment on column bookings.tier is 'Tier of the client: \"gold\" or #2';"
        "alter table tickets add note text"
    )
    new = {
        "tier": "gold",
        "discount": "1.250",
        "seen": "2026-03-01T10:00:00.000000Z",
        "points": 5,
        "born": -719528,
        "at_noon": 1767225600123456,
        "is_agent": True,
    }
    nothing = dict.fromkeys(new)
    source.commit(
        ("u", "bookings", booking("BOOK01", **new)),
        ("c", "bookings", booking("BOOK09", **nothing)),
    )
    then = source.clock
    source.commit(("u", "tickets", ticket("0000000000001", note="a long note")))
    warehouse.load()
    source.commit(("u", "bookings", booking("BOOK01", **new | {"tier": "none"})))
    source.commit(("u", "tickets", ticket("0000000000001", note=UNAVAILABLE, passenger_name="X")))
    warehouse.load()
    before = warehouse.vault()
    batches = evolving.newest_ranges()

    found = evolving.find()
    assert {each.kind for each in found} == {"added"} and len(found) == 8
    written = evolving.evolve()
    assert "models/raw_vault/satellites/details/sat_booking_details_2.yml" in written
    assert evolving.find() == []
    warehouse.load_landed()

    after = warehouse.vault()
    assert after.keys() - before.keys() == {"sat_booking_details_2", "sat_ticket_details_2"}
    assert {table: after[table] for table in before} == before
    # Only the two tables, and these only from the batch in which the columns came.
    ranges = evolving.newest_ranges()
    assert ranges["airports"][0] == batches["airports"][1]
    assert ranges["bookings"] == (5, 8) and ranges["tickets"] == (2, 4)
    rows = warehouse.rows(
        "select book_ref, tier, discount::text, seen::text, points, born::text, at_noon::text,"
        " is_agent, load_date from dwh_business.current_bookings order by 1"
    )
    assert [row[:2] for row in rows] == [
        ("BOOK00", None),
        ("BOOK01", "none"),
        ("BOOK02", None),
        ("BOOK03", None),
        ("BOOK09", None),
    ]
    assert rows[1][2:8] == (
        *("1.250", "2026-03-01 10:00:00+00", 5),
        *("0001-01-01 BC", "2026-01-01 00:00:00.123456", True),
    )
    assert warehouse.rows(
        "select tier from dwh_business.bookings_as_of(%s) where book_ref = 'BOOK01'", then
    ) == [("gold",)]
    assert warehouse.rows(
        "select note, passenger_name from dwh_business.current_tickets order by ticket_no"
    ) == [("a long note", "X"), (None, "Ivan Petrov")]

    # Loads go on, and a repeated one adds nothing.
    source.commit(("u", "tickets", ticket("0000000000001", note=UNAVAILABLE, passenger_name="Y")))
    source.commit(("u", "bookings", booking("BOOK02", **nothing | {"tier": "new"})))
    warehouse.load()
    assert evolving.newest_ranges()["bookings"][0] == 8
    assert warehouse.rows(
        "select note, passenger_name from dwh_business.current_tickets order by ticket_no"
    ) == [("a long note", "Y"), (None, "Ivan Petrov")]
    assert warehouse.rows("select tier from dwh_business.current_bookings order by book_ref") == [
        (None,), ("none",), ("new",), (None,), (None,)
    ]  # fmt: skip

    # A second evolve writes another satellite beside it; what the first made stays.
    evolving.at_source("alter table bookings add channel text")
    source.commit(("u", "bookings", booking("BOOK03", **nothing | {"channel": "web"})))
    warehouse.load()
    stepwise = warehouse.vault()
    assert kinds(evolving.find()) == {"bookings.channel": "added"}
    evolving.evolve()
    warehouse.load_landed()
    vault = warehouse.vault()
    assert {table: vault[table] for table in stepwise} == stepwise
    assert warehouse.rows(
        "select book_ref, channel from dwh_business.current_bookings where channel is not null"
    ) == [("BOOK03", "web")]

    # All of it again from the first event gives the same vault.
    done = warehouse.dbt("run", "--full-refresh", "--selector", "loading")
    assert done.success, messages(done)
    assert warehouse.vault() == vault
