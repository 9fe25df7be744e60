"""The end-to-end tests' stack with Airflow, Superset and the docs site in it."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Stack, bring_up
from tests.support.dags import Dags


@pytest.fixture(scope="session")
def stack() -> Stack:
    return bring_up()


@pytest.fixture(scope="session")
def dags(stack: Stack) -> Dags:
    return Dags(stack)
