"""Where a value stands in bytes that need be no JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable


class Spelled:
    """Texts as UTF-8, and as JSON has them, once and as a text within JSON; in small and in capital
    letters. Not within a longer word or number: that is somebody else's.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        spelled: set[str] = set()
        for text in texts:
            for ascii_only in (False, True):
                once = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
                spelled |= {text, once, json.dumps(once, ensure_ascii=ascii_only)[1:-1]}
        # Longest first; of no text at all nothing is found.
        words = "|".join(map(re.escape, sorted(spelled, key=len, reverse=True))) or r"(?!)"
        # A letter before it may be the end of an escape: `\\n` and `\\u00a0` are none of a word.
        before = r"(?:(?<!\w)|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"
        self._found = re.compile(rf"{before}(?:{words})(?!\w)", re.IGNORECASE)

    def search(self, content: bytes) -> bool:
        return self._found.search(_text(content)) is not None

    def hidden(self, content: bytes) -> bytes:
        """With `*` for each byte of what is found."""
        shown = self._found.sub(
            lambda found: "*" * len(found[0].encode("utf-8", "surrogateescape")), _text(content)
        )
        return shown.encode("utf-8", "surrogateescape")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
