"""A browser of the system, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra.superset.reports import BROWSERS

# For one step in the browser on a busy machine, milliseconds.
PATIENCE = 180_000


def browser_path() -> str | None:
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


needs_browser = pytest.mark.skipif(
    browser_path() is None,
    reason="no browser for the tests of pages: apt-get install chromium (Debian), or Chrome",
)


@contextmanager
def new_page(window: dict[str, int]) -> Iterator[Any]:
    """A page of a new browser that nobody has logged in with."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path(),
            args=[
                "--no-sandbox",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                # Maps are drawn by WebGL, and a test machine has no graphics card.
                "--enable-unsafe-swiftshader",
                "--ignore-gpu-blocklist",
            ],
        )
        try:
            page = browser.new_page(viewport=window)
            page.set_default_timeout(PATIENCE)
            yield page
        finally:
            browser.close()
