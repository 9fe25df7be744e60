"""The book of what was told to whom: opening, closing, and nothing twice. No clock, no network.

A trouble is noted when it is seen first. It is opened, and a message to its owner goes into the
outbox, when it has lasted; it is closed, with a second message, when it has been gone for a while.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Set
from dataclasses import asdict, dataclass, field
from typing import Any

from infra.alerts.trouble import Trouble, roots
from infra.mail.owners import Owner

# In seconds. After a longer break nobody knows whether what is seen had lasted all the time.
BREAK = 120.0
# What is told of one owner's troubles waits for others of his that have just begun, so long at
# most: one message, and not three in a minute.
TOGETHER = 180.0
# What was the consequence of something else has so long to mend itself after that.
AFTERWARDS = 180.0
# How long a trouble must be gone to be over. Twice as long each time that it comes back.
OVER_AFTER, OVER_AFTER_AT_MOST = 120.0, 3600.0
# A trouble that was over for less has come back.
COMES_BACK_WITHIN = 2 * OVER_AFTER_AT_MOST
# While a command works on the stack (`up`, `down`, `load`), so long at most nothing is opened.
AT_WORK = 1800.0

OPENED, OVER = "opened", "over"


@dataclass
class Incident:
    """A trouble that is there, or was until just now. Moments are seconds since 1970."""

    cause: str
    check: str
    group: str
    text: str
    since: float
    patience: float
    is_open: bool = False
    gone_since: float | None = None
    # How often it came back shortly after it was over.
    returns: int = 0
    # When it was seen first, what it waited for included.
    began: float = 0.0


@dataclass
class Section:
    """What a message says of one cause. `also`: its consequences."""

    cause: str
    text: str
    began: float
    also: list[str] = field(default_factory=list)


@dataclass
class Message:
    """A message that is to be sent. `unsure`: sendings of which nobody knows how they ended;
    `failures` of which it is known, the newest for the reason `problem`.
    """

    id: str
    kind: str
    owner: Owner
    groups: list[str]
    sections: list[Section]
    made_at: float
    unsure: int = 0
    failures: int = 0
    problem: str = ""
    next_try: float = 0.0


@dataclass
class Book:
    incidents: dict[str, Incident] = field(default_factory=dict)
    # Cause -> (when it was over last, how often it had come back).
    recent: dict[str, tuple[float, int]] = field(default_factory=dict)
    outbox: list[Message] = field(default_factory=list)
    # Addresses that the mail server does not take, while it takes others of the same owner.
    refused: list[str] = field(default_factory=list)
    # The mail server that the service which sends them was started with; none: files.
    way: str = ""

    @property
    def opened(self) -> list[Incident]:
        return [each for each in self.incidents.values() if each.is_open]


def advance(
    book: Book,
    troubles: Iterable[Trouble],
    unanswered: Set[str],
    now: float,
    owner_of: Callable[[str], Owner],
    *,
    after_break: bool = False,
    is_at_work: Callable[[], bool] = lambda: False,
) -> None:
    """Brings the book up to what is seen at `now`.

    `unanswered`: checks that could not be asked, so nobody knows whether their troubles are over.
    `after_break`: nobody looked for a while before. `is_at_work`: whether a command works on the
    stack; asked only where something would be opened.
    """
    seen = {each.cause: each for each in troubles}
    root = roots(seen.values())
    for cause, trouble in seen.items():
        _note(book, trouble, now, root[cause] != cause or after_break)
    _unseen(book, seen.keys(), unanswered, now, after_break)
    book.recent = {
        cause: (at, returns)
        for cause, (at, returns) in book.recent.items()
        if now - at < COMES_BACK_WITHIN
    }
    _open(book, seen, root, now, owner_of, is_at_work)
    _close(book, now, owner_of)


def _note(book: Book, trouble: Trouble, now: float, begins_anew: bool) -> None:
    known = book.incidents.get(trouble.cause)
    if known is None:
        _, returns = book.recent.get(trouble.cause, (0.0, -1))
        known = Incident(
            *(trouble.cause, trouble.check, trouble.group, trouble.text, now, trouble.patience),
            returns=returns + 1,
            began=now,
        )
        book.incidents[trouble.cause] = known
    known.text, known.check, known.group = trouble.text, trouble.check, trouble.group
    known.gone_since = None
    if not known.is_open and begins_anew:
        known.since = now
        known.patience = max(known.patience, AFTERWARDS)


def _unseen(
    book: Book, seen: Set[str], unanswered: Set[str], now: float, after_break: bool
) -> None:
    for cause, each in list(book.incidents.items()):
        if cause in seen:
            continue
        if each.check in unanswered:
            each.gone_since = None
            each.since = each.since if each.is_open else now
        elif not each.is_open:
            del book.incidents[cause]
        elif each.gone_since is None or after_break:
            each.gone_since = now


def _open(
    book: Book,
    seen: dict[str, Trouble],
    root: dict[str, str],
    now: float,
    owner_of: Callable[[str], Owner],
    is_at_work: Callable[[], bool],
) -> None:
    waiting: dict[Owner, list[Incident]] = {}
    for cause in seen:
        each = book.incidents[cause]
        if not each.is_open and root[cause] == cause:
            waiting.setdefault(owner_of(each.group), []).append(each)
    for owner, mine in waiting.items():
        ripe = [each for each in mine if now - each.since >= each.patience]
        longest = max((now - each.since for each in ripe), default=0.0)
        if not ripe or (len(ripe) < len(mine) and longest < TOGETHER):
            continue
        if longest < AT_WORK and is_at_work():
            continue
        for each in ripe:
            each.is_open = True
        _post(
            book,
            OPENED,
            owner,
            ripe,
            now,
            {
                each.cause: [
                    f"{other}: {seen[other].text}"
                    for other, behind in root.items()
                    if behind == each.cause != other
                ]
                for each in ripe
            },
        )


def _close(book: Book, now: float, owner_of: Callable[[str], Owner]) -> None:
    going: dict[Owner, list[Incident]] = {}
    for each in book.opened:
        if each.gone_since is not None:
            going.setdefault(owner_of(each.group), []).append(each)
    for owner, mine in going.items():
        over = [each for each in mine if now - each.gone_since >= _over_after(each)]
        soon = [each for each in mine if each not in over and _over_after(each) <= OVER_AFTER]
        longest = max((now - each.gone_since for each in over), default=0.0)
        if not over or (soon and longest < TOGETHER):
            continue
        for each in over:
            del book.incidents[each.cause]
            book.recent[each.cause] = (now, each.returns)
        told = [each for each in over if not _taken_back(book, each.cause)]
        if told:
            _post(book, OVER, owner, told, now, {})


def _over_after(incident: Incident) -> float:
    return min(OVER_AFTER * 2**incident.returns, OVER_AFTER_AT_MOST)


def _taken_back(book: Book, cause: str) -> bool:
    """Takes a cause out of a message that nobody has got yet."""
    for message in book.outbox:
        if message.kind == OPENED and not message.unsure:
            left = [each for each in message.sections if each.cause != cause]
            if len(left) < len(message.sections):
                message.sections = left
                book.outbox = [each for each in book.outbox if each.sections]
                return True
    return False


def _post(
    book: Book,
    kind: str,
    owner: Owner,
    incidents: list[Incident],
    now: float,
    also: dict[str, list[str]],
) -> None:
    book.outbox.append(
        Message(
            str(uuid.uuid4()),
            kind,
            owner,
            sorted({each.group for each in incidents}),
            [
                Section(each.cause, each.text, each.began, also.get(each.cause, []))
                for each in incidents
            ],
            now,
        )
    )


def to_json(book: Book) -> dict[str, Any]:
    return asdict(book)


def from_json(told: dict[str, Any]) -> Book:
    return Book(
        {cause: Incident(**each) for cause, each in told["incidents"].items()},
        {cause: (at, returns) for cause, (at, returns) in told["recent"].items()},
        [
            Message(
                **{
                    **each,
                    "owner": Owner(**each["owner"]),
                    "sections": [Section(**section) for section in each["sections"]],
                }
            )
            for each in told["outbox"]
        ],
        told.get("refused", []),
        told.get("way", ""),
    )
