"""The comparison of source and vault where the source changes meanwhile, on a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from types import SimpleNamespace

import psycopg2
import pytest

import catalogue
from infra.audit import audit, command, results
from infra.errors import AirlineError
from ingest import schema
from ingest.book import Book
from tests.support.schemas import faults

TICKET = ("ticket_no", "book_ref", "passenger_id", "passenger_name", "contact_data")
# The source's tables as they are declared, without what holds among them.
SOURCE = """
    {tables}
    create publication airline_publication;
    alter publication airline_publication set table {names};
    insert into seats select 'A1', number::text, 'Economy' from generate_series(1, 20) as number
"""
# What the audit reads of a warehouse.
WAREHOUSE = """
    create schema dwh_business; create schema dwh_control; create schema staging;
    {tables}
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
        tables = catalogue.tables().values()
        self.run(
            self.source,
            SOURCE.format(
                tables="".join(
                    f"create table {each.name} ({_columns(each)},"
                    f" primary key ({', '.join(each.key)}));"
                    for each in tables
                ),
                names=", ".join(each.name for each in tables),
            ),
        )
        self.run(
            self.vault,
            WAREHOUSE.format(
                tables="".join(
                    f"create table dwh_business.current_{each.name} ({_columns(each)});"
                    for each in tables
                )
            ),
        )
        self.lost: set[str] = set()
        self.loads = 0

    def run(self, dsn: str, statement: str, *parameters) -> list[tuple]:
        with closing(psycopg2.connect(dsn)) as connection, connection:
            cursor = connection.cursor()
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def load(self) -> None:
        self.loads += 1
        for table in catalogue.tables():
            view = f"dwh_business.current_{table}"
            self.run(self.vault, f"truncate {view}")
            for (row,) in self.run(self.source, f"select to_jsonb({table})::text from {table}"):
                if json.loads(row).get("seat_no") not in self.lost:
                    self.run(
                        self.vault,
                        f"insert into {view} select * from jsonb_populate_record(null::{view}, %s)",
                        row,
                    )

    def audit(self, capsys, then: Callable[[], object], *arguments: str) -> dict:
        """What `audit --json` says where `then` happens after each load."""

        def bring_through(_: bool) -> None:
            self.load()
            then()

        capsys.readouterr()
        code = command.main(["--json", *arguments], self.source, self.vault, bring_through)
        report = json.loads(capsys.readouterr().out)
        assert faults("audit", report) == []
        ill = report["findings"] + [line for each in report["tables"] for line in each["findings"]]
        assert code == (1 if report["differences"] or ill else 0)
        return report


def _columns(table: catalogue.Table) -> str:
    return ", ".join(f'"{name}" {kind}' for name, kind in table.columns.items())


def of(report: dict, table: str) -> dict:
    """What `audit --json` says of a table."""
    [found] = [each for each in report["tables"] if each["table"] == table]
    return found


@pytest.fixture
def pair(postgres_server) -> Pair:
    return Pair(postgres_server)


def test_what_the_source_changes_meanwhile_is_no_difference(pair, capsys):
    """Whoever audits a source in use is told of differences that there are not,
    and the next time believes none.
    """

    def traffic() -> None:
        number = pair.loads
        pair.run(pair.source, f"insert into seats values ('A1', 'new {number}', 'Economy')")
        pair.run(pair.source, f"delete from seats where seat_no = '{number}'")
        pair.run(
            pair.source,
            f"update seats set fare_conditions = 'Comfort' where seat_no = '{number + 10}'",
        )

    assert pair.audit(capsys, traffic)["differences"] == 0
    assert pair.loads == 2
    pair.run(pair.source, "insert into seats values ('A2', '1', 'Economy')")
    report = pair.audit(capsys, traffic, "--as-is")
    assert report["differences"] > 0, "as it is means as it is"
    assert pair.loads == 2


def test_a_lost_row_is_found_in_the_midst_of_traffic(pair, capsys):
    """Looking again excuses a row that the vault will never have."""
    pair.lost = {"7", "new 1"}

    def traffic() -> None:
        pair.run(pair.source, f"insert into seats values ('A1', 'new {pair.loads}', 'Economy')")

    report = pair.audit(capsys, traffic)
    seats = of(report, "seats")
    assert (seats["missing"], seats["surplus"], seats["different"]) == (2, 0, 0)
    assert seats["named"] == [
        "not in the vault: aircraft_code=A1, seat_no=7",
        "not in the vault: aircraft_code=A1, seat_no=new 1",
    ]


def test_a_row_that_changes_before_each_look_is_not_passed_by(pair, capsys):
    """A busy row that the vault never has right is called equal."""
    pair.lost = {"7"}

    def traffic() -> None:
        pair.run(
            pair.source,
            f"update seats set fare_conditions = 'fare {pair.loads}' where seat_no = '7'",
        )

    assert pair.audit(capsys, traffic)["differences"] == 1
    assert pair.loads == 1 + results.LOOKS_AGAIN


def test_a_row_that_goes_back_and_forth_is_no_difference(pair, capsys):
    """A row that is at the source as it was at the look before, and was another
    in between, as the vault has it, is called a difference.
    """

    def traffic() -> None:
        if pair.loads < results.LOOKS_AGAIN:
            pair.run(pair.source, "update seats set fare_conditions = 'back' where seat_no = '7'")
            pair.run(
                pair.vault,
                "update dwh_business.current_seats set fare_conditions = %s where seat_no = '7'",
                f"there {pair.loads}",
            )

    assert pair.audit(capsys, traffic)["differences"] == 0
    assert pair.loads == results.LOOKS_AGAIN


def test_what_differs_is_printed_for_each_look(pair, capsys):
    """A person sees figures that nobody explains."""
    pair.lost = {"7"}
    assert command.main([], pair.source, pair.vault, lambda _: pair.load()) == 1
    shown = capsys.readouterr().out
    assert "looking again at 1 rows" in shown
    assert shown.splitlines()[-2:] == [
        "audit: 1 differences",
        "'./airline resync seats' finds changes that were missed, deletes included",
    ]


def test_an_audit_notes_how_it_ended_and_not_what_it_saw(pair, capsys):
    """A difference that a nightly audit found reaches nobody, or with it the row."""
    pair.run(
        pair.vault,
        "create table dwh_control.audit_result (audit_id bigint generated always as identity,"
        " differences bigint, findings integer, tables text [])",
    )
    noted = "select differences, findings, tables from dwh_control.audit_result order by audit_id"
    pair.lost = {"7"}
    assert pair.audit(capsys, lambda: None)["differences"] == 1
    assert pair.run(pair.vault, noted) == [(1, 0, ["seats"])]
    pair.audit(capsys, lambda: None, "--as-is")
    pair.lost = set()
    assert pair.audit(capsys, lambda: None)["differences"] == 0
    assert pair.run(pair.vault, noted) == [(1, 0, ["seats"]), (0, 0, [])]


def test_a_side_that_is_silent_for_a_while_is_not_cut_off(pair):
    """A database with a limit on idle transactions, or on long statements, cannot be audited."""
    [(name,)] = pair.run(pair.source, "select current_database()")
    pair.run(
        pair.source,
        f"alter database {name} set idle_in_transaction_session_timeout = '200ms';"
        f" alter database {name} set statement_timeout = '200ms';"
        f" alter database {name} set transaction_timeout = '200ms'",
    )
    with closing(audit.snapshot(pair.source)) as source, source.cursor() as cursor:
        cursor.execute("select pg_sleep(0.5)")
        time.sleep(0.5)
        cursor.execute("select count(*) from seats")
        assert cursor.fetchone() == (20,)


def test_values_are_compared_and_not_their_text(pair, capsys):
    """A wider scale at the source is a difference in every row, or a real one in
    another type is none.
    """
    pair.run(
        pair.source,
        """
        insert into bookings values ('AAAAAA', '2026-01-02 03:04:05.5+00', 12.50);
        insert into tickets values ('0000000000001', 'AAAAAA', 'p', 'n',
            '{"phone": "+1", "list": [1.0, 2], "yes": true}');
        insert into ticket_flights values ('0000000000001', 7, 'Economy', 1.50);
        insert into airports values ('AAA', 'a', 'b', 10.500, 1e2, 'UTC');
        insert into aircrafts values ('T01', '{"a": 1, "b": 2}', 100)
        """,
    )
    pair.load()
    pair.run(
        pair.source,
        """
        alter table ticket_flights alter amount type numeric(14, 4);
        alter table ticket_flights alter flight_id type numeric(20, 3);
        alter table bookings alter total_amount type double precision;
        alter table bookings alter book_date type timestamp using book_date at time zone 'UTC';
        alter table airports alter coordinates_lat type text, alter city type char(20);
        alter table seats alter seat_no type char(9);
        update airports set coordinates_lat = '100.00';
        alter table aircrafts alter model type json using '{"b":2,   "a":1.0}';
        alter table tickets alter contact_data type json
            using '{"list":[1, 2.00],"yes":true,"phone":"+1"}'
        """,
    )
    report = pair.audit(capsys, lambda: None, "--as-is")
    assert report["differences"] == 0, [each["named"] for each in report["tables"]]
    assert sum(each["source_rows"] for each in report["tables"]) == 25

    pair.run(
        pair.source,
        """
        update ticket_flights set amount = 1.5001;
        update bookings set total_amount = 12.49;
        update airports set coordinates_lat = 'none';
        update aircrafts set model = '{"b":2,"a":true}';
        update tickets set contact_data = '{"list":[1, 2],"yes":1,"phone":"+1"}';
        """,
    )
    report = pair.audit(capsys, lambda: None, "--as-is")
    named = [line for each in report["tables"] for line in each["named"]]
    assert named == [
        "different: aircraft_code=T01 in model",
        "different: airport_code=AAA in coordinates_lat",
        "different: book_ref=AAAAAA in total_amount",
        "different: ticket_no=0000000000001, flight_id=7 in amount",
        "different: ticket_no=0000000000001 in contact_data",
    ]


def test_a_document_that_jsonb_refuses_is_a_difference(pair, capsys):
    """One such row ends the audit with a cast error."""
    pair.run(pair.source, "insert into tickets values ('1', 'A', 'p', 'n', '{}')")
    pair.load()
    pair.run(
        pair.source,
        """alter table tickets alter contact_data type json using '{"a": "\\u0000"}'::json""",
    )
    report = pair.audit(capsys, lambda: None, "--as-is")
    assert of(report, "tickets")["named"] == ["different: ticket_no=1 in contact_data"]


# What was done at the source; what the audit says of the table, or of the source where it is None,
# and how many rows of the 20 seats differ.
STRANGE = {
    "not published": (
        "alter publication airline_publication drop table seats; delete from seats",
        "seats",
        "seats is not published",
        20,
    ),
    "no publication": (
        "drop publication airline_publication; delete from seats where seat_no = '1'",
        None,
        "the publication airline_publication is missing",
        1,
    ),
    "no deletes": (
        "alter publication airline_publication set (publish = 'insert, update')",
        None,
        "leaves out every delete and truncate",
        0,
    ),
    "a row filter": (
        "alter publication airline_publication set table seats where (seat_no <> '1')",
        "seats",
        "seats is published with a row filter",
        0,
    ),
    "a column list": (
        "alter publication airline_publication set table seats (aircraft_code, seat_no)",
        "seats",
        "seats is published without its columns fare_conditions",
        0,
    ),
    "renamed away": ("alter table seats rename to chairs", "seats", "seats is missing", 20),
    "dropped": ("drop table seats", "seats", "seats is missing", 20),
    "swapped": (
        "alter table seats rename to chairs; create table seats (like chairs including all);"
        " insert into seats select * from chairs where seat_no <> '1'",
        "seats",
        "seats is not published",
        1,
    ),
    "swapped without a key": (
        "alter table seats rename to chairs; create table seats as table chairs",
        "seats",
        "seats has no primary key",
        0,
    ),
    "partitioned": (
        "alter table seats rename to chairs;"
        "create table seats (like chairs including all) partition by list (aircraft_code);"
        "create table seats_a1 partition of seats for values in ('A1');"
        "insert into seats table chairs; alter publication airline_publication add table seats",
        "seats",
        "seats is partitioned, and its changes come under the names of its partitions",
        0,
    ),
    "a view": (
        "alter table seats rename to chairs; create view seats as table chairs",
        "seats",
        "seats is a view",
        0,
    ),
    "a column missing": (
        "alter table seats drop column fare_conditions",
        "seats",
        "seats has no column fare_conditions",
        0,
    ),
    "a column of the key missing": (
        "alter table seats drop column seat_no cascade",
        "seats",
        "seats cannot be compared row for row without seat_no",
        0,
    ),
    "the key replaced as identity": (
        "alter table seats alter fare_conditions set not null;"
        "create unique index other on seats (fare_conditions, seat_no);"
        "alter table seats replica identity using index other",
        "seats",
        "seats has the replica identity (seat_no, fare_conditions)",
        0,
    ),
    "no identity": (
        "alter table seats replica identity nothing",
        "seats",
        "seats has replica identity nothing",
        0,
    ),
    "unlogged": (
        "drop publication airline_publication; alter table seats set unlogged",
        "seats",
        "alter table seats set logged",
        0,
    ),
    "a sequence": (
        "alter table seats rename to chairs; create sequence seats",
        "seats",
        "seats is a sequence",
        0,
    ),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_strange_at_the_source_is_a_finding(pair, capsys, name):
    """The audit ends in a traceback, or is clean though changes are not
    captured.
    """
    pair.load()
    statement, table, words, differences = STRANGE[name]
    pair.run(pair.source, statement)
    report = pair.audit(capsys, lambda: None, "--as-is")
    found = report["findings"] if table is None else of(report, table)["findings"]
    assert any(words in line for line in found), found
    assert report["differences"] == differences
    assert len(report["tables"]) == len(catalogue.tables())
    # And in words for a person.
    assert command.main(["--as-is"], pair.source, pair.vault, lambda _: None) == 1
    shown = capsys.readouterr().out
    assert words in shown and "finding" in shown.splitlines()[-1]


def test_what_nobody_loads_is_said_and_no_fault(pair, capsys):
    """A column or a table that was added at the source is passed over in
    silence, or an audit is not clean for it.
    """
    pair.load()
    pair.run(
        pair.source,
        "alter table seats add column note text default 'x'; create table lounges (id int);"
        " create view anything as select 1 as one",
    )
    report = pair.audit(capsys, lambda: None, "--as-is")
    assert of(report, "seats")["not_kept"] == ["note"]
    assert report["unloaded_tables"] == ["lounges"]
    assert command.main(["--as-is"], pair.source, pair.vault, lambda _: None) == 0
    shown = capsys.readouterr().out
    assert "not compared: note" in shown and "./airline evolve" in shown
    assert "nobody loads: lounges" in shown
    assert shown.splitlines()[-1] == "audit: clean, 0 differences"


def test_a_view_that_the_vault_lacks_is_a_finding(pair, capsys):
    """The audit ends in a traceback, or compares nothing and says clean."""
    pair.load()
    pair.run(
        pair.vault,
        "drop table dwh_business.current_flights;"
        " alter table dwh_business.current_seats drop column fare_conditions",
    )
    report = pair.audit(capsys, lambda: None, "--as-is")
    assert "has no view dwh_business.current_flights" in of(report, "flights")["findings"][0]
    assert "no column fare_conditions" in of(report, "seats")["findings"][0]


def test_a_table_that_is_refused_does_not_end_the_audit(pair, capsys):
    """One table that a server refuses hides what differs in the others."""
    pair.load()
    pair.run(
        pair.source,
        """
        create function refuse() returns boolean language plpgsql as
            $$ begin raise division_by_zero using message = 'not today'; end $$;
        alter table bookings rename to sold;
        create view bookings as select * from sold where refuse();
        insert into sold values ('AAAAAA', now(), 1);
        delete from seats where seat_no = '3'
        """,
    )
    report = pair.audit(capsys, lambda: None, "--as-is")
    assert "bookings cannot be compared: not today" in of(report, "bookings")["findings"]
    assert of(report, "seats")["surplus"] == 1
    assert of(report, "tickets")["findings"] == []


def test_what_cannot_be_loaded_for_a_fault_is_compared_as_it_stands(pair, capsys):
    """With the stream broken nobody is told what differs; or an error that has
    nothing to do with the source is swallowed.
    """
    pair.load()

    def refuse(_: bool) -> None:
        raise AirlineError("the connector is stopped", "resync")

    with pytest.raises(AirlineError, match="stopped"):
        command.main(["--json"], pair.source, pair.vault, refuse)
    pair.run(pair.source, "drop publication airline_publication; delete from seats")
    assert command.main(["--json"], pair.source, pair.vault, refuse) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["differences"] == 20
    assert any("the connector is stopped" in line for line in report["findings"])


def test_persons_are_compared_by_the_book_and_the_forgotten_by_landings_rule(pair, capsys):
    """Every ticket differs, for the vault has tokens; or whoever was forgotten differs for ever; or
    a ticket that is somebody else's in the vault is passed by.
    """
    book, key = Book("a key"), "a key"
    pair.load()
    pair.run(pair.vault, "create schema staging_pii")
    with closing(psycopg2.connect(pair.vault)) as connection, connection:
        schema.create_book(connection.cursor())
    rows = [
        ("0000000000001", "D1", "ANNA", '{"a": 1.0, "b": "x"}'),
        ("0000000000002", "D1", "ANNA", None),
        ("0000000000003", "D2", "BORIS", None),
    ]
    for row in rows:
        pair.run(pair.source, "insert into tickets values (%s, 'B', %s, %s, %s)", *row)
    with closing(psycopg2.connect(pair.vault)) as connection, connection:
        events = [
            SimpleNamespace(
                topic="", partition=0, offset=0, timestamp=0, key=None,
                value=json.dumps(
                    {"after": dict(zip(TICKET, (row[0], "B", *row[1:]), strict=True))}
                ).encode(),
            )
            for row in rows
        ]  # fmt: skip
        landed, _ = book.tokened(connection.cursor(), catalogue.tables()["tickets"], events)
        for each in landed:
            connection.cursor().execute(
                "insert into dwh_business.current_tickets (ticket_no, book_ref, passenger_id,"
                " passenger_name, contact_data) values (%(ticket_no)s, 'B', %(passenger_id)s,"
                " %(passenger_name)s, %(contact_data)s)",
                json.loads(each.value)["after"],
            )

    def differing(with_key: str | None = key) -> list[str]:
        capsys.readouterr()
        code = command.main(
            ["--json", "--as-is"], pair.source, pair.vault, lambda _: None, key=with_key
        )
        report = of(json.loads(capsys.readouterr().out), "tickets")
        assert report["findings"] == [] and (code == 0) == (report["named"] == [])
        return report["named"]

    assert differing() == []
    pair.run(
        pair.vault,
        "insert into staging_pii.forgotten select lookup, person from staging_pii.identity"
        " where value = 'D1'; delete from staging_pii.identity where person in"
        " (select person from staging_pii.forgotten)",
    )
    assert differing() == []
    assert len(differing(None)) == 2
    # Given to somebody else; without a name; of a name that nobody landed.
    pair.run(pair.source, "update tickets set passenger_id = 'D2' where ticket_no = %s", rows[0][0])
    pair.run(
        pair.vault,
        "update dwh_business.current_tickets set passenger_name = null where ticket_no = %s",
        rows[1][0],
    )
    assert differing() == [
        "different: ticket_no=0000000000001 in passenger_id, passenger_name, contact_data",
        "different: ticket_no=0000000000002 in passenger_name",
    ]
    pair.run(
        pair.vault,
        "update dwh_business.current_tickets set passenger_name = 'ANNA' where ticket_no = %s",
        rows[1][0],
    )
    pair.run(pair.source, "update tickets set passenger_name = 'OTHER' where ticket_no = %s",
             rows[1][0])  # fmt: skip
    assert "different: ticket_no=0000000000002 in passenger_name" in differing()
