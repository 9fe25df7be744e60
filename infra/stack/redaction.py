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
    text = _without_secrets(text)
    text = re.sub(r"(['\"«])(.*?)(['\"»])", _quoted, text)
    # `=(value)` is how PostgreSQL names the key of a row.
    text = re.sub(r"=\([^)]*\)", "=(…)", text)
    text = _without_numbers(text)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _without_secrets(text: str) -> str:
    text = re.sub(r"(?i)(password|secret|token)(\s*[=:]\s*)\S+", r"\1\2…", text)
    text = re.sub(r"//[^/\s:@]+:[^/\s@]+@", "//…@", text)
    return re.sub(r"\{.*\}|\{.*$", "{…}", text)


def _without_numbers(text: str) -> str:
    """Without addresses of mail too."""
    text = re.sub(r"[^\s/@]+@[^\s@]+\.[a-z]{2,}", "…", text)
    return re.sub(r"\+?\d{7,}", "…", text)


# Where PostgreSQL's sections of an error begin: as messages have them, and as dbt ends them.
_SECTION = r"(?:DETAIL|HINT|CONTEXT|QUERY|LINE \d+|LOCATION|compiled code at)\b"
_DETAIL = re.compile(rf"(?ms)^([ \t]*DETAIL:[ \t]*)(.*?)(?=\n[ \t]*{_SECTION}|\n[ \t]*\n|\s*\Z)")
# A key's columns and what is wrong with it are no values.
_KEY = re.compile(
    r"(?s)(Key \([\w, \"]+\)=)\(.*\)"
    r"( (?:already exists|is duplicated"
    r"|is (?:not present in|still referenced from) table \"?[\w.]+\"?)\.)\s*"
)
# What a message of PostgreSQL or dbt calls by its name.
_NAMED = re.compile(
    "aggregate|column|constraint|database|domain|function|index|language|model|named|node|operator"
    "|relation|role|schema|sequence|server|source|table|trigger|type|user|variable|view"
)
_SQL_LINE = re.compile(r"(?m)^([ \t]*LINE \d+:.*)$")
_IN_QUOTES = re.compile(r"(?s)(\b\w+ )?\"([^\"]*)\"|(?<!\w)(\b\w+ )?'([^'\n]*)'")


def redacted_lines(text: str) -> str:
    """An error of several lines without values; its lines, names and sections stay as they are."""
    text = _DETAIL.sub(_detail, text)
    # A value has quotes of its own, and ends where its line does.
    text = re.sub(r'(?m): ".*"$', ': "…"', text)
    # Of a line of SQL, double quotes have names and single ones values.
    parts = _SQL_LINE.split(text)
    parts[::2] = [_IN_QUOTES.sub(_value, part) for part in parts[::2]]
    parts[1::2] = [re.sub(r"'[^']*('|$)", "'…'", part) for part in parts[1::2]]
    text = "".join(parts)
    return "\n".join(_line(line) for line in text.split("\n"))


def _detail(match: re.Match[str]) -> str:
    head, told = match.groups()
    key = _KEY.fullmatch(told)
    return f"{head}{key[1]}(…){key[2]}" if key else f"{head}…"


def _value(match: re.Match[str]) -> str:
    quote = '"' if match[2] is not None else "'"
    before, inside = (match[1], match[2]) if quote == '"' else (match[3], match[4])
    is_name = _NAMED.fullmatch((before or "").strip()) and re.fullmatch(r"[\w.$]+", inside)
    kept = inside if is_name or _NAME.fullmatch(inside) else "…"
    return f"{before or ''}{quote}{kept}{quote}"


def _line(line: str) -> str:
    line = _without_secrets(line)
    return _without_numbers(re.sub(r"=\(.*\)", "=(…)", line))


def _quoted(match: re.Match[str]) -> str:
    opening, inside, closing = match.groups()
    return f"{opening}{inside if _NAME.fullmatch(inside) else '…'}{closing}"
