"""The warehouse of an earlier or a later version of the product, on a real server."""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from infra import warehouse
from infra.cli import up
from infra.errors import AirlineError
from infra.health.version import version as ask_version
from infra.postgres import roles
from infra.settings import ROOT
from infra.warehouse import layout
from tests.integration.conftest import scratch_folder
from tests.support.warehouse import Warehouse, messages

BEFORE = Path(__file__).with_name("data") / "warehouse_bc4aa99.sql"
_numbers = itertools.count(1)

# Everything of the two schemas that ingester, dbt and `up` rely on, one line each.
CATALOGUE = """
with place as (
    select oid, nspname from pg_namespace where nspname in ('staging', 'dwh_control')
),
relation as (
    select made.*, place.nspname || '.' || made.relname as name
    from pg_class as made inner join place on made.relnamespace = place.oid
)
select 'schema', nspname, concat_ws(' ', pg_get_userbyid(nspowner), acl::text)
from pg_namespace inner join place using (oid, nspname)
cross join lateral (select array(select unnest(nspacl)::text order by 1) as acl) as sorted
union all
select 'relation', name, concat_ws(
    ' ', relkind, pg_get_userbyid(relowner), obj_description(oid, 'pg_class'),
    array(select unnest(relacl)::text order by 1)
)
from relation
union all
select 'column', name || '.' || attname, concat_ws(
    ' ', attnum, format_type(atttypid, atttypmod), attnotnull, attidentity,
    pg_get_expr(adbin, adrelid), col_description(attrelid, attnum),
    array(select unnest(attacl)::text order by 1)
)
from pg_attribute inner join relation on attrelid = relation.oid
left join pg_attrdef on adrelid = attrelid and adnum = attnum
where relkind = 'r' and attnum > 0 and not attisdropped
union all
select 'constraint', name || '.' || conname, pg_get_constraintdef(pg_constraint.oid)
from pg_constraint inner join relation on conrelid = relation.oid
union all
select 'index', name, pg_get_indexdef(indexrelid)
from pg_index inner join relation on indexrelid = relation.oid
union all
select 'function', pg_proc.oid::regprocedure::text, concat_ws(
    ' ', pg_get_userbyid(proowner), pg_get_functiondef(pg_proc.oid),
    array(select unnest(proacl)::text order by 1)
)
from pg_proc inner join place on pronamespace = place.oid
union all
select 'default privileges', defaclobjtype::text || pg_get_userbyid(defaclrole) || nspname,
    array(select unnest(defaclacl)::text order by 1)::text
from pg_default_acl inner join place on defaclnamespace = place.oid
order by 1, 2, 3
"""
WAITING = """
select count(*) from pg_locks inner join pg_database on pg_locks.database = pg_database.oid
where datname = current_database() and locktype = 'advisory' and not granted
"""


class Old(Warehouse):
    """A warehouse that the commit bc4aa99 made, with a position and a dead letter in it."""

    def __init__(self, server: Any, folder: Path) -> None:
        name = f"layout_{next(_numbers)}"
        super().__init__(server, name, folder)
        self.server = server.server
        # What else `up` makes has not changed since.
        self.rows("drop schema staging, dwh_control cascade")
        with closing(psycopg2.connect(self.dsn)) as connection, connection:
            connection.cursor().execute(BEFORE.read_text())
        self.rows(
            "insert into staging.ingest_offset (topic, kafka_partition, next_offset)"
            " values ('airline.public.seats', 0, 5);"
            " insert into staging.dead_letter (topic, kafka_partition, kafka_offset, error)"
            " values ('airline.public.seats', 0, 3, 'no JSON')"
        )

    def make(self) -> list[layout.Migration]:
        """What `up` does once the server answers."""
        return warehouse.make(self.settings, self.server)

    def ingest(self) -> subprocess.CompletedProcess[str]:
        secret = self.settings.secret(roles.INGEST)
        return subprocess.run(
            [sys.executable, "-m", "ingest", "--init-only"],
            cwd=ROOT,
            env=os.environ | self.environment | {"AIRLINE_INGEST_PASSWORD": secret},
            capture_output=True,
            text=True,
        )

    def catalogue(self) -> list[tuple]:
        return self.rows(CATALOGUE)

    def content(self) -> list[tuple]:
        return self.rows(
            "select topic, next_offset::text from staging.ingest_offset"
            " union all select topic, error from staging.dead_letter order by 1, 2"
        )


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch_folder("airline-layout-") as made:
        yield made


@pytest.fixture
def old(postgres_server, folder) -> Old:
    return Old(postgres_server, folder)


def open_batch(made: Warehouse) -> Any:
    """A dbt run that makes the control tables, and loads next to nothing."""
    return made.dbt("run", "--select", "stg_aircrafts")


def test_an_older_warehouse_becomes_as_a_new_one_is(old, postgres_server, folder):
    """A stack that was made before would lack a column, a key or a right that code relies on."""
    before = old.content()
    assert [each.number for each in old.make()] == list(range(1, layout.version() + 1))
    assert old.ingest().returncode == 0
    done = open_batch(old)
    assert done.success, messages(done)

    (folder / "fresh").mkdir()
    fresh = Warehouse(postgres_server, f"layout_{next(_numbers)}", folder / "fresh")
    done = open_batch(fresh)
    assert done.success, messages(done)
    assert old.catalogue() == fresh.rows(CATALOGUE)
    assert old.content() == before
    # And once more there is nothing to do.
    assert old.make() == []
    assert [number for (number,) in old.rows("select version from dwh_control.migration")] == list(
        range(1, layout.version() + 1)
    )
    assert ask_version(old.settings).problem == ""


def test_nobody_writes_into_an_older_warehouse(old):
    """dbt or an ingester of this version would work on tables that `up` has not brought up."""
    before = old.catalogue()
    done = old.ingest()
    assert done.returncode == 1 and "'./airline up' brings it up" in done.stderr
    done = open_batch(old)
    assert not done.success and "'./airline up' brings it up" in messages(done)
    assert "'./airline up' brings it up" in ask_version(old.settings).problem
    assert old.catalogue() == before


def test_a_newer_warehouse_is_refused_and_left_as_it_is(old):
    """Code of an earlier version would spoil what a later one has made."""
    old.make()
    assert old.ingest().returncode == 0
    old.rows(
        "insert into dwh_control.migration (version, name, applied_by) values (99, 'later', 'x');"
        " revoke select on staging.ingest_offset from airline_monitor"
    )
    before, passwords = old.catalogue(), old.rows("select rolname, rolpassword from pg_authid")

    with pytest.raises(AirlineError, match="is of version 99"):
        old.make()
    done = old.ingest()
    assert done.returncode == 1 and "is of version 99" in done.stderr
    done = open_batch(old)
    assert not done.success and "is of version 99" in messages(done)
    assert "use the ./airline that made it" in ask_version(old.settings).problem

    options = argparse.Namespace(only="core", scale=1.0, seed=None, no_data=False, wait=False)
    files = {each for each in old.settings.home.iterdir()}
    with pytest.raises(AirlineError, match="is of version 99") as raised:
        up.up(old.settings, options)
    assert "\n" not in str(raised.value)
    assert {each.name for each in set(old.settings.home.iterdir()) - files} <= {
        "cache",
        "data",
        "lock",
    }

    assert old.catalogue() == before
    assert old.rows("select rolname, rolpassword from pg_authid") == passwords


def test_a_killed_migration_leaves_the_warehouse_as_it_was(old, folder):
    """A stack would be half of one version and half of the next, for good."""
    before = old.catalogue()
    folder = folder / "migrations"
    folder.mkdir()
    for each in layout.migrations():
        (folder / f"{each.number:04}_{each.name}.sql").write_text(f"-- .\n{each.statements}")
    (folder / f"{layout.version() + 1:04}_more.sql").write_text(
        "-- More.\nalter table staging.ingest_offset add more text; select pg_sleep(3);"
    )
    code = (
        "import sys; from pathlib import Path; from infra import warehouse;"
        " from infra.postgres.server import Server; from infra.settings import Settings;"
        " from infra.warehouse import layout;"
        " layout.migrations.__defaults__ = (Path(sys.argv[1]),);"
        " s = Settings.from_environment();"
        " warehouse.make(s, Server(s, 'test', s.home, s.dwh_port))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, env=os.environ | old.environment
    )
    sleeps = (
        "select pid from pg_stat_activity where datname = current_database()"
        " and wait_event = 'PgSleep'"
    )
    wait(lambda: old.rows(sleeps))
    process.kill()
    process.wait()
    wait(lambda: not old.rows(sleeps))
    # Whoever asks for the tables waits for the rollback.
    assert old.rows("select next_offset from staging.ingest_offset") == [(5,)]
    assert old.catalogue() == before
    assert len(old.make()) == layout.version()


def test_two_at_once_migrate_once(old):
    """The second would fail with an error of PostgreSQL, or do it all again."""
    applied: list[list] = []
    errors: list[BaseException] = []

    def make() -> None:
        try:
            applied.append(old.make())
        except BaseException as error:
            errors.append(error)

    # Held until both wait for it.
    with closing(psycopg2.connect(old.dsn)) as holder, holder, holder.cursor() as cursor:
        layout.hold(cursor)
        threads = [threading.Thread(target=make) for _ in range(2)]
        for thread in threads:
            thread.start()
        wait(lambda: errors or old.rows(WAITING) == [(2,)])
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(map(len, applied)) == [0, layout.version()]


def test_a_table_that_is_held_ends_the_migration_with_what_to_do(old, monkeypatch):
    """`up` would wait for ever for a session that somebody left open."""
    monkeypatch.setattr(layout, "PATIENCE", 1)
    before = old.catalogue()
    with closing(psycopg2.connect(old.dsn)) as reader:
        reader.cursor().execute("select from staging.dead_letter")
        with pytest.raises(AirlineError, match="another session holds") as raised:
            old.make()
    assert "./airline status" in raised.value.todo
    assert old.catalogue() == before
    assert len(old.make()) == layout.version()


def test_a_warehouse_without_tables_yet_is_brought_up(old):
    """A stack whose first `up` of an earlier version was killed could never be brought up."""
    old.rows("drop table staging.ingest_offset, staging.dead_letter")
    assert len(old.make()) == layout.version()
    assert old.ingest().returncode == 0


def test_what_a_step_says_wrong_is_told(old):
    """A migration that fails would end in a traceback, or be noted as applied."""
    step = layout.Migration(
        layout.version() + 1, "wrong", "Wrong.", "alter table nowhere add x int"
    )
    old.make()
    before = old.catalogue()
    with (
        pytest.raises(AirlineError, match="failed; the warehouse is as it was") as raised,
        closing(psycopg2.connect(old.dsn)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        found = layout.recorded(cursor)
        layout.migrate(cursor, found, steps=[*layout.migrations(), step])
    assert "nowhere" in raised.value.detail
    assert old.catalogue() == before
    assert ask_version(old.settings).problem == ""


def wait(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
