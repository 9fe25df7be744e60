"""How a letter goes out: by SMTP where a server is set, else as a file."""

from __future__ import annotations

import os
import smtplib
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from email.message import Message
from pathlib import Path

from infra.errors import AirlineError
from infra.settings import Settings
from infra.stack import runtime

TODO = "mend AIRLINE_SMTP_*, then './airline up'; it is tried again by itself"
# How long the mail server may take for one answer, in seconds; and for the one that takes the text,
# which it may look through first.
PATIENCE, LOOKS_THROUGH = 10, 60
# Files that are kept: of messages to owners, and of reports, which may be pictures.
KEPT, KEPT_REPORTS = 1000, 100
# How the name of a report's file begins.
REPORT = "report-"
# A file that was begun so many seconds ago is what a crash left.
HALF_FOR = 3600.0
STARTTLS, TLS, PLAIN = "starttls", "tls", "none"


class Refused(AirlineError):
    """This one message was not taken."""


class Unsure(AirlineError):
    """The message may have been taken."""


def folder(settings: Settings) -> Path:
    return settings.home / "alerts"


def messages(settings: Settings) -> Path:
    """Where messages are files, without a mail server."""
    return folder(settings) / "messages"


def way(settings: Settings) -> str:
    """Where messages go, for people."""
    if settings.smtp_host:
        return f"mail by {settings.smtp_host}:{settings.smtp_port}"
    return files(settings)


def files(settings: Settings) -> str:
    return f"files in {messages(settings)}"


def authorities() -> dict[str, str]:
    """The caller's variables that name other authorities than the system's, for a service that
    writes mail: it inherits none.
    """
    return {
        name: os.path.abspath(value)
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")
        if (value := os.environ.get(name))
    }


def send(
    settings: Settings, letter: Message, name: str, to: Sequence[str] | None = None
) -> list[str]:
    """Sends it to whom it names, or `to` others; returns the addresses that the server does not
    take, where it takes others. Raises AirlineError where it did not go out, without any secret:
    Refused where others may well do, Unsure where it may have gone out after all.
    """
    if not settings.smtp_host:
        _write(settings, letter, name)
        return []
    where = f"{settings.smtp_host}:{settings.smtp_port}"
    try:
        session = _session(settings)
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        raise AirlineError(f"{where} takes no mail ({_reason(error)})", TODO) from None
    begun = _notice_text(session)
    try:
        return sorted(session.send_message(letter, to_addrs=to))
    except smtplib.SMTPRecipientsRefused:
        raise Refused(
            f"{where} takes no mail for {letter['To']}",
            "mend the address in models/groups.yml, or in the report, or let the server take it",
        ) from None
    except smtplib.SMTPServerDisconnected as error:
        kind = Unsure if begun.is_set() else AirlineError
        raise kind(f"{where} went away ({_reason(error)})", TODO) from None
    except smtplib.SMTPException as error:
        raise Refused(f"{where} refused a message ({_reason(error)})", TODO) from None
    except OSError as error:
        if not begun.is_set():
            raise AirlineError(f"{where} takes no mail ({_reason(error)})", TODO) from None
        raise Unsure(f"{where} did not say whether it took a message", TODO) from error
    finally:
        # What was taken was taken, however the server says good-bye.
        with suppress(smtplib.SMTPException, OSError):
            session.quit()
        session.close()


def _notice_text(session: smtplib.SMTP) -> threading.Event:
    """Set when the text begins to go out: before that, the server cannot have taken it."""
    begun, data = threading.Event(), session.data

    def noted(text: bytes) -> tuple[int, bytes]:
        begun.set()
        session.sock.settimeout(LOOKS_THROUGH)
        return data(text)

    session.data = noted
    return begun


def _session(settings: Settings) -> smtplib.SMTP:
    """A session that is encrypted and logged in, as the settings say."""
    kind, where = settings.smtp_tls, (settings.smtp_host, settings.smtp_port)
    if settings.smtp_user and kind == PLAIN:
        raise AirlineError(
            "a password is not sent without TLS",
            f"set AIRLINE_SMTP_TLS to {STARTTLS} or {TLS}, or unset AIRLINE_SMTP_USER",
        )
    password = _password(settings) if settings.smtp_user else ""
    if kind == TLS:
        session = smtplib.SMTP_SSL(*where, timeout=PATIENCE, context=ssl.create_default_context())
    else:
        session = smtplib.SMTP(*where, timeout=PATIENCE)
    try:
        if kind == STARTTLS:
            session.starttls(context=ssl.create_default_context())
        if settings.smtp_user:
            session.login(settings.smtp_user, password)
    except BaseException:
        session.close()
        raise
    return session


def _password(settings: Settings) -> str:
    try:
        return Path(settings.smtp_password_file).read_text().strip()
    except (OSError, UnicodeError) as error:
        raise AirlineError(
            f"the mail server's password cannot be read ({_reason(error)})",
            "put it into a file of its own and name that in AIRLINE_SMTP_PASSWORD_FILE",
        ) from None


def _reason(error: Exception) -> str:
    """Of an answer its number alone: its text may quote what was sent."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{type(error).__name__}, answer {error.smtp_code}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or type(error).__name__}"
    return getattr(error, "strerror", None) or type(error).__name__


def _write(settings: Settings, letter: Message, name: str) -> None:
    """One file a message: written twice, it is still one."""
    place = messages(settings)
    try:
        runtime.make_folder(settings, folder(settings), mode=0o700)
        runtime.make_folder(settings, place, mode=0o700)
        half = place / f"{name}.half"
        half.write_bytes(bytes(letter))
        half.replace(place / f"{name}.eml")
    except OSError as error:
        raise AirlineError(
            f"a message cannot be written to {place} ({error.strerror})",
            "make room or mend its permissions; it is tried again by itself",
        ) from None
    with suppress(OSError):
        _tidy(place, name.startswith(REPORT))


def _tidy(place: Path, are_reports: bool) -> None:
    """Removes the oldest of one kind: reports push no message to an owner out. Another process may
    do the same at this moment.
    """
    found = []
    for file in place.iterdir():
        with suppress(FileNotFoundError):
            written = file.stat().st_mtime
            if file.suffix == ".half" and time.time() - written > HALF_FOR:
                file.unlink()
            elif file.suffix == ".eml" and file.name.startswith(REPORT) == are_reports:
                found.append((written, file))
    for _, file in sorted(found)[: -(KEPT_REPORTS if are_reports else KEPT)]:
        file.unlink(missing_ok=True)
