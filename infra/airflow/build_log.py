"""What one `dbt build` of a DAG run has done so far: a file of JSON lines that its task writes and
the model tasks' triggers read.

XCom would do the same with a round trip through API server and database for each line; a load has
hundreds.
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

# dbt's words for how a node ended that ran and is well.
GOOD = ("success", "pass", "warn")
SKIPPED = "skipped"


@dataclass
class Attempt:
    """One try of the build. `outcomes`: node -> what its line said."""

    process: int = 0
    process_began: float = 0.0
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)
    # 'done' once dbt ran to its end, whatever failed in it; 'failed' where it could not.
    end: str = ""

    @property
    def is_dead(self) -> bool:
        """Whether its process went away without a word."""
        if self.end or not self.process:
            return False
        try:
            return abs(psutil.Process(self.process).create_time() - self.process_began) > 1
        except psutil.NoSuchProcess:
            return True

    def outcome(self, nodes: Sequence[str]) -> dict[str, Any] | None:
        """How `nodes` went together; None while one of them is still to come.

        After the end, one without an outcome counts as skipped. What failed goes before what was
        skipped, and that before a warning.
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
        told = [each for each in outcomes if _gravity(each["status"])] or outcomes
        return {
            "status": worst["status"],
            "seconds": sum(each.get("seconds", 0) for each in outcomes),
            "message": "; ".join(
                f"{each['node']}: {each.get('message') or each['status']}" for each in told
            ),
        }


def _gravity(status: str) -> int:
    return {"success": 0, "pass": 0, "warn": 1, SKIPPED: 2}.get(status, 3)


class Writer:
    """Writes a new attempt. Each line is whole once it is there."""

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
    """The attempt as far as it has come; None before its first line. Cheap where nothing is new."""
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
    # What follows the last line break is a line in the making.
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
    """Where the build of a DAG run writes: the newest attempt takes the place of the one before."""
    safe = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{run_id}--{task_id}")
    return folder / "builds" / dag_id / f"{safe}.jsonl"


def forget_old(folder: Path, keep: int = 50) -> None:
    """Leaves the newest files of each DAG."""
    for dag in (folder / "builds").glob("*"):
        files = sorted(dag.glob("*.jsonl"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files[keep:]:
            file.unlink(missing_ok=True)


def home() -> Path:
    """AIRFLOW_HOME, from within Airflow."""
    return Path(os.environ["AIRFLOW_HOME"])
