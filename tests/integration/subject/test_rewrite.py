"""Deleted rows leave the files of a real server, its statistics and its log."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import psycopg2
import pytest

from infra.errors import AirlineError
from infra.subject import rewrite
from infra.subject.look import look
from infra.subject.needles import Needles
from tests.integration.conftest import PostgresServer, scratch_folder, settings_in

SECRET = "RU 7712345678"
DATABASE = "rewritten"


@pytest.fixture(scope="module")
def server():
    with scratch_folder("airline-rewrite-") as folder:
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
def book(server):
    """A table in which a person was, of many."""
    dsn = server.create_database(DATABASE)
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("create schema staging_pii")
            cursor.execute("create table staging_pii.identity (kind text, value text)")
            cursor.execute("create index on staging_pii.identity (value)")
            cursor.execute(
                "insert into staging_pii.identity select 'x', case when n % 3 = 0 then"
                f" '{SECRET}' else md5(n::text) end from generate_series(1, 3000) as n"
            )
            cursor.execute("analyze staging_pii.identity")
            cursor.execute("checkpoint")
            yield cursor


def places(server) -> set[str]:
    """Folders of the server's data with the value."""
    needles = Needles([("document", SECRET)])
    found = set()
    for file in server.server.data.rglob("*"):
        try:
            if file.is_file() and any(True for _ in look(file, needles)):
                found.add(file.relative_to(server.server.data).parts[0])
        except FileNotFoundError:
            continue
    return found


def forget(cursor) -> None:
    cursor.execute(f"delete from staging_pii.identity where value = '{SECRET}'")
    cursor.execute("vacuum staging_pii.identity")


def test_nothing_is_left_of_rows_that_were_deleted(server, book):
    """Dead rows, indexes, statistics or the log keep the value."""
    forget(book)
    book.execute("checkpoint")
    # The search can fail: a delete and a vacuum leave it in tables, statistics and log.
    assert places(server) == {"base", "pg_wal"}
    rewrite.rewrite(server.server, DATABASE, rewrite.TABLES)
    rewrite.renew_wal(server.server)
    assert places(server) == set()
    book.execute("select count(*) from staging_pii.identity")
    assert book.fetchone() == (2000,)
    # Done again, it does no harm.
    rewrite.rewrite(server.server, DATABASE, rewrite.TABLES)
    assert rewrite.renew_wal(server.server) > 0


def test_segments_that_were_made_ready_for_use_again_are_filled_anew(server, book):
    """They are later than the log's end, have old bytes, and stay for weeks."""
    book.execute("alter system set wal_recycle = on")
    book.execute("select pg_reload_conf()")
    for _ in range(4):
        book.execute(f"select pg_logical_emit_message(false, 'x', repeat('{SECRET}', 10000))")
        book.execute("select pg_switch_wal()")
    book.execute("checkpoint")
    with pytest.raises(AirlineError, match="wal_recycle"):
        rewrite.renew_wal(server.server)
    book.execute("alter system reset wal_recycle")
    book.execute("select pg_reload_conf()")
    forget(book)
    assert "pg_wal" in places(server)
    time.sleep(0.5)
    rewrite.rewrite(server.server, DATABASE, rewrite.TABLES)
    rewrite.renew_wal(server.server)
    assert places(server) == set()


def test_a_session_that_still_sees_the_rows_is_waited_for(server, book, monkeypatch):
    """Its rows are written again, and called gone."""
    with closing(psycopg2.connect(server.dsn(DATABASE))) as reader:
        reader.set_session(isolation_level="REPEATABLE READ")
        with reader.cursor() as reading:
            reading.execute("select 1")
            forget(book)
            monkeypatch.setattr(rewrite, "PATIENCE", 1)
            with pytest.raises(AirlineError, match="still read by process"):
                rewrite.rewrite(server.server, DATABASE, rewrite.TABLES)
            monkeypatch.undo()
            threading.Timer(2, reader.rollback).start()
            rewrite.rewrite(server.server, DATABASE, rewrite.TABLES)
    rewrite.renew_wal(server.server)
    assert places(server) == set()
