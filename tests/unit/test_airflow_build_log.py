"""The file by which model tasks follow a dbt build: whole lines, newest attempt, honest ends."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from infra.airflow import build_log


@pytest.fixture
def file(tmp_path):
    return build_log.place(tmp_path, "vault_load", "scheduled__2026-01-01T00:00:00+00:00", "load")


def test_a_name_that_is_no_file_name_still_has_a_place(file):
    """A run's id (it has colons and a plus) cannot be a file everywhere."""
    assert set(":+/") & set(file.name) == set()


def test_outcomes_are_there_as_soon_as_they_are_written(file):
    """A task learns only at the end how its model went."""
    assert build_log.read(file) is None
    writer = build_log.Writer(file)
    assert build_log.read(file).outcomes == {}
    writer.add(node="model.a", status="success", seconds=1, message="INSERT 0 1")
    assert build_log.read(file).outcomes["model.a"]["status"] == "success"
    assert not build_log.read(file).is_dead
    writer.close("done")
    assert build_log.read(file).end == "done"


def test_a_line_in_the_making_is_not_read(file):
    """A trigger that reads while dbt writes breaks off and fails its task."""
    writer = build_log.Writer(file)
    writer.add(node="model.a", status="success")
    with file.open("a") as half:
        half.write('{"node": "model.b", "sta')
    assert list(build_log.read(file).outcomes) == ["model.a"]


def test_nodes_are_told_together(file):
    """A test task ends before the last test, or hides one that failed."""
    tests = ["test.a1", "test.a2"]
    writer = build_log.Writer(file)
    writer.add(node="test.a1", status="pass", seconds=1, message=None)
    assert build_log.read(file).outcome(tests) is None
    writer.add(node="test.a2", status="fail", seconds=2, message="Got 3 results")
    result = build_log.read(file).outcome(tests)
    assert (result["status"], result["seconds"]) == ("fail", 3)
    assert result["message"] == "test.a2: Got 3 results"
    assert build_log.read(file).outcome(["test.a1"])["status"] == "pass"


def test_a_node_that_never_ran_did_not_pass(file):
    """What dbt skipped, or was never asked for, turns green."""
    writer = build_log.Writer(file)
    writer.add(node="test.a1", status="pass", seconds=1, message=None)
    assert build_log.read(file).outcome(["test.a1", "test.a2"]) is None
    writer.close("done")
    result = build_log.read(file).outcome(["test.a1", "test.a2"])
    assert (result["status"], result["message"]) == ("skipped", "test.a2: it did not run")


@pytest.mark.parametrize("worst", ["fail", "error", "runtime error", "no-op"])
def test_the_worst_of_the_nodes_counts(file, worst):
    """A failed test hides behind one that only warned, or was skipped."""
    writer = build_log.Writer(file)
    for status in ("pass", "warn", "skipped", worst):
        writer.add(node=f"test.{status}", status=status, message=None)
    result = build_log.read(file)
    assert result.outcome(["test.pass", "test.warn"])["status"] == "warn"
    assert result.outcome(["test.warn", "test.skipped"])["status"] == "skipped"
    assert result.outcome(["test.skipped", f"test.{worst}", "test.pass"])["status"] == worst
    assert worst not in build_log.GOOD


def test_a_new_attempt_takes_the_place_of_the_old_one(file):
    """A second try is judged by what the first one did."""
    first = build_log.Writer(file)
    first.add(node="model.a", status="error")
    first.close("done")
    assert build_log.read(file).end == "done"
    build_log.Writer(file)
    again = build_log.read(file)
    assert (again.end, again.outcomes) == ("", {})


def test_a_build_whose_process_is_gone_is_dead(file):
    """Tasks wait for ever for a build that was killed."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    build_log.Writer(file)
    head = json.loads(file.read_text())
    file.write_text(json.dumps(head | {"process": gone.pid}) + "\n")
    assert build_log.read(file).is_dead


def test_old_files_are_forgotten(tmp_path):
    """A stack that loads every few minutes fills its disk with them."""
    for number in range(5):
        build_log.Writer(build_log.place(tmp_path, "vault_load", f"run{number}", "load"))
    build_log.forget_old(tmp_path, keep=2)
    assert len(list((tmp_path / "builds" / "vault_load").iterdir())) == 2
