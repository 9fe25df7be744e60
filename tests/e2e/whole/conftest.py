"""The end-to-end tests' stack with Airflow, Superset and the docs site in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.dags import Dags
from tests.support.stack import Stack, bring_up
from tests.support.superset import Client, Dashboard, chart_numbers, opened


@pytest.fixture(scope="session")
def stack() -> Stack:
    return bring_up()


@pytest.fixture(scope="session")
def dags(stack: Stack) -> Dags:
    return Dags(stack)


@pytest.fixture(scope="module")
def admin(stack) -> Client:
    return Client(stack.settings, stack.settings.superset_user, stack.settings.superset_password)


@pytest.fixture(scope="module")
def numbers(admin) -> dict[str, int]:
    """File name of a chart -> its id in this Superset."""
    return chart_numbers(admin)


@pytest.fixture(scope="module")
def dashboard(stack) -> Iterator[Dashboard]:
    """A browser in which the admin has logged in."""
    with opened(stack.settings) as opened_dashboard:
        opened_dashboard.log_in(stack.settings.superset_user, stack.settings.superset_password)
        yield opened_dashboard
