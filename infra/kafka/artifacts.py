"""The jars of Kafka, Kafka Connect and Debezium: locked in artifacts.toml, fetched once into the
cache.

`python -m infra.kafka.artifacts` resolves the roots of artifacts.toml anew (jgo, pure Python) and
writes the lock. Repositories are the ones jgo is configured with (its own default: Maven Central).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
from jgo.config import GlobalSettings
from jgo.maven import MavenContext

from infra.errors import AirlineError
from infra.settings import Settings
from infra.stack import certificates, runtime

LOCK = Path(__file__).with_name("artifacts.toml")
# What a plugin's archive holds is fetched with it. It is written down apart, so that the cache does
# not change its folder with it.
PLUGIN_JARS = Path(__file__).with_name("plugin_jars.toml")
FETCHES_AT_ONCE = 8
ATTEMPTS = 4


def _folder(settings: Settings) -> Path:
    # Each lock has its own folder, so that a running stack keeps its jars when the lock changes.
    name = f"kafka-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    shared, own = settings.cache / name, settings.home / "cache" / name
    if (shared / "complete").exists():
        return shared
    # A cache can be another account's (root's, of a version before): what it lacks is kept here.
    nearest = next(folder for folder in (shared, *shared.parents) if folder.exists())
    return shared if os.access(nearest, os.W_OK) else own


def class_path(settings: Settings) -> str:
    """Java class path of the broker and of Connect."""
    return f"{_folder(settings)}/jars/*"


def plugin_path(settings: Settings) -> Path:
    """Connect's plugin folder."""
    return _folder(settings) / "plugins"


def fetch(settings: Settings, say: Callable[[str], None] = lambda line: None) -> bool:
    """Fetches files that the cache lacks; each is checked against the lock. Returns whether any was
    fetched.

    Raises AirlineError if a repository cannot be reached or delivers another file.
    """
    folder = _folder(settings)
    if (folder / "complete").exists():
        return False
    if not folder.is_relative_to(settings.cache):
        say(f"{settings.cache} is another account's to write: what it lacks is kept in {folder}")
    lock = tomllib.loads(LOCK.read_text())
    jars = runtime.make_folder(settings, folder / "jars")
    runtime.make_folder(settings, folder / "plugins")
    # Stacks may share a cache, so only one of them fetches at a time.
    with (folder / "lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if (folder / "complete").exists():
            return False
        _fetch_all(lock, folder, jars, say)
    return True


def _fetch_all(lock: dict[str, Any], folder: Path, jars: Path, say: Callable[[str], None]) -> None:
    wanted = [
        (path, digest, jars / path.rsplit("/", 1)[1])
        for path, digest in lock["jars"].items()
        if not (jars / path.rsplit("/", 1)[1]).exists()
    ]
    say(f"fetching {len(wanted) + 1} files of Kafka, Kafka Connect and Debezium")
    with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
        list(pool.map(lambda each: _fetch_one(*each), wanted))
    for path, digest in lock["plugins"].items():
        archive = folder / path.rsplit("/", 1)[1]
        _fetch_one(path, digest, archive)
        _unpack(archive, folder / "plugins")
        archive.unlink()
    (folder / "complete").touch()


def fetch_plugin(settings: Settings, path: str, digest: str, folder: Path) -> None:
    """Fetches a plugin of Connect that no stack has and unpacks it, unless `folder` has it."""
    mark = folder / f"{digest}.complete"
    if mark.exists():
        return
    runtime.make_folder(settings, folder)
    archive = folder / path.rsplit("/", 1)[1]
    _fetch_one(path, digest, archive)
    _unpack(archive, folder)
    archive.unlink()
    mark.touch()


def _repositories() -> list[str]:
    configured = GlobalSettings.load().repositories.values()
    return [url.rstrip("/") for url in (*configured, *MavenContext().remote_repos.values())]


def _fetch_one(path: str, digest: str, target: Path) -> None:
    certificates.use_the_systems()
    handle, half = tempfile.mkstemp(dir=target.parent, prefix=".half-")
    os.close(handle)
    try:
        failures = []
        todo = ""
        for attempt in range(ATTEMPTS):
            for base in _repositories():
                try:
                    found = _download(f"{base}/{path}", Path(half))
                except requests.RequestException as error:
                    if isinstance(error, requests.exceptions.SSLError):
                        todo = f"{certificates.TODO}; "
                    failures.append(f"{base}: {error}")
                    continue
                if found == digest:
                    os.chmod(half, 0o644)
                    os.replace(half, target)
                    return
                failures.append(f"{base}: delivered a file with SHA-256 {found}, not {digest}")
            time.sleep(attempt)
        raise AirlineError(
            f"cannot fetch {path}",
            f"{todo}check the network, or name a mirror in the [repositories] section of jgo's "
            "configuration file (~/.config/jgo.conf); './airline up' goes on where it stopped",
            "\n".join(failures),
        )
    finally:
        Path(half).unlink(missing_ok=True)


def _download(url: str, target: Path) -> str:
    digest = hashlib.sha256()
    with requests.get(url, stream=True, timeout=60) as response, target.open("wb") as file:
        response.raise_for_status()
        for chunk in response.iter_content(1 << 20):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _unpack(archive: Path, folder: Path) -> None:
    half = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".half-"))
    with tarfile.open(archive) as tar:
        # Python before 3.11.4 has no filters. What the archive holds is what the lock names anyway.
        filters = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        tar.extractall(half, **filters)
    for path in half.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for plugin in half.iterdir():
        shutil.rmtree(folder / plugin.name, ignore_errors=True)
        plugin.rename(folder / plugin.name)
    half.rmdir()


def lock() -> None:
    """Resolves the roots of artifacts.toml and writes it with every jar they need."""
    certificates.use_the_systems()
    head, _, _ = LOCK.read_text().partition("\n[jars]")
    roots = tomllib.loads(head)
    with tempfile.TemporaryDirectory() as cache:
        context = MavenContext(repo_cache=Path(cache), timeout=60)
        direct, further = context.resolver.resolve(
            [context.create_dependency(root) for root in roots["roots"]]
        )
        jars = {}
        for dependency in {each.artifact.key: each for each in (*direct, *further)}.values():
            if dependency.scope not in ("test", "provided", "system"):
                jars[_path(dependency.artifact)] = _digest(dependency.artifact.resolve())
        plugins = {}
        carried: dict[str, str] = {}
        for root in roots["plugin_roots"]:
            group, name, version, classifier, packaging = root.split(":")
            component = context.project(group, name).at_version(version)
            artifact = component.artifact(classifier=classifier, packaging=packaging)
            archive = artifact.resolve()
            plugins[_path(artifact)] = _digest(archive)
            carried |= _carried(context, f"{group}:{name}:{version}", archive)
    lines = [head.rstrip("\n"), "", "[jars]"]
    lines += [f'"{path}" = "{digest}"' for path, digest in sorted(jars.items())]
    lines += ["", "[plugins]"]
    lines += [f'"{path}" = "{digest}"' for path, digest in sorted(plugins.items())]
    LOCK.write_text("\n".join([*lines, ""]))
    PLUGIN_JARS.write_text(
        "\n".join(
            [
                "# What the archives of Connect's plugins hold. Made by:",
                "# python -m infra.kafka.artifacts",
                "[jars]",
                *(f'"{path}" = "{digest}"' for path, digest in sorted(carried.items())),
                "",
            ]
        )
    )


def _carried(context: MavenContext, root: str, archive: Path) -> dict[str, str]:
    """Path in a repository -> SHA-256 of each jar in a plugin's archive. Most jars do not say their
    group: they are found among what the plugin's POM names, by their checksum.
    """
    with tarfile.open(archive) as tar:
        digests = {
            hashlib.sha256(tar.extractfile(each).read()).hexdigest(): each.name
            for each in tar
            if each.name.endswith(".jar")
        }
    direct, further = context.resolver.resolve([context.create_dependency(root)])
    found = {}
    for dependency in {each.artifact.key: each for each in (*direct, *further)}.values():
        if dependency.scope not in ("test", "system"):
            digest = _digest(dependency.artifact.resolve())
            if digest in digests:
                found[_path(dependency.artifact)] = digest
    unknown = digests.keys() - set(found.values())
    if unknown:
        raise AirlineError(
            f"{archive.name} holds jars that its POM does not name:"
            f" {', '.join(sorted(digests[each] for each in unknown))}",
            "find where they come from, then teach infra/kafka/artifacts.py",
        )
    return found


def _path(artifact) -> str:
    return f"{artifact.component.path_prefix.as_posix()}/{artifact.filename}"


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


if __name__ == "__main__":
    lock()
