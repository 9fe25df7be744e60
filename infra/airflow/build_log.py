"""What one `dbt build` of a DAG run has done so far: a file of JSON lines that its task writes and
the model tasks' triggers read.

XCom would do the same with a round trip through API server and database for each line; a load has
hundreds.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import psutil

# dbt's words for how a node ended.
GOOD = ("success", "pass", "warn", "no-op", "reused")
SKIPPED = "skipped"


@dataclass
class Attempt:
    """One try of the build. `outcomes`: node -> what its line said; `tests`: model -> its tests."""

    process: int = 0
    process_began: float = 0.0
    tests: dict[str, list[str]] = field(default_factory=dict)
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

    def outcome_of_tests(self, node: str) -> dict[str, Any] | None:
        """How the tests of `node` went together; None while one of them is still to come.

        After the end, one without an outcome counts as skipped.
        """
        outcomes = []
        for test in self.tests.get(node, []):
            if test in self.outcomes:
                outcomes.append(self.outcomes[test])
            elif self.end:
                outcomes.append({"status": SKIPPED, "message": f"{test} did not run"})
            else:
                return None
        bad = [each for each in outcomes if each["status"] not in GOOD]
        return {
            "status": bad[0]["status"] if bad else "pass",
            "seconds": sum(each.get("seconds", 0) for each in outcomes),
            "message": "; ".join(
                f"{each.get('name', '')} {each.get('message', '')}".strip() for each in bad
            )
            or f"{len(outcomes)} tests passed",
        }


class Writer:
    """Writes a new attempt. Each line is whole once it is there."""

    def __init__(self, file: Path, tests: dict[str, list[str]]) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        own = psutil.Process()
        half = file.with_suffix(".half")
        half.write_text(
            json.dumps({"process": own.pid, "process_began": own.create_time(), "tests": tests})
            + "\n"
        )
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
