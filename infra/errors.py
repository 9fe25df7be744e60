"""The one exception for failures that we expect."""

from __future__ import annotations


class AirlineError(Exception):
    """Something outside of the code is wrong; printed as `airline: what; what to do`, exit 1, no
    traceback.

    `what` says what happened and to what, `todo` what to do now, `detail` is printed below (log
    lines, a trace).
    """

    def __init__(self, what: str, todo: str = "", detail: str = "") -> None:
        self.what = what
        self.todo = todo
        self.detail = detail
        super().__init__(f"{what}; {todo}" if todo else what)


# What to do where a disk is full.
MAKE_ROOM = "a disk is full: make room on it ('./airline status' says which)"


def is_full_disk(text: str) -> bool:
    """Whether a log or an error names a disk without room, as the system words it."""
    return "No space left on device" in text
