"""Trouble reaches its owner: planted on real servers, found by the checks of `status`, and mailed.

Of the defects of DEFECTS those that PLANTED_IN_DATABASES names are planted in a real warehouse and
source, and the check itself finds them. The others need a whole stack (Airflow, Kafka, a full
disk): those are planted as what their check or its service says (`said`).
"""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg2
import psycopg2.extras
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from infra.alerts import desk
from infra.alerts.desk import Desk
from infra.audit import audit
from infra.audit.results import TableResult
from infra.errors import AirlineError
from infra.health import checks, results, told
from infra.health.finding import Finding
from infra.health.volume import is_unusual
from infra.mail import delivery
from infra.mail.owners import owners
from infra.parts.registry import registry
from infra.settings import ROOT, Settings
from infra.source import resync_due
from infra.stack import home
from infra.stack.journal import Journal
from infra.warehouse import dbt_dsn
from tests.support.events import airport
from tests.support.mail import Box, mail_server
from tests.support.warehouse import Warehouse, messages

pytestmark = pytest.mark.timeout(2700)

OWNERS = {group: owner.email for group, owner in owners(ROOT / "models").items()}
PLATFORM = "data_vault"
# A person is to know so soon, in seconds.
SOON = 300
ROUND = 10
# These ask a primary with all tables, a replica, ingesters, or the disk of the machine.
NEED_A_STACK = {"source tables", "replication", "ingesters", "disk space"}
# Days of the history, and changes on each of them.
DAYS, USUAL = 20, 5000


class Stack:
    """A warehouse that is loaded, a source with CDC's slot, and what they are found to be."""

    def __init__(self, server, folder: Path) -> None:
        self.server = server
        self.warehouse = Warehouse(server, "alerts", folder)
        self.settings = dataclasses.replace(
            self.warehouse.settings, primary_port=server.port, smtp_tls="none"
        )
        home.make(self.settings)
        self.warehouse.source.snapshot("airports", airport("AAA"))
        self.warehouse.load()
        self._make_history()
        self.said: dict[str, str] = {}
        self.troubles: list = []
        self.slot: psycopg2.extensions.connection | None = None
        self.run("select pg_create_logical_replication_slot('airline_cdc', 'pgoutput')")
        self.read_slot()

    def _make_history(self) -> None:
        """Batches of the days before; below the real one, so that loads go on from that."""
        self.load_batch(-2000, f"{DAYS + 1} days", 1_000_000)
        for day in range(DAYS, -1, -1):
            self.load_batch(-1000 - day, f"{day} days 1 hour", USUAL)

    def load_batch(self, number: int, ago: str, changes: int) -> None:
        """A batch that was loaded then."""
        self.run(
            "insert into dwh_control.load_batch"
            " (load_batch_id, is_full_refresh, opened_at, closed_at, outcome) overriding system"
            " value values (%s, false, now() - %s::interval, now() - %s::interval, 'loaded')",
            *(number, ago, ago),
        )
        self.run(
            "insert into dwh_control.load_batch_range"
            " select %s, 'airline.public.bookings', 0, newest, newest + %s"
            " from (select coalesce(max(to_offset), 0) as newest"
            " from dwh_control.load_batch_range where load_batch_id < 0) as landed",
            *(number, changes),
        )

    def forget_batch(self, number: int) -> None:
        self.run("delete from dwh_control.load_batch_range where load_batch_id = %s", number)
        self.run("delete from dwh_control.load_batch where load_batch_id = %s", number)

    def run(self, statement: str, *parameters) -> list[tuple]:
        return self.warehouse.rows(statement, *parameters)

    def alone(self, statement: str) -> None:
        """A statement that takes no transaction."""
        with closing(psycopg2.connect(self.warehouse.dsn)) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)

    def read_slot(self) -> None:
        """Reads CDC's slot, as Debezium does."""
        self.slot = psycopg2.connect(
            self.warehouse.dsn,
            connection_factory=psycopg2.extras.LogicalReplicationConnection,
            options="-c wal_sender_timeout=0",
        )
        self.slot.cursor().start_replication(
            slot_name="airline_cdc", options={"proto_version": "1", "publication_names": "none"}
        )

    def leave_slot(self) -> None:
        self.slot.close()
        while self.run("select 1 from pg_replication_slots where active"):
            time.sleep(0.1)

    def node(self, group: str, name: str, status: str, schema: str = "", ago: str = "0 h") -> None:
        """A result that dbt's hook has noted."""
        well = status in ("success", "pass")
        self.run(
            "insert into dwh_control.node_result values (%s, %s, 'model', %s, %s, %s, %s, 'test',"
            " now() - %s::interval, case when %s then now() - %s::interval end,"
            " case when not %s then now() - %s::interval end, null)",
            *(name, name, group, name, schema, status, ago, well, ago, well, ago),
        )

    def forget_node(self, name: str) -> None:
        self.run("delete from dwh_control.node_result where node_id = %s", name)

    def look(self) -> tuple[list[Finding], list[Finding]]:
        """What is found now: by the checks, where a database is enough for them."""
        services = [
            Finding(
                each.name,
                problem=self.said.get(told.cause_of(each.name), ""),
                values={"state": "RUNNING", "answers": True, "last_error": None},
            )
            for each in registry(self.settings)
        ]
        asked = tuple(each for each in checks.CHECKS if each.name not in NEED_A_STACK)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(checks, "CHECKS", asked)
            findings = checks.findings(self.settings, {"primary", "dwh"})
            # One look stands for minutes here: a busy machine's late answer is asked for again.
            while any("no answer within" in each.problem for each in findings):
                findings = checks.findings(self.settings, {"primary", "dwh"})
        findings += [Finding(name, "not asked") for name in sorted(NEED_A_STACK)]
        for each in findings:
            if each.awaits or each.name in self.said:
                each.problem, each.is_known, each.awaits = self.said.get(each.name, ""), True, ()
            if each.name == "DAGs":
                each.troubles = self.troubles
        return services, findings


@pytest.fixture(scope="module")
def stack(postgres_server, tmp_path_factory) -> Iterator[Stack]:
    made = Stack(postgres_server, tmp_path_factory.mktemp("alerts"))
    yield made
    # The server is the session's: others count its slots.
    made.leave_slot()
    made.run("select pg_drop_replication_slot('airline_cdc')")


class Day:
    """The rounds of the service `metrics` on a clock of their own, and the mail that comes."""

    def __init__(self, stack: Stack, box: Box, folder: Path) -> None:
        self.stack = stack
        self.box = box
        folder.mkdir()
        self.settings = dataclasses.replace(
            stack.settings, smtp_host="127.0.0.1", smtp_port=box.port, home=folder
        )
        self.now = time.time()
        self.open()

    def open(self) -> None:
        """A process that has just started."""
        self.desk = Desk(self.settings, lambda: self.now)

    def go(self, seconds: float = SOON) -> list[tuple[str, str]]:
        """So many seconds of rounds, of what is found at their beginning. Returns the address and
        the subject of each letter.
        """
        before = len(self.box.letters)
        found = told.troubles(self.settings, *self.stack.look())
        for _ in range(int(seconds // ROUND)):
            self.now += ROUND
            self.desk.look(*found)
        return [(to, made["Subject"]) for to, made in self.box.letters[before:]]

    @property
    def text(self) -> str:
        return self.box.letters[-1][1].get_content()


@pytest.fixture
def day(stack, tmp_path) -> Iterator[Day]:
    with mail_server() as box:
        yield Day(stack, box, tmp_path / "office")


@contextmanager
def control_row(stack: Stack, insert: str, delete: str) -> Iterator[None]:
    stack.run(insert)
    yield
    stack.run(delete)


def rows(insert: str, delete: str) -> Callable[[Stack], object]:
    return lambda stack: control_row(stack, insert, delete)


def failing(group: str, name: str, status: str = "error") -> Callable[[Stack], object]:
    @contextmanager
    def plant(stack: Stack) -> Iterator[None]:
        stack.node(group, name, status)
        yield
        stack.forget_node(name)

    return plant


def old_mart(group: str, name: str) -> Callable[[Stack], object]:
    @contextmanager
    def plant(stack: Stack) -> Iterator[None]:
        stack.node(group, name, "success", "presentation", "27 h")
        yield
        stack.forget_node(name)

    return plant


@contextmanager
def audit_that_differs(stack: Stack) -> Iterator[None]:
    different = TableResult("tickets", ["ticket_no"], different=3, named=["ticket_no 42"])
    audit.note(dbt_dsn(stack.settings), [different, TableResult("seats", [])], 0)
    yield
    audit.note(dbt_dsn(stack.settings), [TableResult("tickets", [])], 0)


@contextmanager
def events_that_wait(stack: Stack) -> Iterator[None]:
    stack.warehouse.source.commit(("u", "airports", airport("AAA", city="Waits")))
    stack.warehouse.source.land()
    stack.run("update staging.airports set landed_at = now() - interval '3 hours'")
    yield
    stack.run("update staging.airports set landed_at = now()")


@contextmanager
def flood(stack: Stack) -> Iterator[None]:
    stack.load_batch(-5, "1 minute", 100 * USUAL)
    yield
    stack.forget_batch(-5)


@contextmanager
def drought(stack: Stack) -> Iterator[None]:
    stack.forget_batch(-1000)
    yield
    stack.load_batch(-1000, "1 hour", USUAL)


@contextmanager
def slot_that_nobody_reads(stack: Stack) -> Iterator[None]:
    stack.leave_slot()
    yield
    stack.read_slot()


@contextmanager
def slot_that_grows(stack: Stack) -> Iterator[None]:
    stack.alone("alter system set max_slot_wal_keep_size = '64MB'")
    stack.run("select pg_reload_conf()")
    for _ in range(3):
        stack.run("create table if not exists grows (id int); insert into grows values (1)")
        stack.run("select pg_switch_wal()")
    try:
        yield
    finally:
        stack.alone("alter system reset max_slot_wal_keep_size")
        stack.run("select pg_reload_conf()")
        time.sleep(1)


@contextmanager
def slot_that_is_gone(stack: Stack) -> Iterator[None]:
    stack.leave_slot()
    stack.run("select pg_drop_replication_slot('airline_cdc')")
    yield
    stack.run("select pg_create_logical_replication_slot('airline_cdc', 'pgoutput')")
    stack.read_slot()


@contextmanager
def lock(stack: Stack) -> Iterator[None]:
    with closing(psycopg2.connect(stack.warehouse.dsn)) as holder:
        holder.cursor().execute("lock table dwh_control.hashing")

        def wait() -> None:
            with closing(psycopg2.connect(stack.warehouse.dsn)) as waiter:
                waiter.cursor().execute("lock table dwh_control.hashing")

        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        deadline = time.monotonic() + 120
        while not blocked(stack) and time.monotonic() < deadline:
            time.sleep(1)
        yield
    waiting.join()


def blocked(stack: Stack) -> str:
    [found] = [each for each in stack.look()[1] if each.name == "locks"]
    return found.problem


@contextmanager
def resync_that_is_due(stack: Stack) -> Iterator[None]:
    resync_due.note(stack.settings, "seats", "its table was made anew")
    yield
    resync_due.forget(stack.settings, ["seats"])


@contextmanager
def resync_that_did_not_end(stack: Stack) -> Iterator[None]:
    Journal(stack.settings, "resync").write(tables=["seats"])
    yield
    Journal(stack.settings, "resync").end()


def said(**names: str) -> Callable[[Stack], object]:
    """What a check or a service says where the fault itself needs a whole stack."""

    @contextmanager
    def plant(stack: Stack) -> Iterator[None]:
        stack.said.update({name.replace("_", " "): text for name, text in names.items()})
        yield
        stack.said.clear()

    return plant


@contextmanager
def dag_that_failed(stack: Stack) -> Iterator[None]:
    stack.troubles = [told.Trouble("DAG maintenance", "the last run failed: see it", "DAGs")]
    yield
    stack.troubles = []


# Name -> (how it is planted, whose it is, its cause).
PLANTED_IN_DATABASES: dict[str, tuple[Callable[[Stack], object], str, str]] = {
    "a load that was killed": (
        rows(
            "insert into dwh_control.load_batch (is_full_refresh, opened_at)"
            " values (false, now() - interval '2 hours')",
            "delete from dwh_control.load_batch where closed_at is null",
        ),
        PLATFORM,
        "load batch",
    ),
    "events that nobody loads": (events_that_wait, PLATFORM, "load batch"),
    "a load that fails": (failing(PLATFORM, "hub_airports"), PLATFORM, "data_vault: hub_airports"),
    "a mart that fails": (
        failing("airports", "airport_traffic"),
        "airports",
        "airports: airport_traffic",
    ),
    "a test that fails": (
        failing("passengers", "frequent_flyers_flew", "fail"),
        "passengers",
        "passengers: frequent_flyers_flew",
    ),
    "a test that cannot run": (
        failing("operations", "booking_curve", "error"),
        "operations",
        "operations: booking_curve",
    ),
    "a mart of the sales that fails": (
        failing("sales", "route_outlook"),
        "sales",
        "sales: route_outlook",
    ),
    "an old mart of the passengers": (
        old_mart("passengers", "frequent_flyers"),
        "passengers",
        "old marts of passengers",
    ),
    "an old mart of operations": (
        old_mart("operations", "airport_passenger_flow"),
        "operations",
        "old marts of operations",
    ),
    "an old mart of sales": (
        old_mart("sales", "booking_pace"),
        "sales",
        "old marts of sales",
    ),
    "an audit that differs": (audit_that_differs, PLATFORM, "audit"),
    "a flood of changes": (flood, PLATFORM, "volume"),
    "hardly any changes": (drought, PLATFORM, "volume"),
    "a slot that nobody reads": (slot_that_nobody_reads, PLATFORM, "slot"),
    "a slot that grows": (slot_that_grows, PLATFORM, "slot grows"),
    "a slot that is gone": (slot_that_is_gone, PLATFORM, "slot"),
    "a dead letter": (
        rows(
            "insert into staging.dead_letter (topic, kafka_partition, kafka_offset, error)"
            " values ('airline.public.seats', 0, 0, 'no JSON: ANNA PETROVA')",
            "delete from staging.dead_letter",
        ),
        PLATFORM,
        "dead letters",
    ),
    "an event set aside": (
        rows(
            "insert into dwh_control.set_aside_event"
            " (topic, kafka_partition, kafka_offset, reason, load_batch_id)"
            " values ('airline.public.seats', 0, 0, 'no number', 1)",
            "delete from dwh_control.set_aside_event",
        ),
        PLATFORM,
        "set aside",
    ),
    "a transaction loaded in part": (
        rows(
            "insert into dwh_control.incomplete_transaction (transaction_id, topic, events_landed,"
            " events_refused, first_progress_at, last_progress_at, load_batch_id)"
            " values (1, 'airline.public.seats', 1, 0, now(), now(), 1)",
            "delete from dwh_control.incomplete_transaction",
        ),
        PLATFORM,
        "transactions",
    ),
    "a warehouse of another version": (
        rows(
            "insert into dwh_control.migration (version, name, applied_by) values (999, 'x', 'y')",
            "delete from dwh_control.migration where version = 999",
        ),
        PLATFORM,
        "version",
    ),
    "a log that is another one": (
        rows(
            "update staging.ingest_offset set refusal = 'Kafka lost events of it: ./airline resync'"
            " where topic = 'airline.public.airports'",
            "update staging.ingest_offset set refusal = null",
        ),
        PLATFORM,
        "log continuity",
    ),
    "a session that holds others up": (lock, PLATFORM, "locks"),
    "a resync that is due": (resync_that_is_due, PLATFORM, "resync due"),
    "a resync that did not end": (resync_that_did_not_end, PLATFORM, "under way"),
}
DEFECTS = PLANTED_IN_DATABASES | {
    "a broker that is down": (
        said(service_kafka="not running", ingesters="cannot reach Kafka", connector="no broker"),
        PLATFORM,
        "service kafka",
    ),
    "a connector that failed": (
        said(connector="row of 'ANNA PETROVA' is too large: './airline logs connect' has more"),
        PLATFORM,
        "connector",
    ),
    "a full disk": (
        said(disk_space="1 MB left: make room", service_primary="not running", connector="ended"),
        PLATFORM,
        "disk space",
    ),
    "a replica that is away": (said(replication="it does not stream"), PLATFORM, "replication"),
    "a source table that is not captured": (
        said(source_tables="seats is not published: './airline up'"),
        PLATFORM,
        "source tables",
    ),
    "a run of a DAG that failed": (dag_that_failed, PLATFORM, "DAG maintenance"),
}


@contextmanager
def planted(stack: Stack, name: str) -> Iterator[None]:
    """Whatever a test finds, the next one begins without it."""
    plant = DEFECTS[name][0](stack)
    plant.__enter__()
    try:
        yield
    finally:
        plant.__exit__(None, None, None)


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_reaches_its_owner_once_and_its_end_too(stack, day, name):
    """Nobody hears of it, or everybody, or the owner again and again."""
    _, group, cause = DEFECTS[name]
    assert day.go() == [], "all is well before"
    with planted(stack, name):
        assert day.go() == [(OWNERS[group], f"[airline] {cause}")]
        assert "PETROVA" not in day.text
        assert f"owner of {group} in models/groups.yml" in day.text
        day.open()
        assert day.go(2 * SOON) == [], "told again"
    assert day.go() == [(OWNERS[group], f"[airline] over: {cause}")]
    assert day.go(2 * SOON) == []
    assert desk.read(day.settings).incidents == {}


def test_twenty_defects_at_once_are_one_message_to_each_owner(stack, day):
    """A bad night fills the mailboxes, and what matters is not seen in them."""
    # One state of the slot and of the volume at a time; what others would wait for; and a load that
    # fails and a newer warehouse, of which the marts that fail are a consequence.
    left_out = {
        "a slot that is gone",
        "a slot that grows",
        "hardly any changes",
        "a session that holds others up",
        "a load that fails",
        "a warehouse of another version",
    }
    names = [name for name in PLANTED_IN_DATABASES if name not in left_out] + [
        "a connector that failed",
        "a run of a DAG that failed",
        "a source table that is not captured",
    ]
    assert len(names) == 21
    assert day.go() == []
    with ExitStack() as held:
        for name in names:
            held.enter_context(planted(stack, name))
        letters = day.go()
        assert sorted(to for to, _ in letters) == sorted(OWNERS.values())
        text = "\n".join(made.get_content() for _, made in day.box.letters)
        for name in names:
            assert DEFECTS[name][2] in text, name
        assert day.go(SOON) == []
    over = day.go(2 * SOON)
    assert sorted({to for to, _ in over}) == sorted(OWNERS.values())
    assert len(over) == len(OWNERS)


def test_a_quiet_day_is_no_message(stack, day):
    """Usual traffic, loads every half hour: and a mail of it."""
    step = 1800
    numbers = iter(range(-1, -1000, -1))
    begun = []
    try:
        for _ in range(86_400 // step):
            stack.run(
                "update dwh_control.load_batch set opened_at = opened_at - %s * interval '1 s',"
                " closed_at = closed_at - %s * interval '1 s' where load_batch_id < 0",
                *(step, step),
            )
            begun.append(next(numbers))
            stack.load_batch(begun[-1], "1 minute", USUAL * step // 86_400)
            assert day.go(step) == []
    finally:
        for number in begun:
            stack.forget_batch(number)
        stack.run("delete from dwh_control.load_batch_range where load_batch_id < 0")
        stack.run("delete from dwh_control.load_batch where load_batch_id < 0")
        stack._make_history()
    assert desk.read(day.settings).incidents == {}


def test_a_view_of_marts_is_counted_as_no_table(stack, day):
    """`status` has a table more than there are: a mart's names lie in one of their own."""
    before = results.marts(stack.settings).values["known"]
    stack.run("create view presentation.shown as select 1 as n")
    try:
        for name in ("shown", "stored"):
            stack.node("passengers", name, "success", "presentation")
        assert results.marts(stack.settings).values["known"] == before + 1
    finally:
        stack.run("drop view presentation.shown")
        for name in ("shown", "stored"):
            stack.forget_node(name)


def test_dbt_notes_what_failed_whoever_ran_it_and_what_is_well_again(stack, day):
    """`status` says healthy after marts failed in a `dbt run` by hand."""
    warehouse = stack.warehouse
    noted = "select status, node_group, failing_since is null, succeeded_at is not null from"
    noted += " dwh_control.node_result where node_name = %s"
    assert stack.run(noted, "hub_airports") == [("success", PLATFORM, True, True)]
    needed = ("customer_group_thresholds", "airport_traffic", "frequent_flyers_personal")
    built = warehouse.dbt("build", "--select", *needed, "--indirect-selection", "cautious")
    assert built.success, messages(built)
    assert stack.run(noted, "frequent_flyers_personal") == [("success", "passengers", True, True)]
    [(tests,)] = stack.run(
        "select count(*) from dwh_control.node_result"
        " where model_name = 'frequent_flyers_personal' and node_group = 'passengers'"
        " and kind <> 'model'"
    )
    assert tests > 0
    unit_tests = (
        "select count(*) from dwh_control.node_result where kind = 'unit_test'"
        " and model_name = 'frequent_flyers_personal' and node_group = 'passengers'"
        " and status = 'pass'"
    )
    [(known,)] = stack.run(unit_tests)
    assert known > 0
    # As Airflow builds: it says nothing of unit tests.
    built = warehouse.dbt(
        *("build", "--select", "frequent_flyers_personal", "--exclude-resource-type", "unit_test")
    )
    assert built.success, messages(built)
    assert stack.run(unit_tests) == [(known,)]
    assert day.go() == []
    stack.run("alter table dwh_business.kept_ticket_flights rename column amount to amount_then")
    try:
        assert not warehouse.dbt("run", "--select", "frequent_flyers_personal").success
    finally:
        stack.run(
            "alter table dwh_business.kept_ticket_flights rename column amount_then to amount"
        )
    assert stack.run(noted, "frequent_flyers_personal") == [("error", "passengers", False, True)]
    [found] = [each for each in stack.look()[1] if each.name == "models and tests"]
    assert "frequent_flyers_personal failed when run last" in found.problem
    passengers = OWNERS["passengers"]
    assert day.go() == [(passengers, "[airline] passengers: frequent_flyers_personal")]
    assert warehouse.dbt("run", "--select", "frequent_flyers_personal").success
    assert day.go() == [(passengers, "[airline] over: passengers: frequent_flyers_personal")]


def test_what_the_project_has_no_more_is_forgotten(stack):
    """A mart that was removed is old for ever."""
    stack.node("passengers", "model.airline.removed", "error")
    assert stack.warehouse.dbt("run", "--select", "airport_traffic").success
    assert (
        stack.run("select 1 from dwh_control.node_result where node_id = 'model.airline.removed'")
        == []
    )


def test_a_run_before_the_table_is_there_ends_well(stack):
    """A new version's dbt fails on a stack that `up` has not brought up yet."""
    stack.run("alter table dwh_control.node_result rename to node_result_away")
    try:
        done = stack.warehouse.dbt("run", "--select", "airport_traffic")
        assert done.success, messages(done)
    finally:
        stack.run("alter table dwh_control.node_result_away rename to node_result")


def test_the_role_of_the_metrics_reads_all_that_is_asked(stack):
    """The service that writes to owners sees less than `status`, and tells them that."""
    settings = dataclasses.replace(
        stack.settings,
        admin_user="airline_monitor",
        admin_password=stack.settings.secret("airline_monitor"),
    )
    found = {each.name: each for each in checks.findings(settings, {"dwh"})}
    for name in ("models and tests", "marts", "volume", "audit", "messages"):
        assert found[name].is_known and not found[name].problem, found[name]


@pytest.mark.parametrize(
    ("today", "least", "most", "unusual"),
    [
        (5000, 4000, 6000, False),
        (12_001, 4000, 6000, True),
        (12_000, 4000, 6000, False),
        (1999, 4000, 6000, True),
        (0, 900, 6000, False),
        (1500, 10, 600, False),
    ],
)
def test_unusual_is_far_from_every_day_before(today, least, most, unusual):
    """Each weekend is a message, or a lost half of the bookings is none."""
    assert is_unusual(today, least, most) is unusual


def certificate(folder: Path) -> ssl.SSLContext:
    """TLS of a server at 127.0.0.1, whose certificate is in `folder` too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def a_letter(settings: Settings):
    from infra.alerts.book import OPENED, Message, Section
    from infra.alerts.letter import letter
    from infra.mail.owners import Owner

    message = Message(
        *("1", OPENED, Owner("Crew", "crew@x.example"), [PLATFORM]),
        [Section("slot", "it grows", 0.0)],
        0.0,
    )
    return letter(message, settings.smtp_from, "home", 0.0)


def test_mail_goes_by_starttls_with_a_login_and_to_nobody_else(tmp_path, monkeypatch):
    """The password goes to whoever answers on that port; or a company's server takes no mail."""
    tls = certificate(tmp_path)
    secret = tmp_path / "password"
    secret.write_text("mailpassword\n")
    with mail_server(tls) as box:
        settings = dataclasses.replace(
            Settings.from_environment({}),
            smtp_host="127.0.0.1",
            smtp_port=box.port,
            smtp_user="airline",
            smtp_password_file=str(secret),
        )
        with pytest.raises(AirlineError, match="TLS"):
            delivery.send(settings, a_letter(settings), "1")
        assert box.logins == [], "the password went to a server that nobody vouches for"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        delivery.send(settings, a_letter(settings), "1")
        assert box.logins == [("airline", "mailpassword")]
        assert [to for to, _ in box.letters] == ["crew@x.example"]
        secret.write_text("another")
        with pytest.raises(AirlineError, match="answer 535") as raised:
            delivery.send(settings, a_letter(settings), "2")
        assert "another" not in str(raised.value)
        assert len(box.letters) == 1


def test_an_address_that_is_refused_holds_nobody_up(stack, day):
    """One owner has left the company, and nobody hears of anything."""
    day.box.refused.add(OWNERS["airports"])
    with ExitStack() as held:
        held.enter_context(planted(stack, "a mart that fails"))
        held.enter_context(planted(stack, "a dead letter"))
        assert day.go() == [(OWNERS[PLATFORM], "[airline] dead letters")]
        [waiting] = desk.read(day.settings).outbox
        assert OWNERS["airports"] in waiting.problem
        day.box.refused.clear()
        assert day.go(2 * SOON) == [(OWNERS["airports"], "[airline] airports: airport_traffic")]
