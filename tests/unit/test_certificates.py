"""What is fetched behind a company's proxy: its authority is in the system's store alone."""

from __future__ import annotations

import hashlib
import http.server
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from infra.settings import ROOT
from infra.stack import certificates

JAR = b"a jar"
FETCH = """
import sys
from pathlib import Path
from infra.kafka import artifacts
from infra.stack.failures import explained
url, digest, target = sys.argv[1:]
artifacts._repositories = lambda: [url]
artifacts.ATTEMPTS = 1
sys.exit(explained(lambda: artifacts._fetch_one("org/a.jar", digest, Path(target)) or 0))
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def repository(authority) -> Iterator[str]:
    """Serves the jar; its certificate is of an authority that nobody knows."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(JAR)))
            self.end_headers()
            self.wfile.write(JAR)

        def log_message(self, *_: object) -> None:
            """Nothing: the test's output is the test's."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(repository: str, target: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Another process: what it trusts is not what the tests' own process does from then on."""
    digest = hashlib.sha256(JAR).hexdigest()
    others = ("SSL_CERT_FILE", "SSL_CERT_DIR", *certificates.BUNDLES)
    usual = {name: text for name, text in os.environ.items() if name not in others}
    return subprocess.run(
        [sys.executable, "-c", FETCH, repository, digest, target],
        env={**usual, "PYTHONPATH": str(ROOT), "no_proxy": "127.0.0.1", **variables},
        capture_output=True,
        text=True,
    )


def test_jars_come_where_the_system_trusts_the_server(authority, repository, tmp_path):
    """`up` ends in SSL errors behind a company's proxy, although pip has worked."""
    store = tmp_path / "store.pem"
    authority.cert_pem.write_to_path(store)
    done = fetch(repository, tmp_path / "a.jar", SSL_CERT_FILE=str(store))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.jar").read_bytes() == JAR


def test_jars_of_a_server_that_nobody_trusts_do_not_come(repository, tmp_path):
    """Anybody on the way could answer in the repository's place; or one is not told what to do."""
    done = fetch(repository, tmp_path / "a.jar")
    assert done.returncode == 1
    assert "SSL_CERT_FILE names a file" in done.stderr
    assert not (tmp_path / "a.jar").exists()


def test_another_programs_requests_trust_the_same(monkeypatch, tmp_path):
    """dbt does not reach its hub behind the proxy, or a person's own list is put aside."""
    store = tmp_path / "store.pem"
    store.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(store))
    assert certificates.for_another_program({"A": "b"}) == {
        "A": "b",
        "REQUESTS_CA_BUNDLE": str(store),
    }
    mine = {"REQUESTS_CA_BUNDLE": "/mine"}
    assert certificates.for_another_program(mine) == mine
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(
        ssl, "get_default_verify_paths", lambda: type("Paths", (), {"cafile": None})()
    )
    assert certificates.for_another_program({"A": "b"}) == {"A": "b"}
