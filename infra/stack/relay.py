"""Root's terminal, for a command that goes on as another account.

The command gets a terminal of its own, and root's process copies between the two. What the command
leaves behind has that one alone, which ends with the command: it neither reads what root types next
nor writes to where root reads. Standard library only, for root's part of `./airline`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import termios
import tty
from collections.abc import Iterator

IN, OUT, ERROR = 0, 1, 2
CHUNK = 65_536
# How much is still copied of what was written when the command has ended.
MOST_AT_THE_END = 1 << 20


class Relay:
    """Made before the command's process is; there `take` gives it its terminal, and here `run`
    copies. Where nothing of the three streams is a terminal there is nothing to do.
    """

    def __init__(self) -> None:
        self._ours = [number for number in (IN, OUT, ERROR) if os.isatty(number)]
        self._out = next((each for each in (OUT, ERROR) if each in self._ours), None)
        # In a pipeline another program may be the one that reads: `./airline status | less`.
        self._reads = {IN, OUT} <= {*self._ours} and _is_in_front()
        if self._out is None:
            return
        self._main, self._theirs = os.openpty()
        termios.tcsetattr(self._theirs, termios.TCSANOW, self._attributes())
        self._size()

    def _attributes(self) -> list:
        attributes = termios.tcgetattr(self._out)
        if not self._reads:
            # Root's terminal does it: once is enough.
            attributes[1] &= ~termios.OPOST
        return attributes

    def _size(self) -> None:
        with contextlib.suppress(OSError):
            size = fcntl.ioctl(self._out, termios.TIOCGWINSZ, struct.pack("4H", 0, 0, 0, 0))
            fcntl.ioctl(self._main, termios.TIOCSWINSZ, size)

    def take(self) -> None:
        """In the command's process, which has just become the first of a session."""
        if self._out is not None:
            fcntl.ioctl(self._theirs, termios.TIOCSCTTY, 0)
        for number in self._ours:
            if number == IN and not self._reads:
                os.dup2(os.open(os.devnull, os.O_RDONLY), IN)
            else:
                os.dup2(self._theirs, number)

    def run(self, child: int) -> int:
        """Copies until the process has ended; returns its status, as os.waitpid tells it."""
        if self._out is None:
            return os.waitpid(child, 0)[1]
        os.close(self._theirs)
        with _ends_of_children() as ended, self._raw():
            signal.signal(signal.SIGWINCH, lambda *_: self._size())
            reading = [self._main, ended] + [IN] * self._reads
            while True:
                # Looked at after the signal's pipe was made: none is missed.
                done, status = os.waitpid(child, os.WNOHANG)
                if done:
                    break
                for each in select.select(reading, [], [])[0]:
                    content = _read(each)
                    if each == self._main and content:
                        _write(self._out, content)
                    elif each == IN and content:
                        _write(self._main, content)
                    elif each != ended:
                        reading.remove(each)
            self._rest()
        os.close(self._main)
        return status

    def _rest(self) -> None:
        left = MOST_AT_THE_END
        while left > 0 and select.select([self._main], [], [], 0)[0]:
            content = _read(self._main)
            if not content:
                return
            _write(self._out, content)
            left -= len(content)

    @contextlib.contextmanager
    def _raw(self) -> Iterator[None]:
        """Each key goes to the command's terminal, which makes of it what ours would have made."""
        if not self._reads:
            yield
            return
        before = termios.tcgetattr(IN)
        tty.setraw(IN, termios.TCSADRAIN)
        try:
            yield
        finally:
            termios.tcsetattr(IN, termios.TCSADRAIN, before)


def _is_in_front() -> bool:
    """Whether this process may read: a terminal that controls no session lets everybody."""
    try:
        return os.tcgetpgrp(IN) == os.getpgrp()
    except OSError:
        return True


@contextlib.contextmanager
def _ends_of_children() -> Iterator[int]:
    """What can be read from when a process of this one's has ended."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(reader)
        os.close(writer)


def _read(number: int) -> bytes:
    try:
        return os.read(number, CHUNK)
    except OSError:
        # So ends a terminal that nobody has any more.
        return b""


def _write(number: int, content: bytes) -> None:
    with contextlib.suppress(OSError):
        while content:
            content = content[os.write(number, content) :]
