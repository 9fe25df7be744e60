"""`python -m infra.stack.supervisord`: supervisord as it is, but for two habits.

A service that ends as soon as it is started is tried again for as long as it takes: a disk that
was full for an hour, or an address that is not there yet, needs nobody. And a log that cannot be
written, on a full disk, loses lines and nothing else: supervisord reports such an error on its own
output, on the same disk, and ended there, or stopped reading what the service writes.
"""

from __future__ import annotations

import contextlib
import sys

from supervisor import loggers, process, supervisord

# The longest wait between two tries, in seconds; it grows by one with each.
LONGEST_WAIT = 30


class PatientSubprocess(process.Subprocess):
    """Never given up: supervisord does that once `backoff` exceeds `startretries`."""

    def transition(self) -> None:
        self.backoff = min(self.backoff, LONGEST_WAIT)
        super().transition()


class LenientLog(loggers.RotatingFileHandler):
    """Loses what it cannot write, and goes on with the file when there is room again."""

    def handleError(self) -> None:
        pass

    def doRollover(self) -> None:
        # Closed before the next file could be made. Until it can, lines are lost.
        with contextlib.suppress(OSError, ValueError):
            super().doRollover()
        if self.stream.closed:
            with contextlib.suppress(OSError):
                self.stream = open(self.baseFilename, self.mode)  # noqa: SIM115


if __name__ == "__main__":
    # Where supervisord looks for both.
    process.Subprocess = PatientSubprocess
    loggers.RotatingFileHandler = LenientLog
    sys.exit(supervisord.main())
