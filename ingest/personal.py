"""Events with what the catalogue marks as personal made unreadable, for people's eyes."""

from __future__ import annotations

import re

import catalogue
from ingest.config import table_of

HIDDEN = b"*"


def masked(content: bytes, topic: str) -> bytes:
    """The bytes with the values of marked members hidden, each byte by one; they need be no JSON,
    and may end anywhere.
    """
    table = catalogue.tables().get(table_of(topic))
    if table is None or not table.personal:
        return content
    names = "|".join(map(re.escape, table.personal)).encode()
    # A text with what is escaped in it; of an object or an array all that follows, for where it
    # ends is hard to say of what is no JSON; or else all up to the next member.
    member = re.compile(
        rb'("(?:' + names + rb')"\s*:\s*)("(?:[^"\\]|\\.)*(?:"|\\?\Z)|[{\[].*|[^,}\]]*)', re.DOTALL
    )
    return member.sub(lambda found: found[1] + HIDDEN * len(found[2]), content)
