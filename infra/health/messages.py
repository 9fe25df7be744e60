"""The messages to owners: what is open, where they go, and whether they arrive."""

from __future__ import annotations

from infra.alerts import desk
from infra.health.finding import Finding
from infra.mail import delivery
from infra.mail.owners import owners
from infra.settings import Settings

NAME = "messages"


def messages(settings: Settings) -> Finding:
    """What owners were told and is not over, and what they could not be told."""
    owners(settings.root / "models")
    book = desk.read(settings)
    causes = sorted(each.cause for each in book.opened)
    waiting = [each for each in book.outbox if each.problem]
    problem = ""
    if waiting:
        problem = f"{len(waiting)} not sent: {waiting[0].problem}"
    elif book.refused:
        problem = (
            f"the mail server takes none for {', '.join(book.refused)}: mend the address in "
            "models/groups.yml"
        )
    told = f"{len(causes)} open ({', '.join(causes)})" if causes else "none open"
    way = book.way or delivery.files(settings)
    return Finding(
        "",
        f"{told}; {way}",
        problem,
        {"open": causes, "unsent": len(waiting), "refused": book.refused, "way": way},
    )
