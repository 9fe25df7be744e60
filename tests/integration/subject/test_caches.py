"""What Superset, Airflow and the logs keep of a person, on a real server and in real files."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from types import SimpleNamespace

import psycopg2
import pytest

from infra.mail import delivery
from infra.subject import caches, inside, look
from infra.subject.needles import Needles, identifiers
from tests.integration.conftest import PostgresServer, scratch_folder, settings_in

NAME = "Агафья Ёлкина"
ACT = SimpleNamespace(
    id=1, document="RU 7712345678", names=(NAME,), contacts=('{"phone": "+79161234567"}',)
)


@pytest.fixture(scope="module")
def server():
    with scratch_folder("airline-caches-") as folder:
        made = PostgresServer(
            settings_in(folder),
            {"wal_level": "replica", "max_wal_senders": 0, "wal_recycle": "off"},
        )
        made.start()
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture
def superset(server):
    """Tables as Superset has them, with a person's values; one long enough to be compressed."""
    dsn = server.create_database("superset")
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("create table query (id int primary key, sql text, extra json)")
            cursor.execute("create table key_value (id int primary key, value bytea)")
            cursor.execute("create table logs (id int primary key, json jsonb)")
            long = "select 1 -- nobody at all\n" * 300
            for n, text in enumerate((f"where passenger_name = '{NAME}'", long + NAME + long)):
                cursor.execute("insert into query values (%s, %s, '{}')", (n, text))
            cursor.execute("insert into key_value values (1, %s)", (f"[{ACT.document}]".encode(),))
            cursor.execute("insert into logs values (1, %s)", ('{"filter": "+79161234567"}',))
            cursor.execute('insert into logs values (2, \'{"filter": "nobody"}\')')
            # Rows that are gone.
            cursor.execute("insert into query values (7, %s, '{}')", (long + ACT.document,))
            cursor.execute("delete from query where id = 7")
            cursor.execute("checkpoint")
            yield cursor


def places(server, needles: Needles) -> list[str]:
    found = []
    for file in sorted((server.server.data / "base").rglob("*")):
        if file.is_file():
            found += [each.within for each in look.look(file, needles)]
    return found


def test_texts_of_a_database_are_hidden_and_nothing_else_changes(server, superset):
    """A literal in the history of queries stays, or a row that is gone does."""
    needles = Needles(identifiers(ACT))
    before = places(server, needles)
    # The search can fail, also where the server has compressed what it keeps.
    assert "" in before
    assert any("compressed" in each for each in before)
    counts = caches.hide_in_database(server.server, "superset", needles)
    assert counts == {
        "superset: public.key_value": 1,
        "superset: public.logs": 1,
        "superset: public.query": 2,
    }
    superset.execute("checkpoint")
    assert places(server, needles) == []
    superset.execute("select sql from query order by id")
    [(short,), (long,)] = superset.fetchall()
    assert short == f"where passenger_name = '{'*' * len(NAME.encode())}'"
    assert "nobody at all" in long
    superset.execute("select json ->> 'filter' from logs order by id")
    assert superset.fetchall() == [("************",), ("nobody",)]
    assert caches.hide_in_database(server.server, "superset", needles) == {}


def test_a_part_that_is_not_there_is_no_error(server):
    """A stack without Airflow could forget nobody."""
    assert caches.hide_in_database(server.server, "airflow", Needles(identifiers(ACT))) == {}


def test_files_are_hidden_in_their_place_and_reports_go(tmp_path):
    """A service goes on writing into a file that is no longer there, or the value stays."""
    home = settings_in(tmp_path)
    needles = Needles(identifiers(ACT))
    log, old = tmp_path / "logs" / "dbt.log", tmp_path / "logs" / "dbt.log.1.gz"
    queue = tmp_path / "data" / "superset" / "queue.sqlite"
    report = delivery.messages(home) / f"{delivery.REPORT}1.eml"
    for each in (log, queue, report):
        each.parent.mkdir(parents=True, exist_ok=True)
    content = f"first\nfailed for {NAME} and {ACT.document}\nlast\n".encode()
    log.write_bytes(content * 3)
    old.write_bytes(gzip.compress(content))
    report.write_bytes(b"a picture")
    with closing(sqlite3.connect(queue)) as database:
        database.execute("create table message (id integer primary key, payload text)")
        database.execute("insert into message (payload) values (?)", (f"to {NAME}",))
        database.execute("insert into message (payload) values (?)", (f"{ACT.document} x",))
        database.commit()
        database.execute("delete from message where id = 2")
        database.commit()
    assert look.search(home, needles).found
    with log.open("ab") as service:
        assert caches.remove_reports(home) == 1
        assert caches.hide_in_files(home, needles) == {"files changed": 2, "files removed": 1}
        service.write(b"one more\n")
    assert look.search(home, needles).found == []
    assert not report.exists()
    assert not old.exists()
    assert len(log.read_bytes()) == len(content * 3) + len("one more\n")
    assert log.read_bytes().endswith(b"last\none more\n")
    assert "SQLite: table message" in dict(inside.streams(queue))
