"""The desk at which the book is kept: reads it, brings it up to date, sends what is to be sent.

The book is on disk before anything goes out, and a message is noted as begun before it is sent. So
a restart sends nothing twice; a crash between sending and noting sends that message once more.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable, Iterable, Set
from email.message import EmailMessage

from infra.alerts import book as books
from infra.alerts.book import Book, Message
from infra.alerts.letter import letter, subject
from infra.alerts.trouble import Trouble
from infra.errors import AirlineError
from infra.mail import delivery
from infra.mail.delivery import Refused, Unsure
from infra.mail.owners import Owner, owner_of, owners
from infra.settings import Settings
from infra.stack import home, runtime

# A message of which nobody knows whether it went out is sent so often at most.
MOST_SENDINGS = 2
# Seconds until a message is tried again; twice as long each time.
RETRY, LONGEST_RETRY = 10.0, 300.0

Send = Callable[[Settings, EmailMessage, str], list[str]]


class Desk:
    """One process has it: the service `metrics`."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        send: Send = delivery.send,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._send = send
        self._book = read(settings)
        self._on_disk = _text(self._book)
        self._looked_at: float | None = None
        self._not_written: OSError | None = None

    def look(self, troubles: Iterable[Trouble], unanswered: Set[str]) -> None:
        """One round: what is seen now goes into the book, and the messages that are due are sent.

        Raises OSError where the book cannot be written, after mail has gone out all the same.
        """
        now = self._clock()

        @functools.cache
        def found() -> dict[str, Owner]:
            return owners(self._settings.root / "models")

        books.advance(
            self._book,
            troubles,
            unanswered,
            now,
            lambda group: owner_of(found(), group),
            after_break=self._looked_at is None or not 0 <= now - self._looked_at <= books.BREAK,
            is_at_work=lambda: home.is_busy(self._settings),
        )
        self._looked_at = now
        self._book.way = delivery.way(self._settings) if self._settings.smtp_host else ""
        self._not_written = None
        self._write()
        for message in list(self._book.outbox):
            if not message.unsure:
                # The address may have been mended.
                message.owner = owner_of(found(), message.groups[0])
            if now >= message.next_try and not self._deliver(message, now):
                break
        if self._not_written:
            raise self._not_written

    def _deliver(self, message: Message, now: float) -> bool:
        """Sends a message. Returns whether it is worth trying others."""
        goes_on = True
        if message.unsure < MOST_SENDINGS:
            message.unsure += 1
            self._write()
            try:
                made = letter(message, self._settings.smtp_from, str(self._settings.home), now)
                refused = self._send(self._settings, made, message.id)
                taken = {each.strip() for each in message.owner.email.split(",")} - set(refused)
                self._book.refused = sorted({*self._book.refused, *refused} - taken)
            except Exception as error:
                goes_on = isinstance(error, Refused)
                if not isinstance(error, Unsure):
                    message.unsure -= 1
                known = isinstance(error, AirlineError)
                message.problem = str(error) if known else f"a message: {type(error).__name__}"
                message.next_try = now + min(RETRY * 2**message.failures, LONGEST_RETRY)
                message.failures += 1
                self._write()
                return goes_on
        else:
            print(
                f"{message.unsure} times sent, and nobody knows whether it arrived: "
                f"{subject(message)}",
                file=sys.stderr,
            )
        self._book.outbox.remove(message)
        self._write()
        return goes_on

    def _write(self) -> None:
        told = _text(self._book)
        if told != self._on_disk:
            place = delivery.folder(self._settings)
            try:
                runtime.make_folder(self._settings, place, mode=0o700)
                runtime.write_private(place / "book.json", told)
            except OSError as error:
                if not self._settings.smtp_host:
                    raise
                # A full disk is what must be told, and mail needs none.
                self._not_written = error
                return
            self._on_disk = told


def read(settings: Settings) -> Book:
    """The book as it is on disk; an empty one where there is none. Raises AirlineError for one
    that cannot be read.
    """
    file = delivery.folder(settings) / "book.json"
    try:
        return books.from_json(json.loads(file.read_text()))
    except FileNotFoundError:
        return Book()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AirlineError(
            f"{file}, what owners were told, cannot be read ({type(error).__name__})",
            "remove it: what is wrong now is told anew",
        ) from None


def _text(book: Book) -> str:
    return json.dumps(books.to_json(book))
