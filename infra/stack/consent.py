"""What asks before it begins."""

from __future__ import annotations

import sys

from infra.errors import AirlineError


def is_given(verb: str, what: str) -> bool:
    """Says `what` the verb does, and asks. Raises AirlineError where nobody can answer."""
    print(what)
    if not sys.stdin.isatty():
        raise AirlineError(f"{verb} asks before it begins", f"say './airline {verb} --yes'")
    if input("Type yes to go on: ").strip().lower() == "yes":
        return True
    print("nothing done")
    return False
