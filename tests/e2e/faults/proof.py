"""What must hold whatever happened: each event of the topics landed once, vault = source, and
the vault is what raw gives when it is loaded from nothing.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg2

import catalogue
from infra import warehouse
from infra.dbt import runner
from infra.postgres import access, roles
from infra.settings import ROOT, Settings
from infra.warehouse.service import Warehouse
from tests.support.topics import first_offset, topic_of, topic_offsets

REBUILT = "airline_rebuilt"
STAGED = catalogue.landed()


@dataclass
class Proof:
    """What was counted, and everything that should not be.

    `skipped` are rows that Debezium never sent (docs/reliability.md, "What others lose"): no topic
    and so not raw has them, the audit found them and `resync` brought them back.
    """

    events: int = 0
    lost: int = 0
    twice: int = 0
    skipped: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not (self.lost or self.twice or self.differences)


def prove(stack) -> Proof:
    """Loads what is pending, then compares topics with staging, source with vault, and the vault
    with one made from raw. Nothing may change at the source meanwhile.
    """
    proof = Proof()
    audited = stack.audit()["tables"]
    compare_topics(stack, proof)
    proof.differences += [f"rebuild: {line}" for line in rebuild_differences(stack.settings)]
    missing = [table["table"] for table in audited if table["missing"]]
    if missing and proof.holds:
        proof.skipped = sum(count_never_sent(stack, table) for table in missing)
        for table in missing:
            stack.airline("resync", "--yes", table)
        audited = stack.audit()["tables"]
    proof.differences += [
        f"audit: {table['table']}: {line}"
        for table in audited
        for line in table["named"] + table["findings"]
    ]
    return proof


def count_never_sent(stack, table: str) -> int:
    """How many rows of the source the vault lacks, none of which has an event in raw.

    AssertionError otherwise: the load lost it, and a vault rebuilt from raw lacks it as well.
    """
    done = stack.airline("audit", "--json", "--as-is", "--names", "1000000000", check=False)
    audited = {each["table"]: each for each in json.loads(done.stdout)["tables"]}[table]
    lacking = [
        dict(column.split("=", 1) for column in line.split(": ", 1)[1].split(", "))
        for line in audited["named"]
        if line.startswith("not in the vault")
    ]
    sent = stack.sql(
        "dwh",
        "with lacking as (select jsonb_array_elements(%s::jsonb) as key)"
        f" select lacking.key from staging.{table} as event inner join lacking on ("
        + " and ".join(f"event.key ->> '{name}' = lacking.key ->> '{name}'" for name in lacking[0])
        + ") limit 5",
        json.dumps(lacking),
    )
    assert not sent, f"{table}: raw has events of rows that the vault lacks: {sent}"
    return len(lacking)


def compare_topics(stack, proof: Proof) -> None:
    """A fresh reading of every topic against staging: offset by offset, and by identity."""
    for table in STAGED:
        there = topic_offsets(stack.settings, table)
        landed = {
            offset for (offset,) in stack.sql("dwh", f"select kafka_offset from staging.{table}")
        }
        # What somebody decided to do without is not lost.
        discarded = {
            offset
            for (offset,) in stack.sql(
                "dwh",
                "select kafka_offset from staging.dead_letter"
                " where topic = %s and resolution = 'discarded'",
                topic_of(table),
            )
        }
        proof.events += len(landed)
        # Where Kafka lost events that had landed raw has what the topic has not, and what the
        # topic has there landed again behind it.
        for first, after in stack.sql(
            "dwh",
            "select from_offset, to_offset from staging.lost_log where topic = %s",
            topic_of(table),
        ):
            # Right before it may be a transaction of which only the commit was lost: the broker
            # then ended it as aborted.
            first = max((offset for offset in there if offset < first), default=-1) + 1
            there -= set(range(first, after))
            landed -= set(range(first, after))
        # Somebody was forgotten: Kafka's log begins later, and raw is the history.
        begins = first_offset(stack.settings, table)
        landed = {offset for offset in landed if offset >= begins}
        missing = there - landed - discarded
        proof.lost += len(missing)
        if missing:
            proof.differences.append(f"{table}: not landed: {sorted(missing)[:5]}")
        if landed - there:
            proof.differences.append(f"{table}: in no topic: {sorted(landed - there)[:5]}")
    proof.twice += repeated(stack)


def repeated(stack) -> int:
    """Change events of one place in one transaction that came more than once. Offsets cannot be
    twice in staging, its primary key forbids it; the same change at two offsets could.
    """
    count = 0
    for table in catalogue.names():
        [(more,)] = stack.sql(
            "dwh",
            "select coalesce(sum(n - 1), 0) from (select count(*) as n"
            f" from staging.{table} where jsonb_typeof(value -> 'transaction') = 'object'"
            " group by value -> 'source' -> 'txId', value -> 'transaction' -> 'total_order',"
            " value -> 'source' -> 'lsn' having count(*) > 1) as again",
        )
        count += int(more)
    return count


def rebuild_differences(settings: Settings) -> list[str]:
    """Where the vault is not what its raw events give when they are loaded at once from nothing.

    In a database beside it: raw is copied up to where the vault has read, and loaded by the
    project's own dbt graph. Every column of every row counts.
    """
    rebuilt = replace(settings, dwh_db=REBUILT)
    with _let_in(rebuilt):
        _fresh_database(rebuilt)
        _copy_raw(settings, rebuilt)
        _load(rebuilt)
    ours, theirs = digests(settings), digests(rebuilt)
    found = []
    for table in sorted(ours.keys() | theirs.keys()):
        if ours.get(table) != theirs.get(table):
            found.append(
                f"{table}: (rows, digest) {ours.get(table)} in the vault, "
                f"{theirs.get(table)} from raw{_first_difference(settings, rebuilt, table)}"
            )
    return found


@contextmanager
def _let_in(rebuilt: Settings) -> Iterator[None]:
    """The warehouse's roles may come into its database too, as `./airline up` lets them into the
    stack's own.
    """
    server = Warehouse(rebuilt).server
    doors = server.data / "pg_hba.conf"
    usual = doors.read_text()
    doors.write_text(usual + access.warehouse(rebuilt))
    server.query("select pg_reload_conf()")
    try:
        yield
    finally:
        doors.write_text(usual)
        server.query("select pg_reload_conf()")


def _fresh_database(rebuilt: Settings) -> None:
    server = Warehouse(rebuilt).server
    server.query(f"drop database if exists {REBUILT} with (force)")
    warehouse.make(rebuilt, server)
    subprocess.run(
        [sys.executable, "-m", "ingest", "--init-only"],
        cwd=ROOT,
        env=os.environ
        | rebuilt.environment()
        | {"AIRLINE_INGEST_PASSWORD": rebuilt.secret(roles.INGEST)},
        check=True,
        capture_output=True,
    )


def _copy_raw(settings: Settings, rebuilt: Settings) -> None:
    with (
        closing(psycopg2.connect(settings.dsn("dwh"))) as source,
        closing(psycopg2.connect(rebuilt.dsn("dwh"))) as target,
    ):
        source.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with source.cursor() as read, target, target.cursor() as write:
            for table in (*STAGED, "ingest_offset", "dead_letter"):
                rows = io.BytesIO()
                read.copy_expert(f"copy staging.{table} to stdout (format binary)", rows)
                rows.seek(0)
                write.copy_expert(f"copy staging.{table} from stdin (format binary)", rows)
            # No further than the vault has read.
            read.execute(
                "select topic, kafka_partition, to_offset from dwh_control.load_batch_range"
                " where load_batch_id = (select max(load_batch_id) from dwh_control.load_batch"
                " where outcome = 'loaded')"
            )
            for topic, partition, offset in read.fetchall():
                write.execute(
                    "update staging.ingest_offset set next_offset = %s"
                    " where topic = %s and kafka_partition = %s",
                    (offset, topic, partition),
                )


def _load(rebuilt: Settings) -> None:
    # Its own target folder, which stays: parsed once and not at each round.
    target = rebuilt.home / "dbt" / "rebuilt"
    done = subprocess.run(
        runner.command(
            *("run", "--quiet", "--selector", "vault"),
            # All that will come has come.
            *("--vars", "{transaction_patience: 0 seconds}"),
            *("--target-path", str(target / "target"), "--log-path", str(target / "logs")),
        ),
        cwd=rebuilt.root,
        env=runner.environment(rebuilt),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def digests(settings: Settings) -> dict[str, tuple[Any, ...]]:
    """Table of the vault -> (rows, sum of the rows' hashes): the same for the same set of rows."""
    with closing(_connect(settings)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select table_name from information_schema.tables"
            " where table_schema = 'dwh_detailed' order by 1"
        )
        digests = {}
        for (table,) in cursor.fetchall():
            cursor.execute(
                "select count(*), sum(hashtextextended(t::text, 0)::numeric)"
                f" from dwh_detailed.{table} as t"
            )
            digests[table] = cursor.fetchone()
    return digests


def _first_difference(settings: Settings, rebuilt: Settings, table: str) -> str:
    rows = []
    for each in (settings, rebuilt):
        with closing(_connect(each)) as connection, connection.cursor() as cursor:
            cursor.execute(f"select t::text from dwh_detailed.{table} as t")
            rows.append({text for (text,) in cursor})
    only_ours, only_theirs = sorted(rows[0] - rows[1])[:3], sorted(rows[1] - rows[0])[:3]
    return f"\n  only in the vault: {only_ours}\n  only from raw: {only_theirs}"


def _connect(settings: Settings):
    return psycopg2.connect(settings.dsn("dwh"), options="-c timezone=UTC -c datestyle=ISO")
