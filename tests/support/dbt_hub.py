"""A dbt hub on loopback with packages of the tests' own making, which can be made to misbehave.

It plays hub.getdbt.com for `dbt deps` (environment variable DBT_PACKAGE_HUB_URL): the first package
is the stand-in under the name that packages.yml asks for, made to need the second one.
"""

from __future__ import annotations

import io
import json
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from infra.settings import ROOT

STAND_IN = ROOT / "infra" / "dbt_packages" / "automate_dv"
LOCK = ROOT / "package-lock.yml"
# Where the stand-in makes a name into SQL text; the hub's package has dbt_utils do it.
LITERAL = "macros/support/sql.sql"

UTILS = {
    "dbt_project.yml": "name: dbt_utils\nversion: '0.1.0'\nconfig-version: 2\n",
    "macros/sql_text.sql": "{% macro sql_text(text) %}"
    '{{ return("\'" ~ (text | string | replace("\'", "\'\'")) ~ "\'") }}{% endmacro %}\n',
}


def automate_dv() -> dict[str, str]:
    """The files of the hub's automate_dv: all that the stand-in does, by way of dbt_utils."""
    files = {
        str(file.relative_to(STAND_IN)): file.read_text()
        for file in STAND_IN.rglob("*")
        if file.is_file()
    }
    own = '{{- return("\'" ~ (text | string | replace("\'", "\'\'")) ~ "\'") -}}'
    assert own in files[LITERAL], "the stand-in has another macro literal: see LITERAL"
    files[LITERAL] = files[LITERAL].replace(own, "{{- return(dbt_utils.sql_text(text)) -}}")
    needs = {"packages": [{"package": "dbt-labs/dbt_utils", "version": [">=1.0.0", "<2.0.0"]}]}
    return files | {"packages.yml": yaml.safe_dump(needs)}


class Hub:
    """The server, how it misbehaves (`delay`, `broken`, `ill`), and what it was `asked` for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        # Seconds that each answer takes.
        self.delay = 0.0
        # Paths that hold one of these are answered by half of the body, then nothing.
        self.broken: tuple[str, ...] = ()
        # Paths that hold one of these are answered with status 500.
        self.ill: tuple[str, ...] = ()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.asked.append(self.path)
                time.sleep(hub.delay)
                body = hub.body(self.path)
                status = 404 if body is None else 200
                if any(part in self.path for part in hub.ill):
                    status, body = 500, b"the hub is ill"
                body = body or b"{}"
                half = any(part in self.path for part in hub.broken)
                self.close_connection = True
                # Who waited in vain is gone.
                with suppress(ConnectionError):
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body[: len(body) // 2] if half else body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        versions = {
            each["name"]: each["version"] for each in yaml.safe_load(LOCK.read_text())["packages"]
        }
        # All versions of a package, where it has others beside the locked one.
        self.versions: dict[str, list[str]] = {}
        self.packages: dict[str, tuple[str, Callable[[], dict[str, str]]]] = {
            "Datavault-UK/automate_dv": (versions["automate_dv"], automate_dv),
            "dbt-labs/dbt_utils": (versions["dbt_utils"], lambda: UTILS),
        }

    def body(self, path: str) -> bytes | None:
        """What the hub serves at `path`; None if nothing."""
        name = path.removeprefix("/api/v1/").removesuffix(".json")
        if name == "index":
            return json.dumps(list(self.packages)).encode()
        if name in self.packages:
            return json.dumps(self._metadata(name)).encode()
        for full_name, (_, files) in self.packages.items():
            for version in self._versions(full_name):
                if path == f"/tarballs/{full_name}/{version}.tar.gz":
                    return _tarball(f"{full_name.split('/')[1]}-{version}", files())
        return None

    def _versions(self, full_name: str) -> list[str]:
        return self.versions.get(full_name, [self.packages[full_name][0]])

    def _metadata(self, full_name: str) -> dict:
        namespace, name = full_name.split("/")
        files = self.packages[full_name][1]()
        needs = yaml.safe_load(files.get("packages.yml", "packages: []"))["packages"]
        versions = {
            version: {
                "id": f"{full_name}/{version}",
                "name": name,
                "version": version,
                "packages": needs,
                "require_dbt_version": [">=1.0.0", "<3.0.0"],
                "downloads": {"tarball": f"{self.url}tarballs/{full_name}/{version}.tar.gz"},
            }
            for version in self._versions(full_name)
        }
        return {"name": name, "namespace": namespace, "versions": versions}

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def dbt_hub() -> Iterator[Hub]:
    """A hub that answers; its `url` goes into DBT_PACKAGE_HUB_URL."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve)
    thread.start()
    try:
        yield hub
    finally:
        hub.close()
        thread.join()


def _tarball(top: str, files: dict[str, str]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, text in sorted(files.items()):
            entry = tarfile.TarInfo(str(Path(top) / name))
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return made.getvalue()
