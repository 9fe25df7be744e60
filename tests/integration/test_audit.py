"""The comparison of source and vault where the source changes meanwhile, on a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest

from infra.cli import audit

SOURCE = """
    create table seats (aircraft_code text, seat_no text, fare text,
        primary key (aircraft_code, seat_no));
    create publication audited for table seats;
    insert into seats select 'A1', number::text, 'Economy' from generate_series(1, 20) as number
"""
# What the audit reads of a warehouse.
WAREHOUSE = """
    create schema dwh_business; create schema dwh_control; create schema staging;
    create table dwh_business.current_seats (aircraft_code text, seat_no text, fare text);
    create table staging.ingest_offset (topic text, kafka_partition int, next_offset bigint);
    create table dwh_control.load_batch (load_batch_id bigint, closed_at timestamptz, outcome text);
    create table dwh_control.load_batch_range (
        load_batch_id bigint, topic text, kafka_partition int, to_offset bigint)
"""


class Pair:
    """A source and a vault; `load` brings all rows through but those `lost`."""

    def __init__(self, server) -> None:
        self.source = server.create_database("audited_source")
        self.vault = server.create_database("audited_vault")
        self.run(self.source, SOURCE)
        self.run(self.vault, WAREHOUSE)
        self.lost: set[str] = set()
        self.loads = 0

    def run(self, dsn: str, statement: str, *parameters) -> list[tuple]:
        with closing(psycopg2.connect(dsn)) as connection, connection:
            cursor = connection.cursor()
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def load(self) -> None:
        self.loads += 1
        self.run(self.vault, "truncate dwh_business.current_seats")
        for row in self.run(self.source, "select * from seats"):
            if row[1] not in self.lost:
                self.run(
                    self.vault, "insert into dwh_business.current_seats values (%s, %s, %s)", *row
                )

    def audit(self, capsys, then: Callable[[], object], *arguments: str) -> dict:
        """What `audit --json` says where `then` happens after each load."""

        def bring_through(_: bool) -> None:
            self.load()
            then()

        capsys.readouterr()
        code = audit.main(["--json", *arguments], self.source, self.vault, bring_through)
        told = json.loads(capsys.readouterr().out)
        assert code == (1 if told["differences"] else 0)
        return told


@pytest.fixture
def pair(postgres_server) -> Pair:
    return Pair(postgres_server)


def test_what_the_source_changes_meanwhile_is_no_difference(pair, capsys):
    """Wrong if it fails: whoever audits a source in use is told of differences that there are not,
    and the next time believes none.
    """

    def traffic() -> None:
        number = pair.loads
        pair.run(pair.source, f"insert into seats values ('A1', 'new {number}', 'Economy')")
        pair.run(pair.source, f"delete from seats where seat_no = '{number}'")
        pair.run(pair.source, f"update seats set fare = 'Comfort' where seat_no = '{number + 10}'")

    assert pair.audit(capsys, traffic)["differences"] == 0
    assert pair.loads == 2
    pair.run(pair.source, "insert into seats values ('A2', '1', 'Economy')")
    told = pair.audit(capsys, traffic, "--as-is")
    assert told["differences"] > 0, "as it is means as it is"
    assert pair.loads == 2


def test_a_lost_row_is_found_in_the_midst_of_traffic(pair, capsys):
    """Wrong if it fails: looking again excuses a row that the vault will never have."""
    pair.lost = {"7", "new 1"}

    def traffic() -> None:
        pair.run(pair.source, f"insert into seats values ('A1', 'new {pair.loads}', 'Economy')")

    told = pair.audit(capsys, traffic)
    [seats] = told["tables"]
    assert (seats["missing"], seats["surplus"], seats["different"]) == (2, 0, 0)
    assert seats["named"] == [
        "not in the vault: aircraft_code=A1, seat_no=7",
        "not in the vault: aircraft_code=A1, seat_no=new 1",
    ]


def test_a_row_that_changes_before_each_look_is_not_passed_by(pair, capsys):
    """Wrong if it fails: a busy row that the vault never has right is called equal."""
    pair.lost = {"7"}

    def traffic() -> None:
        pair.run(pair.source, f"update seats set fare = 'fare {pair.loads}' where seat_no = '7'")

    assert pair.audit(capsys, traffic)["differences"] == 1
    assert pair.loads == 1 + audit.LOOKS_AGAIN


def test_what_differs_is_printed_for_each_look(pair, capsys):
    """Wrong if it fails: a person sees figures that nobody explains."""
    pair.lost = {"7"}
    assert audit.main([], pair.source, pair.vault, lambda _: pair.load()) == 1
    shown = capsys.readouterr().out
    assert "looking again at 1 rows" in shown
    assert shown.splitlines()[-1] == "audit: 1 differences"
