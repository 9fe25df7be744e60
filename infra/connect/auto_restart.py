"""`python -m infra.connect.auto_restart`: restarts the connector when it or its task failed.

Debezium retries by itself after an interruption of streaming, but not after an error at start (for
example when the primary is killed right after the connector was registered), and Connect never
restarts a failed task. This service does, first after a second and later once a minute, because the
cause may need a person. It does not touch a stopped or paused connector: a resync is in progress,
or somebody stopped it on purpose.

It also compares the slot with the connector's stored position whenever nothing reads the slot, or a
new process does (infra/connect/slot_gap.py): a gap is not visible any more once the connector has
continued. It checks that every table is published
(infra/source/resync_due.py). And it helps a connector that searches for its position while nothing
is written at the source (infra/connect/resume_position.py).
"""

from __future__ import annotations

import dataclasses
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from kafka.errors import KafkaError

from infra.connect import connector, last_failure, resume_position, slot_gap
from infra.errors import AirlineError
from infra.postgres import sessions
from infra.settings import Settings
from infra.source import resync_due
from infra.stack import runtime
from infra.stack.log import say

# How often to look, in seconds.
LOOK_EVERY = 2.0
FIRST_RETRY, LAST_RETRY = 2.0, 60.0
# The wait after three starts that did not help.
FAILS_AGAIN = 16.0
# How much of a trace is kept, in characters.
TRACE = 20_000
# How long Connect may take to answer, and how old the last check may be, in seconds.
PATIENCE, TOO_OLD = 10.0, 60.0


@dataclass
class Patience:
    """When a failed connector is started again. Times are in seconds of a steady clock.

    The wait doubles with each restart, and becomes short again only after the connector ran for the
    longest wait: one that fails a second after each start is not restarted every two seconds.
    """

    wait: float = FIRST_RETRY
    due: float = 0.0
    running_since: float | None = None

    @property
    def is_spent(self) -> bool:
        """Whether it failed again after each of several starts."""
        return self.wait >= FAILS_AGAIN

    def is_due(self, now: float, *, failed: bool, running: bool) -> bool:
        """Whether to restart it now, given the state that was seen at this time."""
        if not running:
            self.running_since = None
        elif self.running_since is None:
            self.running_since = now
        elif now - self.running_since >= LAST_RETRY:
            self.wait, self.due = FIRST_RETRY, 0.0
        if not failed or now < self.due:
            return False
        self.due = now + self.wait
        self.wait = min(self.wait * 2, LAST_RETRY)
        return True


def looked(settings: Settings) -> Path:
    """A file that is touched at each check."""
    folder = runtime.make_folder(settings, settings.home / "run", mode=0o700)
    return folder / "auto-restart.looked"


def _note_failure(settings: Settings, state: connector.State, patience: Patience) -> None:
    """Kept until it has run for the longest wait."""
    if state.is_failed and patience.is_spent:
        kept = dataclasses.replace(state, trace=state.trace[:TRACE])
        last_failure.write(settings, dataclasses.asdict(kept))
    elif not patience.is_spent:
        last_failure.forget(settings)


def problem(settings: Settings) -> str:
    """Why it does not work although its process runs; '' if it does."""
    try:
        age = time.time() - looked(settings).stat().st_mtime
    except FileNotFoundError:
        return "it has not looked at the connector yet"
    return f"it has not looked at the connector for {age:.0f} s" if age > TOO_OLD else ""


def main(settings: Settings) -> int:
    """Checks until SIGTERM or SIGINT. Returns 0."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # An end that was asked for is no failure.
        signal.signal(number, lambda *_: sys.exit(0))
    patience = Patience()
    answered = True
    watch = slot_gap.Watch(settings)
    search = resume_position.Search()
    gap, compared = None, True
    due: list[resync_due.Due] = []
    while True:
        looked(settings).touch()
        time.sleep(LOOK_EVERY)
        try:
            # Before anything is started again.
            with sessions.patience(PATIENCE):
                before, gap = gap, watch.look()
            if gap is not None and before is None:
                say("changes were skipped", error=str(gap))
            compared = True
        except (psycopg2.Error, KafkaError) as error:
            if compared:
                say("the slot cannot be compared with the stored position", error=str(error))
            compared = False
        else:
            _help_on(settings, search, watch.slot)
        due = _look_at_source(settings, due)
        try:
            state = connector.state(settings, PATIENCE)
            answered = True
            now = time.monotonic()
            if state is not None and patience.is_due(
                now, failed=state.is_failed, running=state.is_running
            ):
                say(
                    "starting the failed connector again",
                    connector=state.connector,
                    task=state.task,
                    error=state.reason[:300],
                    next_try_in_seconds=round(patience.due - now),
                )
                connector.restart_failed(settings, PATIENCE)
            if state is not None:
                _note_failure(settings, state, patience)
        except AirlineError as error:
            # A dead worker is restarted by the supervisor.
            if answered:
                say("Kafka Connect does not do what it is asked", error=str(error))
            answered = False


def _help_on(
    settings: Settings, search: resume_position.Search, slot: slot_gap.Slot | None
) -> None:
    """Ends a search for the place in the log; where that fails it is tried at the next look."""
    if not search.is_stuck(time.monotonic(), slot):
        return
    try:
        with sessions.patience(PATIENCE):
            resume_position.help_on(settings)
    except psycopg2.Error as error:
        say("the connector looks for its place, and gets no transaction", error=str(error))
    else:
        search.is_helped = True
        say("the connector looks for its place: a transaction of our own ends that")


def _look_at_source(settings: Settings, before: list[resync_due.Due]) -> list[resync_due.Due]:
    """Records faults that lose changes; logs those that are new since `before`. Returns all."""
    with suppress(psycopg2.Error, AirlineError, OSError), sessions.patience(PATIENCE):
        resync_due.look(settings)
    due = resync_due.noted(settings)
    for each in due:
        if each not in before:
            say("changes may have been missed", error=each.why, mend=each.command)
    return due


if __name__ == "__main__":
    sys.exit(main(Settings.from_environment()))
