"""What a server's log says of a statement that it refuses: what happened, and nobody's data."""

from __future__ import annotations

import csv
from contextlib import suppress

import psycopg2
import pytest

import catalogue
from infra.errors import AirlineError
from infra.postgres import sessions
from infra.source.csv_load import load_csv
from infra.source.database import columns, setup

PERSON = "IVANOVA ANNA"

REFUSED = {
    # The row is in the error's detail, the statement in the log of its own.
    "a row that a constraint refuses": (
        "create temporary table people (name text check (name = ''));"
        f" insert into people values ('{PERSON}')"
    ),
    "a key that is there": (
        f"create temporary table people (name text unique); insert into people values ('{PERSON}');"
        f" insert into people values ('{PERSON}')"
    ),
    "text that is no JSON": f"""select ('{{"name": "{PERSON}", }}')::jsonb""",
    "a statement that is none": f"select name from nowhere where name = '{PERSON}'",
}


@pytest.fixture
def log(postgres_server):
    """What the server logs from here on."""
    file = postgres_server.server.settings.home / "test.log"
    before = file.stat().st_size
    return lambda: file.read_bytes()[before:].decode(errors="replace")


@pytest.mark.parametrize("what", REFUSED)
def test_a_refused_statement_leaves_no_row_in_the_log(postgres_server, log, what):
    """Who reads logs, or is sent one, reads names and telephone numbers."""
    with pytest.raises(psycopg2.Error) as refused:
        sessions.query(postgres_server.dsn(), REFUSED[what])
    assert PERSON in str(refused.value), "the client is told"
    assert "ERROR:" in log(), "nothing is said at all"
    assert PERSON not in log()


def test_a_copy_that_fails_leaves_no_row_in_the_log(postgres_server, log):
    """The line that was refused stands in the error's context."""
    with psycopg2.connect(postgres_server.dsn()) as connection, connection.cursor() as cursor:
        cursor.execute("create temporary table people (name text, number int)")
        rows = iter([f"{PERSON}\t7\t8\n"])
        with suppress(psycopg2.Error):
            cursor.copy_expert("copy people from stdin", _Stream(rows))
    connection.close()
    assert "extra data after last expected column" in log()
    assert PERSON not in log()


def test_a_csv_file_that_is_refused_leaves_nothing_in_the_log(postgres_server, log, tmp_path):
    """A file with its columns shifted, and the name is what the error is about."""
    dsn = postgres_server.create_database("csv_log")
    setup(dsn)
    for table in catalogue.names():
        with (tmp_path / f"{table}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns()[table])
            if table == "bookings":
                writer.writerow(["AAAAAA", PERSON, "1.00"])
    with pytest.raises(AirlineError, match=PERSON):
        load_csv(dsn, tmp_path, progress=lambda _: None)
    assert PERSON not in log()


class _Stream:
    def __init__(self, rows) -> None:
        self._rows = rows

    def read(self, _size: int) -> str:
        return next(self._rows, "")
