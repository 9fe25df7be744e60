"""What all tests have in common: none runs as root."""

from __future__ import annotations

import os
import sys

import pytest

from infra.testing import as_root


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    if os.geteuid() != 0:
        return
    # Another program takes this one's place: what it prints must not end in pytest's files.
    if capture := config.pluginmanager.getplugin("capturemanager"):
        capture.stop_global_capturing()
    as_root.leave([sys.executable, *sys.orig_argv[1:]])
