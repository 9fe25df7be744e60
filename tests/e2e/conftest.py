"""What all end-to-end suites share."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that put other data into the source come last: they leave no simulator's data."""
    items.sort(key=lambda item: item.get_closest_marker("replaces_data") is not None)
