"""The jars of Kafka and Connect in the cache that stacks share."""

from __future__ import annotations

import os
import tarfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from infra.kafka import artifacts
from infra.settings import Settings

LOCK = """
[jars]
"org/broker-1.jar" = "of the jar"
[plugins]
"org/plugin-1.tar.gz" = "of the plugin"
"""


@pytest.fixture
def fetched(tmp_path, monkeypatch) -> list[str]:
    """What was fetched, from a repository of the test's own."""
    plugin = tmp_path / "plugin"
    plugin.mkdir()
    (plugin / "a.jar").write_text("plugin")
    names: list[str] = []

    def fetch_one(path: str, _: str, target: Path) -> None:
        names.append(path)
        # Long enough for who comes next.
        time.sleep(0.2)
        if target.suffix == ".gz":
            with tarfile.open(target, "w:gz") as archive:
                archive.add(plugin, "plugin")
        else:
            target.write_text("jar")

    lock = tmp_path / "artifacts.toml"
    lock.write_text(LOCK)
    monkeypatch.setattr(artifacts, "LOCK", lock)
    monkeypatch.setattr(artifacts, "_fetch_one", fetch_one)
    return names


def test_stacks_that_share_an_empty_cache_fetch_once(fetched, tmp_path):
    """Of two that come up at once on a new machine one ends with a missing file,
    or its plugins are taken away while Connect reads them.
    """
    settings = replace(Settings.from_environment(), cache=tmp_path / "cache")
    done: list[bool] = []
    threads = [
        threading.Thread(target=lambda: done.append(artifacts.fetch(settings))) for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(done) == [False, False, False, True]
    assert sorted(fetched) == ["org/broker-1.jar", "org/plugin-1.tar.gz"]
    assert (artifacts.plugin_path(settings) / "plugin" / "a.jar").read_text() == "plugin"


def test_what_anothers_cache_lacks_is_kept_in_the_stacks_folder(fetched, tmp_path, monkeypatch):
    """A cache that root filled for a version before: `up` ended with a traceback."""
    cache = tmp_path / "cache"
    settings = replace(Settings.from_environment(), cache=cache, home=tmp_path / "home")
    lines: list[str] = []
    cache.mkdir()
    # The tests' account may write everywhere (infra/testing/as_root.py).
    monkeypatch.setattr(os, "access", lambda folder, _: Path(folder) != cache)
    assert artifacts.fetch(settings, lines.append)
    assert not artifacts.fetch(settings)
    assert str(cache) in lines[0]
    assert artifacts.plugin_path(settings).is_relative_to(settings.home)
    assert (artifacts.plugin_path(settings) / "plugin" / "a.jar").exists()


def test_a_full_cache_of_anothers_is_read(fetched, tmp_path, monkeypatch):
    settings = replace(
        Settings.from_environment(), cache=tmp_path / "cache", home=tmp_path / "home"
    )
    assert artifacts.fetch(settings)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert not artifacts.fetch(settings)
    assert artifacts.plugin_path(settings).is_relative_to(settings.cache)
