"""A command as it runs in a terminal, and what a person would see there."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence


class Terminal:
    """A process on a terminal of so many columns."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int = 80
    ) -> None:
        self._main, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        usual = {name: text for name, text in environment.items() if name != "COLUMNS"}
        self.process = subprocess.Popen(
            command,
            stdin=other,
            stdout=other,
            stderr=other,
            env={"TERM": "xterm", **usual},
            start_new_session=True,
            # Ctrl-C reaches it by the terminal.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(other)
        self.shown = ""

    def type(self, text: str) -> None:
        os.write(self._main, text.encode())

    def read(self, until: str | None = None, patience: float = 120) -> str:
        """All that is shown so far once `until` is among it, or at the end of the process."""
        deadline = time.monotonic() + patience
        while until is None or until not in self.shown:
            assert time.monotonic() < deadline, f"no {until!r} in {self.shown!r}"
            if not select.select([self._main], [], [], 0.5)[0]:
                continue
            try:
                part = os.read(self._main, 65536)
            except OSError:  # its end
                part = b""
            if not part:
                assert until is None, f"ended without {until!r}: {self.shown!r}"
                break
            self.shown += part.decode(errors="replace").replace("\r\n", "\n")
        return self.shown

    def end(self) -> int:
        """Waits for it; returns its exit code."""
        return self.process.wait(120)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever happened, it does not go on."""
        self.process.kill()
        self.process.wait()
        os.close(self._main)
