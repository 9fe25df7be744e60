"""The end-to-end tests' stack, for tests that break parts of it on purpose."""

from __future__ import annotations

import os

import pytest

from tests.support.stack import Stack, bring_up


@pytest.fixture(scope="session")
def stack() -> Stack:
    # The scheduler can only be killed where there is one.
    part = "airflow" if os.environ.get("AIRLINE_TEST_LONG") == "1" else "core"
    return bring_up("--only", part)
