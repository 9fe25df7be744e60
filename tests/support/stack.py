"""One whole stack for the tests of a suite, brought up as a person would: by `./airline up`.

`./airline test` gives it a folder and ports of its own. Tests share its data: each asks about what
it did itself, leaves the stack running, and leaves source and vault equal.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

import psycopg2
import pytest

from infra.loading import landing
from infra.parts.registry import registry
from infra.settings import ROOT, Settings
from infra.stack.supervision import Supervisor
from tests.support.commands import run

# How long anything may take before a test gives up; nothing is asserted about speed.
PATIENCE = 300.0


class Stack:
    """A running stack, and what a person does with it."""

    def __init__(self, settings: Settings, *arguments: str) -> None:
        self.settings = settings
        # What `up` is told each time: which parts this stack has.
        self.arguments = arguments
        self.home = settings.home
        self.supervisor = Supervisor(settings)
        # What the first `up` printed.
        self.first_up = ""

    def airline(
        self, *arguments: str, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """`./airline` with these arguments; `variables` are added to the environment.

        Unless `check` is false a failure fails the test, with all that it said.
        """
        return run(["./airline", *arguments], ROOT, os.environ | variables, check=check)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`./airline` with these arguments, beside whatever else goes on."""
        return subprocess.Popen(
            ["./airline", *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def up(self, *arguments: str, check: bool = True, **variables: str) -> Any:
        """`./airline up` for the parts that this stack has."""
        return self.airline("up", *self.arguments, *arguments, check=check, **variables)

    def status(self) -> dict[str, Any]:
        """What `./airline status --json` says."""
        return json.loads(self.airline("status", "--json", check=False).stdout)

    def sql(self, server: str, statement: str, *parameters: Any) -> list[tuple]:
        """Runs a statement as admin on primary, replica or dwh; its rows, if any."""
        with closing(psycopg2.connect(self.settings.dsn(server))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []

    def commit(self, *statements: str) -> None:
        """Runs statements at the source in one transaction."""
        with (
            closing(psycopg2.connect(self.settings.dsn("primary"))) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)

    def wait_until_landed(self) -> None:
        """Until all that was committed is in staging: half a transaction is unread too, and no
        load takes it.
        """
        landing.wait_until_landed(self.settings, print)

    def audit(self) -> dict[str, Any]:
        """Loads what is pending, then source against vault: what `./airline audit --json` says."""
        done = self.airline("audit", "--json", check=False)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def assert_audit_clean(self) -> None:
        """Fails the test with the rows that differ between source and vault."""
        found = self.audit()
        named = {table["table"]: table["named"] for table in found["tables"] if table["named"]}
        assert found["differences"] == 0, named
        ill = [line for table in found["tables"] for line in table["findings"]]
        assert not (found["findings"] + ill), found["findings"] + ill

    def half_bookings(self, server: str, relation: str) -> list[tuple]:
        """(reference, total, sum of its segments) of bookings where the two differ.

        `relation` says what the relations are called there: '{}' or a longer pattern.
        """
        bookings, tickets, segments = map(
            relation.format, ("bookings", "tickets", "ticket_flights")
        )
        return self.sql(
            server,
            f"""
            select book_ref, booking.total_amount, sold.amount
            from {bookings} as booking
            full join (
                select ticket.book_ref, sum(segment.amount) as amount
                from {tickets} as ticket inner join {segments} as segment using (ticket_no)
                group by ticket.book_ref
            ) as sold using (book_ref)
            where booking.total_amount is distinct from sold.amount
            order by book_ref
            """,
        )

    def pid(self, service: str) -> int:
        """The process of a supervised service. It has none, 0, between two starts: that is waited
        for, since a signal to 0 goes to all of the test's own processes.
        """
        return self.wait(lambda: self.pids()[service], f"{service} has a process")

    def pids(self) -> dict[str, int]:
        """The process of every supervised service."""
        return {name: state.pid for name, state in self.supervisor.states().items()}

    def healthy_status(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """`./airline status` as soon as it says that all is well: for seconds, as while ingesters
        share the partitions out anew, it may not be.
        """
        deadline = time.monotonic() + PATIENCE
        while (done := self.airline("status", check=False, **variables)).returncode:
            assert time.monotonic() < deadline, f"{done.stdout}\n{done.stderr}"
            time.sleep(1)
        return done

    def kill(self, service: str) -> None:
        """Ends a service as a power cut would, and waits until it was started again."""
        before = self.pid(service)
        with suppress(ProcessLookupError):
            os.kill(before, 9)
        self.wait(
            lambda: (
                self.supervisor.states()[service].state == "RUNNING"
                and self.pids()[service] not in (0, before)
            ),
            f"{service} is started again",
        )

    def wait_for_services(self, *names: str) -> None:
        """Waits until these services answer, all of the stack if none is named: a database that
        runs may be at its recovery still.
        """
        for each in registry(self.settings):
            if not names or each.name in names:
                self.wait(each.answers, f"{each.name} answers")

    def is_loading_vault(self) -> bool:
        """Whether a session of dbt is at the tables of the vault."""
        return bool(
            self.sql(
                "dwh",
                "select 1 from pg_stat_activity where usename = 'airline_dbt' and query like %s",
                "%dwh_detailed%",
            )
        )

    def wait(self, until: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
        """Waits until something is true, and returns it; fails the test if it is not in `patience`
        seconds.
        """
        deadline = time.monotonic() + patience
        while not (found := until()):
            assert time.monotonic() < deadline, f"waited {patience:.0f} s in vain until {what}"
            time.sleep(0.2)
        return found


def bring_up(*arguments: str) -> Stack:
    """The stack of this run of `./airline test`, brought up with these arguments of `up`."""
    if not os.environ.get("AIRLINE_TESTING"):
        pytest.fail("the end-to-end tests need a stack of their own: run './airline test --e2e'")
    stack = Stack(Settings.from_environment(), *arguments)
    stack.first_up = stack.up("--scale", "0.1", "--wait").stdout
    return stack
