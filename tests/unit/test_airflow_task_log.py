"""What `airflow tasks logs` prints."""

from __future__ import annotations

import json

import pytest
import structlog

from infra.airflow import command, config
from infra.airflow.task_log import as_text
from infra.errors import AirlineError
from infra.settings import Settings


def written(event: str, **fields: object) -> str:
    return json.dumps(
        {"timestamp": "2026-01-31T12:00:00.5Z", "level": "info", "event": event, **fields}
    )


def test_a_line_has_time_level_message_and_the_rest():
    """A person reads JSON, or misses a field that only the file has."""
    line = written('said "so"\nand more', logger="task.stdout", rows=3, table="seats")
    assert as_text(line + "\n") == (
        '2026-01-31 12:00:00.5Z INFO    said "so"\nand more rows=3 table=seats [task.stdout]\n'
    )


def test_what_is_no_message_stays_as_it_is():
    """The line that explains the failure is left out, for it is no JSON."""
    odd = ["Killed", "{", "[1, 2]", '{"no": "event"}', ""]
    assert as_text("\n".join(odd) + "\n") == "\n".join(odd) + "\n"


def test_an_error_shows_its_cause_and_where():
    """A failed task's log has everything but the error."""
    try:
        try:
            raise KeyError("the cause")
        except KeyError as cause:
            raise RuntimeError("the model\nwas refused") from cause
    except RuntimeError as error:
        # As Airflow writes it.
        made = structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(use_rich=False, show_locals=False)
        )(None, "", {"event": "Task failed", "exc_info": error})
    told = as_text(written("Task failed", error_detail=made["exception"]))
    lines = told.splitlines()
    assert [line for line in lines if line.startswith("  ") and line[2] != " "] == [
        "  KeyError: 'the cause'",
        "  RuntimeError: the model",
    ]
    assert "    was refused" in lines
    assert sum("test_airflow_task_log.py" in line for line in lines) == 2


@pytest.fixture
def logged(tmp_path, monkeypatch) -> Settings:
    """A stack whose Airflow has logged one try of a task."""
    monkeypatch.setattr(config, "folder", lambda _: tmp_path)
    folder = tmp_path / "logs" / "dag_id=audit" / "run_id=one" / "task_id=compare"
    folder.mkdir(parents=True)
    (folder / "attempt=1.log").write_text(written("source and vault are equal") + "\n")
    return Settings.from_environment({})


def test_tasks_logs_is_text_and_json_where_it_is_asked_for(logged, capsys):
    """A person is shown JSON, or a program text that it cannot read."""
    assert command.call(logged, ["tasks", "logs", "audit", "compare"]) == 0
    assert capsys.readouterr().out.startswith("2026-01-31 12:00:00.5Z INFO    source and vault")
    assert command.call(logged, ["tasks", "logs", "audit", "compare", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["event"] == "source and vault are equal"
    assert command.call(logged, ["tasks", "logs", "audit"]) == 0
    assert capsys.readouterr().out == "compare\n"


def test_a_task_may_have_been_meant(logged):
    """A mistyped task has no log, and nothing says which have."""
    with pytest.raises(AirlineError, match="did you mean 'compare'"):
        command.call(logged, ["tasks", "logs", "audit", "comapre"])
