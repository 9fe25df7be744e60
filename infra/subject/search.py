"""The last step of forgetting somebody: nothing is left of them below the home, or it is said."""

from __future__ import annotations

from collections.abc import Mapping

from infra.errors import AirlineError
from infra.settings import Settings
from infra.stack.progress import Progress
from infra.subject import caches, kafka_purge, look, rewrite
from infra.subject.needles import Erased, Needles, identifiers

# Places that are named.
MOST = 40


def run(settings: Settings, act: Erased) -> Mapping[str, int]:
    """Raises AirlineError where anything is found, or could not be opened.

    Since the steps before, the source may have sent the person again: what is found makes them be
    done once more.
    """
    say = Progress().say
    needles = Needles(look.of_nobody_else(settings, identifiers(act)))
    report = look.search(settings, needles, say)
    if report.found:
        say(f"{len(report.found)} places are left: what removes them is done again")
        for step in (kafka_purge, rewrite, caches):
            step.run(settings, act)
        report = look.search(settings, needles, say)
    if report.found or report.not_opened:
        lines = [each.told(settings.home) for each in report.found] + report.not_opened
        raise AirlineError(
            f"of the person of act {act.id} {len(report.found)} places are left below "
            f"{settings.home}"
            + (f", {len(report.not_opened)} files cannot be opened" if report.not_opened else ""),
            "'./airline subject resume' tries again; where a file is a copy that somebody "
            "made, remove it first",
            "\n".join(lines[:MOST] + ([f"and {len(lines) - MOST} more"] if lines[MOST:] else [])),
        )
    return {"files searched": report.files, "bytes searched": report.bytes}
