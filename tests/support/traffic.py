"""Live traffic at the source for as long as a test lasts."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from types import TracebackType

from infra.settings import ROOT


class Traffic:
    """`./airline simulate` in the background; it connects again when the primary comes back."""

    def __init__(self, rate: int, seed: int) -> None:
        self._process = subprocess.Popen(
            ["./airline", "simulate", "--rate", str(rate), "--seed", str(seed)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Traffic:
        return self

    def __exit__(self, kind: object, value: object, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def changes(self) -> int:
        """Rows changed so far, as of its last report (every five seconds)."""
        found = re.findall(r"([\d,]+) changes", "\n".join(self._lines))
        return int(found[-1].replace(",", "")) if found else 0

    @property
    def output(self) -> str:
        return "\n".join(self._lines)

    def stop(self) -> int:
        """Ends it; returns how many rows it changed."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join(10)
        return self.changes

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.append(line.rstrip())
