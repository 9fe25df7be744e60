"""Known vulnerabilities: what an OSV server knows is told, and silence is no good answer."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from infra.errors import AirlineError
from infra.settings import ROOT
from infra.stack import certificates
from infra.supply import vulnerabilities
from infra.supply.parts import Part
from tests.support.osv import Osv, flaw, osv

KAFKA = Part("maven", "kafka-clients", "4.3.1", "org.apache.kafka")
LZ4 = Part("maven", "lz4-java", "1.10.2", "at.yawk.lz4")


@pytest.fixture
def server() -> Iterator[Osv]:
    with osv() as told:
        yield told


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    file = tmp_path / "small.txt"
    file.write_text(
        "".join(
            f"{pinned} \\\n    --hash=sha256:{'0' * 64}\n"
            for pinned in ("idna==3.20", "requests==2.34.2")
        )
    )
    return file


def quiet(_line: str) -> None:
    pass


@pytest.mark.parametrize("paged", [False, True])
def test_a_flaw_of_a_jar_is_told_and_where_it_is_mended(server: Osv, paged: bool) -> None:
    """A known hole would stay unseen; so would the second page of an answer."""
    server.paged = paged
    server.flaws = [
        flaw("GHSA-one", "Maven", "org.apache.kafka:kafka-clients", "4.3.2"),
        flaw("GHSA-two", "Maven", "org.apache.kafka:kafka-clients", "4.4.0"),
    ]
    answer = vulnerabilities.of_jars([KAFKA, LZ4], server.url, quiet)
    assert [(each.part, each.identity, each.mended_in) for each in answer.known] == [
        ("org.apache.kafka:kafka-clients", "GHSA-one", ("4.3.2",)),
        ("org.apache.kafka:kafka-clients", "GHSA-two", ("4.4.0",)),
    ]
    assert answer.asked == 2 and not answer.not_asked


def test_a_flaw_that_was_taken_back_is_none(server: Osv) -> None:
    """People would be sent after what is not there."""
    taken_back = flaw("GHSA-one", "Maven", "at.yawk.lz4:lz4-java", "2")
    server.flaws = [taken_back | {"withdrawn": "2026-01-01T00:00:00Z"}]
    assert not vulnerabilities.of_jars([LZ4], server.url, quiet).known


def test_a_flaw_of_a_wheel_is_told(server: Osv, lock: Path) -> None:
    """pip-audit was not asked, or not heard."""
    server.flaws = [flaw("PYSEC-1", "PyPI", "requests", "2.99.0")]
    answer = vulnerabilities.of_wheels([lock], server.url, quiet)
    (known,) = answer.known
    assert (known.part, known.version, known.identity) == ("requests", "2.34.2", "PYSEC-1")
    assert known.mended_in == ("2.99.0",)
    assert answer.asked == 2 and sorted(server.asked) == ["idna", "requests"]


def test_who_does_not_answer_has_not_said_that_all_is_well(server: Osv, lock: Path) -> None:
    """Without the network everything would look free of flaws."""
    server.broken = True
    for ask, about in ((vulnerabilities.of_jars, [LZ4]), (vulnerabilities.of_wheels, [lock])):
        with pytest.raises(AirlineError, match="does not answer as an OSV server does"):
            ask(about, server.url, quiet)
    with pytest.raises(AirlineError, match="name a mirror"):
        vulnerabilities.of_jars([LZ4], "http://127.0.0.1:9", quiet)
    with pytest.raises(AirlineError, match="name a mirror"):
        vulnerabilities.of_wheels([lock], "http://127.0.0.1:9", quiet)


CHECK = """
import sys
from pathlib import Path
from infra.stack.failures import explained
from infra.supply import command, parts
parts.PRODUCT_LOCKS = ("small",)
parts.lock_file = lambda name: Path(sys.argv[1])
lz4 = parts.Part("maven", "lz4-java", "1.10.2", "at.yawk.lz4")
sys.exit(explained(lambda: command._check([lz4], sys.argv[2])))
"""


def test_a_server_that_the_system_trusts_is_asked(lock: Path, tmp_path: Path) -> None:
    """Behind a company's proxy, nobody could be asked, of jars or of wheels."""
    authority = trustme.CA()
    store = tmp_path / "store.pem"
    authority.cert_pem.write_to_path(store)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    others = ("SSL_CERT_FILE", "SSL_CERT_DIR", *certificates.BUNDLES)
    usual = {name: text for name, text in os.environ.items() if name not in others}
    usual |= {"PYTHONPATH": str(ROOT), "no_proxy": "127.0.0.1"}
    with osv(context) as server:
        # Another process: what it trusts is not what the tests' own trusts from then on.
        done = subprocess.run(
            [sys.executable, "-c", CHECK, lock, server.url],
            env=usual | {"SSL_CERT_FILE": str(store)},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    assert sorted(server.asked) == ["at.yawk.lz4:lz4-java", "idna", "requests"]
