"""Texts for people, without anybody's data in them."""

from __future__ import annotations

import re

# How much of a text is said, in characters.
LONGEST = 300


# What may stand in quotes: names of ours and of PostgreSQL's, paths, addresses. All else is data.
_NAME = re.compile(
    r"(?:airline|dwh|pg|staging|public)[a-z_./\-]*|/[\w./\-]+|\d{1,3}(?:\.\d{1,3}){3}"
)


def redacted(text: str) -> str:
    """One line without values: what is in quotes or braces and is no plain name, passwords, mail
    addresses, long numbers.
    """
    text = re.sub(r"(?i)(password|secret|token)(\s*[=:]\s*)\S+", r"\1\2…", text)
    text = re.sub(r"//[^/\s:@]+:[^/\s@]+@", "//…@", text)
    text = re.sub(r"\{.*\}|\{.*$", "{…}", text)
    text = re.sub(r"(['\"«])(.*?)(['\"»])", _quoted, text)
    # `=(value)` is how PostgreSQL names the key of a row.
    text = re.sub(r"=\([^)]*\)", "=(…)", text)
    text = re.sub(r"[^\s/@]+@[^\s@]+\.[a-z]{2,}", "…", text)
    text = re.sub(r"\+?\d{7,}", "…", text)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _quoted(match: re.Match[str]) -> str:
    opening, inside, closing = match.groups()
    return f"{opening}{inside if _NAME.fullmatch(inside) else '…'}{closing}"
