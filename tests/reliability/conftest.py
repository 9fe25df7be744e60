"""The end-to-end tests' stack, for tests that break parts of it on purpose."""

from __future__ import annotations

from tests.e2e.conftest import stack

__all__ = ["stack"]
