"""What is printed for a person who looks: lines as wide as the terminal, and colour.

Where the output is a file or a pipe nothing of this happens: programs get whole lines.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import TextIO

RED, GREEN = "31", "32"
# Narrower than this nothing is wrapped: one word a line cannot be read either.
NARROWEST = 20


def width(stream: TextIO | None = None) -> int | None:
    """Columns of the terminal that `stream` (standard output) is, or None: it is none."""
    if not _is_terminal(sys.stdout if stream is None else stream):
        return None
    return max(NARROWEST, shutil.get_terminal_size().columns)


def wrapped(line: str, indent: int = 4, stream: TextIO | None = None) -> str:
    """`line`, broken between words where a terminal is narrower, the further lines indented."""
    columns = width(stream)
    if columns is None or len(line) <= columns:
        return line
    if "\n" in line:
        return "\n".join(wrapped(each, indent, stream) for each in line.split("\n"))
    begin = len(line) - len(line.lstrip())
    return "\n".join(
        textwrap.wrap(
            line.lstrip(),
            columns,
            initial_indent=" " * begin,
            subsequent_indent=" " * min(indent, columns // 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def coloured(text: str, colour: str, stream: TextIO | None = None) -> str:
    """`text` in that colour on a terminal, unless NO_COLOR is set or the terminal has none."""
    stream = sys.stdout if stream is None else stream
    if not _is_terminal(stream) or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    # Each line by itself: a pager or a scrolled screen shows some of them.
    return "\n".join(f"\033[{colour}m{line}\033[0m" for line in text.split("\n"))


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()
