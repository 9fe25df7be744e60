"""The source's clock steps back by an hour, through the real server and the real connector."""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import replace
from importlib import resources

import pytest

from infra.parts.registry import registry

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        (sys.platform, platform.machine()) != ("linux", "x86_64"),
        reason="libfaketime's package has a library for Linux on x86-64 only",
    ),
]


CITIES = ["first", "second", "third", "fourth"]


def restart_primary(stack, **environment: str) -> None:
    """Starts the primary again, with this added to its environment."""
    programs = [service.program() for service in registry(stack.settings)]
    stack.supervisor.halt("primary")
    stack.supervisor.start(
        replace(each, environment=each.environment | environment)
        if each.name == "primary"
        else each
        for each in programs
    )
    stack.supervisor.run("primary")
    stack.wait(lambda: stack.supervisor.states()["primary"].state == "RUNNING", "primary runs")
    stack.wait_for_services("primary")


@pytest.fixture
def clock_back(stack):
    """Sets the primary's clock back by an hour when called; right again after the test."""
    library = stack.home / "config" / "libfaketime.so"

    def set_back() -> None:
        vendored = resources.files("libfaketime") / "vendor/libfaketime/src/libfaketime.so.1"
        shutil.copyfile(str(vendored), library)
        restart_primary(
            stack,
            LD_PRELOAD=str(library),
            FAKETIME="-1h",
            FAKETIME_DONT_FAKE_MONOTONIC="1",
        )

    yield set_back
    restart_primary(stack)
    library.unlink(missing_ok=True)
    stack.sql("primary", "delete from airports where airport_code = 'CLK'")
    stack.assert_audit_clean()


def test_order_is_the_logs_and_not_the_clocks(stack, clock_back):
    """After the clock stepped back the vault takes an older row for the
    newest, or misses the change.
    """
    stack.commit("insert into airports values ('CLK', 'Clock', 'first', 0, 0, 'UTC')")
    stack.commit("update airports set city = 'second' where airport_code = 'CLK'")
    # One change of before and one of after in a batch; the next ones in a batch of their own.
    clock_back()
    stack.commit("update airports set city = 'third' where airport_code = 'CLK'")
    stack.assert_audit_clean()
    stack.commit("update airports set city = 'fourth' where airport_code = 'CLK'")
    stack.assert_audit_clean()

    # The newest four: a kept stack may have those of an earlier run.
    fourth, third, second, first = stack.sql(
        "dwh",
        "select value -> 'after' ->> 'city', (value -> 'source' ->> 'ts_us')::bigint"
        " from staging.airports where value -> 'after' ->> 'airport_code' = 'CLK'"
        " order by kafka_offset desc limit 4",
    )
    assert [city for city, _ in (first, second, third, fourth)] == CITIES
    # The clock did step back: else nothing was tried.
    assert third[1] < second[1] and fourth[1] < second[1]
    versions = stack.sql(
        "dwh",
        "select city from dwh_detailed.sat_airport_details"
        " inner join dwh_detailed.hub_airports using (airport_hash_key)"
        " where airport_code = 'CLK' order by sat_airport_details.load_date desc limit 4",
    )
    assert [city for (city,) in reversed(versions)] == CITIES
    assert stack.sql(
        "dwh", "select city from dwh_business.current_airports where airport_code = 'CLK'"
    ) == [("fourth",)]
