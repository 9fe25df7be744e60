"""What identifies a person, in each spelling that data here can have, and a search for all of them
at once.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, quote_plus

import ahocorasick_rs

# A pattern that is shorter is in any file by chance.
SHORTEST = 6


class Erased(Protocol):
    """Whoever is forgotten. A contact is the JSON text that the source sent."""

    @property
    def id(self) -> int: ...
    @property
    def document(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def contacts(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Hit:
    """Bytes [at, end) of what was searched. The value itself is nowhere in it."""

    at: int
    end: int
    kind: str
    spelling: str


def identifiers(act: Erased) -> list[tuple[str, str]]:
    """(kind, text) of all that identifies the person."""
    found = [("document", act.document), *(("name", name) for name in act.names)]
    for contact in act.contacts:
        try:
            content = json.loads(contact)
        except ValueError:
            content = contact
        found += [("contact", text) for text in _texts(content)]
    return list(dict.fromkeys((kind, text) for kind, text in found if text))


def _texts(content: object) -> Iterator[str]:
    """The texts in a document of JSON; those that say nothing of one person alone are left out."""
    if isinstance(content, dict):
        for each in content.values():
            yield from _texts(each)
    elif isinstance(content, list):
        for each in content:
            yield from _texts(each)
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield str(content)
    elif isinstance(content, str):
        yield content


def spellings(text: str) -> dict[bytes, str]:
    """Pattern -> how the text is spelled in it."""
    found: dict[bytes, str] = {}

    def add(pattern: bytes, name: str) -> None:
        if len(pattern) >= SHORTEST:
            found.setdefault(pattern, name)

    cases = {text: "", text.upper(): ", upper case", text.lower(): ", lower case"}
    for each, case in ((text, ""), *list(cases.items())[1:]):
        plain = each.encode("utf-8", "surrogatepass")
        add(plain, f"UTF-8{case}")
        for order in ("le", "be"):
            add(each.encode(f"utf-16-{order}", "surrogatepass"), f"UTF-16{order.upper()}{case}")
        escaped = {plain: ""}
        for level in (json.dumps(each)[1:-1], json.dumps(json.dumps(each)[1:-1])[1:-1]):
            for one in (level, _upper_hex(level)):
                add(one.encode(), f"JSON escapes{case}")
                escaped.setdefault(one.encode(), " of JSON escapes")
        for entity in (html.escape(each), html.escape(each).replace("&#x27;", "&#39;")):
            add(entity.encode("utf-8", "surrogatepass"), f"HTML{case}")
        python = repr(plain)[2:-1]
        add(python.encode(), f"escapes of bytes{case}")
        for percent in (
            quote(plain, safe=""),
            quote(plain),
            quote(plain, safe="@"),
            quote_plus(plain),
        ):
            for one in (percent, quote(percent, safe="")):
                add(one.encode(), f"percent{case}")
                add(_lower_percent(one).encode(), f"percent{case}")
        for content, of in escaped.items():
            add(content.hex().encode(), f"hex{of}{case}")
            add(content.hex().upper().encode(), f"hex{of}{case}")
            for shift in range(3):
                for one in _base64(content, shift):
                    add(one, f"base64{of}{case}")
    return found


def _upper_hex(escaped: str) -> str:
    """\\u041f instead of \\u041F, or the other way round."""
    parts = escaped.split("\\u")
    return "\\u".join([parts[0], *(part[:4].upper() + part[4:] for part in parts[1:])])


def _lower_percent(percent: str) -> str:
    parts = percent.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


def _base64(content: bytes, shift: int) -> Iterator[bytes]:
    """The characters that depend on the content alone, where it begins `shift` bytes after a
    multiple of three.
    """
    encoded = base64.b64encode(b"\0" * shift + content)
    first = (0, 2, 3)[shift]
    last = (shift + len(content)) * 8 // 6
    yield encoded[first:last]
    yield encoded[first:last].translate(bytes.maketrans(b"+/", b"-_"))


class Needles:
    """All spellings of these (kind, text), looked for at once."""

    def __init__(self, values: Iterable[tuple[str, str]]) -> None:
        told: dict[bytes, tuple[str, str]] = {}
        for kind, text in values:
            for pattern, spelling in spellings(text).items():
                told.setdefault(pattern, (kind, spelling))
        self._patterns = list(told)
        self._told = list(told.values())
        self.longest = max(map(len, told), default=0)
        self._search = (
            ahocorasick_rs.BytesAhoCorasick(
                self._patterns, implementation=ahocorasick_rs.Implementation.ContiguousNFA
            )
            if told
            else None
        )

    def __len__(self) -> int:
        return len(self._patterns)

    def find(self, content: bytes | memoryview) -> list[Hit]:
        """What is in the content, in its order; of hits that overlap, one."""
        if self._search is None:
            return []
        return [
            Hit(at, end, *self._told[number])
            for number, at, end in self._search.find_matches_as_indexes(content)
        ]

    def find_in(self, chunks: Iterable[bytes]) -> Iterator[Hit]:
        """The same of a stream, in bounded memory; what lies over the border of two chunks too."""
        tail, start, seen = b"", 0, -1
        for chunk in chunks:
            content = tail + chunk if tail else chunk
            for hit in self.find(content):
                if start + hit.end > seen:
                    seen = start + hit.end
                    yield Hit(start + hit.at, start + hit.end, hit.kind, hit.spelling)
            keep = min(len(content), max(0, self.longest - 1))
            start += len(content) - keep
            tail = bytes(content[len(content) - keep :]) if keep else b""

    def hidden(self, content: bytes) -> bytes:
        """The content with what was found replaced by as many `*`: nothing behind it moves. In
        base64 and hex, by characters that these have.
        """
        changed = bytearray(content)
        while hits := self.find(bytes(changed)):
            for hit in hits:
                filler = _FILLERS.get(hit.spelling.split()[0].rstrip(","), b"*")
                changed[hit.at : hit.end] = (filler * (hit.end - hit.at))[: hit.end - hit.at]
        return bytes(changed)


_FILLERS = {"base64": b"A", "hex": b"2a", "UTF-16LE": b"*\0", "UTF-16BE": b"\0*"}
