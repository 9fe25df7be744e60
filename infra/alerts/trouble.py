"""What is told to people: a trouble, what it comes from, and whose it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from infra.mail.owners import PLATFORM

# How long a trouble must be seen before it is told, in seconds: what mends itself by then (a
# service that starts again, partitions that are shared out anew) is nobody's work.
PATIENCE = 60.0


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong.

    `cause` is the same for as long as it lasts, and `text` says what is wrong now and what to do.
    `check` is the line of `status` that knows of it, `group` one of models/groups.yml. `because`
    are causes (patterns) of which this is a mere consequence. `is_own`: it is told whatever else is
    wrong.
    """

    cause: str
    text: str
    check: str
    group: str = PLATFORM
    because: tuple[str, ...] = ()
    patience: float = PATIENCE
    is_own: bool = False


def roots(troubles: Iterable[Trouble]) -> dict[str, str]:
    """Cause -> the cause that it is a consequence of in the end; itself where there is none.

    Where two explain each other, one of them is taken, always the same.
    """
    by_cause = {each.cause: each for each in troubles}
    behind = {
        cause: next(
            (
                other
                for pattern in trouble.because
                for other in by_cause
                if other != cause and fnmatchcase(other, pattern)
            ),
            None,
        )
        for cause, trouble in by_cause.items()
    }

    def root(cause: str) -> str:
        path = [cause]
        while (other := behind[path[-1]]) is not None:
            if other in path:
                return min(path[path.index(other) :])
            path.append(other)
        return path[-1]

    return {cause: root(cause) for cause in by_cause}
