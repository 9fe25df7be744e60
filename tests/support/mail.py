"""A mail server on loopback, which keeps what it was given."""

from __future__ import annotations

import email
import email.policy
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.integration.conftest import free_ports


class Box:
    """What came in: (address, letter), and the logins that were tried."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, EmailMessage]] = []
        self.logins: list[tuple[str, str]] = []
        # Addresses that are refused.
        self.refused: set[str] = set()
        self.port = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, to: str, _: Any) -> str:
        if to in self.refused:
            return "550 no such person"
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        made = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(made, EmailMessage)
        self.letters += [(to, made) for to in envelope.rcpt_tos]
        return "250 OK"

    def log_in(self, server: Any, session: Any, envelope: Any, mechanism: str, told: Any) -> Any:
        assert isinstance(told, LoginPassword)
        self.logins.append((told.login.decode(), told.password.decode()))
        is_right = self.logins[-1][1] == "mailpassword"
        # Not handled: the server is to answer with 535.
        return AuthResult(success=is_right, handled=False)


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None) -> Iterator[Box]:
    """Takes mail on a free port of 127.0.0.1; with `tls` by STARTTLS and a login alone."""
    box = Box()
    [box.port] = free_ports(1)
    options: dict[str, Any] = {}
    if tls is not None:
        options = {
            "tls_context": tls,
            "require_starttls": True,
            "auth_required": True,
            "authenticator": box.log_in,
        }
    controller = Controller(box, hostname="127.0.0.1", port=box.port, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
