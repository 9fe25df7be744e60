"""Processes that are ended, and logs of which the end is read."""

from __future__ import annotations

from pathlib import Path

import psutil


def end(process: psutil.Process, seconds: float = 60) -> None:
    """Ends a process cleanly, or by force after `seconds`."""
    try:
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM waits for every client.
        if process.name() == "postgres":
            process.send_signal(2)
        else:
            process.terminate()
        process.wait(seconds)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(10)
    except psutil.NoSuchProcess:
        pass


def tail(file: Path, lines: int) -> str:
    """The last lines of a log; '' where there is none."""
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, file.stat().st_size - 400 * lines))
            return "\n".join(opened.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
