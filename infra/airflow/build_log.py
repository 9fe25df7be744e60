"""The progress of one `dbt build` of a DAG run: a file of JSON lines that the build's task writes
and the triggers of the model tasks read.

XCom would need a round trip through API server and database for each line; a load has hundreds.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import psutil

# dbt's statuses of nodes that succeeded.
GOOD = ("success", "pass", "warn")
SKIPPED = "skipped"


@dataclass
class Attempt:
    """One attempt of the build. `outcomes`: node -> the content of its line."""

    process: int = 0
    process_began: float = 0.0
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)
    # 'done' when dbt ran to its end, even if nodes failed; 'failed' when it could not run.
    end: str = ""

    @property
    def is_dead(self) -> bool:
        """Whether its process ended without writing an end."""
        if self.end or not self.process:
            return False
        try:
            return abs(psutil.Process(self.process).create_time() - self.process_began) > 1
        except psutil.NoSuchProcess:
            return True

    def outcome(self, nodes: Sequence[str]) -> dict[str, Any] | None:
        """The combined outcome of `nodes`; None while one of them is still missing.

        After the end of the build a node without an outcome counts as skipped. A failure takes
        precedence over a skip, and a skip over a warning.
        """
        outcomes = []
        for node in nodes:
            if node in self.outcomes:
                outcomes.append(self.outcomes[node])
            elif self.end:
                outcomes.append({"node": node, "status": SKIPPED, "message": "it did not run"})
            else:
                return None
        worst = max(outcomes, key=lambda each: _gravity(each["status"]))
        shown = [each for each in outcomes if _gravity(each["status"])] or outcomes
        return {
            "status": worst["status"],
            "seconds": sum(each.get("seconds", 0) for each in outcomes),
            "message": "; ".join(
                f"{each['node']}: {each.get('message') or each['status']}" for each in shown
            ),
        }


def _gravity(status: str) -> int:
    return {"success": 0, "pass": 0, "warn": 1, SKIPPED: 2}.get(status, 3)


class Writer:
    """Writes a new attempt. Lines are appended atomically."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        own = psutil.Process()
        half = file.with_suffix(".half")
        half.write_text(json.dumps({"process": own.pid, "process_began": own.create_time()}) + "\n")
        half.replace(file)
        self._file: TextIO = file.open("a")

    def add(self, **line: Any) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self, end: str) -> None:
        self.add(end=end)
        self._file.close()


_read: dict[Path, tuple[tuple[int, int], Attempt]] = {}


def read(file: Path) -> Attempt | None:
    """The attempt so far; None before its first line. Cheap if nothing was appended."""
    try:
        status = file.stat()
    except FileNotFoundError:
        _read.pop(file, None)
        return None
    seen = (status.st_ino, status.st_size)
    if file in _read and _read[file][0] == seen:
        return _read[file][1]
    head, *lines = file.read_text().split("\n")
    attempt = Attempt(**json.loads(head))
    # Text after the last line break is a line that is still being written.
    for text in lines[:-1]:
        line = json.loads(text)
        if "end" in line:
            attempt.end = line["end"]
        else:
            attempt.outcomes[line["node"]] = line
    if len(_read) > 50:
        _read.clear()
    _read[file] = (seen, attempt)
    return attempt


def place(folder: Path, dag_id: str, run_id: str, task_id: str) -> Path:
    """The file of a DAG run's build; a new attempt replaces the one before."""
    safe = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{run_id}--{task_id}")
    return folder / "builds" / dag_id / f"{safe}.jsonl"


def forget_old(folder: Path, keep: int = 50) -> None:
    """Deletes all but the newest files of each DAG."""
    for dag in (folder / "builds").glob("*"):
        files = sorted(dag.glob("*.jsonl"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files[keep:]:
            file.unlink(missing_ok=True)


def home() -> Path:
    """AIRFLOW_HOME, from within Airflow."""
    return Path(os.environ["AIRFLOW_HOME"])
