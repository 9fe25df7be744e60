"""A message as a letter: subject and text, without anybody's data."""

from __future__ import annotations

import re
import socket
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from infra.alerts.book import OPENED, Message, Section
from infra.mail.delivery import Refused
from infra.stack.redaction import redacted

# What stands in quotes and is to be typed, or is a name of ours, stays as it is.
_TYPED = re.compile(r"('(?:\./airline|kill|curl|vault_load\b|up\b)[^'{}]*')")


def letter(message: Message, sender: str, home: str, now: float) -> EmailMessage:
    """The letter; the same `Message-ID` each time that it is made. Raises AirlineError where an
    address is none.
    """
    made = EmailMessage(policy=SMTP)
    try:
        made["To"] = [
            Address(message.owner.name, addr_spec=each.strip())
            for each in message.owner.email.split(",")
        ]
        made["From"] = Address(addr_spec=sender)
    except (ValueError, IndexError, MessageError):
        raise Refused(
            f"{sender} or {message.owner.email} is no address",
            "mend AIRLINE_SMTP_FROM, or the owner's in models/groups.yml",
        ) from None
    made["Subject"] = subject(message)
    made["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    made["Message-ID"] = f"<{message.id}@airline.invalid>"
    # No out-of-office reply, please.
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(text(message, home))
    return made


def subject(message: Message) -> str:
    causes = [" ".join(each.cause.split()) for each in message.sections]
    named = ", ".join(causes[:3]) + (f" and {len(causes) - 3} more" if causes[3:] else "")
    return f"[airline] {named}" if message.kind == OPENED else f"[airline] over: {named}"


def text(message: Message, home: str) -> str:
    lines: list[str] = []
    for each in message.sections:
        lines += [*_section(each, message.kind), ""]
    groups = ", ".join(message.groups)
    if message.kind == OPENED:
        lines += [
            "'./airline status' says how it is now, docs/troubleshooting.md what its lines mean.",
            "You are told once, and once more when it is over.",
        ]
    lines += [
        f"Stack: {home} on {socket.gethostname()}",
        f"To: {message.owner.name}, owner of {groups} in models/groups.yml",
    ]
    return "\n".join(lines)


def _section(section: Section, kind: str) -> list[str]:
    began = datetime.fromtimestamp(section.began, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if kind != OPENED:
        return [f"{section.cause}: over. It had begun at {began}."]
    return [
        f"{section.cause}, since {began}:",
        f"    {without_data(section.text)}",
        *(f"    with it: {without_data(each)}" for each in section.also),
    ]


def without_data(told: str) -> str:
    """What is told in one line, without values of rows; commands stay as they are to be typed."""
    return " ".join(
        "".join(
            part if number % 2 else _redacted(part)
            for number, part in enumerate(_TYPED.split(told))
        ).split()
    )


def _redacted(part: str) -> str:
    """`redacted` takes the spaces at both ends, which belong between two parts."""
    return f"{' ' * part[:1].isspace()}{redacted(part)}{' ' * part[-1:].isspace()}" if part else ""
