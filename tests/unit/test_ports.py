"""Who listens where, as the kernel says it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from infra.stack import ports


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system does not say")
@pytest.mark.parametrize(
    ("address", "host", "is_met"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "localhost", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("::", "127.0.0.1", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("127.0.0.2", "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.2", False),
    ],
)
def test_who_is_met_at_an_address(address, host, is_met):
    """A password goes to another account; or one keeps all from Connect by an address beside."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as server:
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            server.bind((address, 0))
        except OSError:
            pytest.skip(f"this machine has no {address}")
        server.listen()
        met = ports.accounts(host, server.getsockname()[1])
    assert met == ({os.geteuid()} if is_met else set())
