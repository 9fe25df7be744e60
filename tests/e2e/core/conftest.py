"""The stack without Airflow and Superset."""

from __future__ import annotations

import pytest

from tests.support.stack import Stack, bring_up


@pytest.fixture(scope="session")
def stack() -> Stack:
    return bring_up("--only", "core")
