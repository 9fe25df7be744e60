"""What ends a command is said in one line with what to do."""

from __future__ import annotations

import subprocess
import sys

import psycopg2.errors
import pytest
from kafka.errors import KafkaConnectionError, KafkaTimeoutError

from infra.settings import ROOT
from infra.stack.failures import explained


@pytest.mark.parametrize("error", [KafkaConnectionError(), KafkaTimeoutError("no answer")])
def test_a_broker_that_does_not_answer_is_no_traceback(capsys, error):
    """Whoever asks while the broker restarts reads thirty lines of the client's insides."""

    def ask() -> int:
        raise error

    assert explained(ask) == 1
    said = capsys.readouterr().err
    assert said.startswith("airline: Kafka") and type(error).__name__ in said
    assert "'./airline up'" in said and said.count("\n") == 1


def test_a_database_that_takes_no_writes_is_no_traceback(capsys):
    """Whoever has made the source read-only for an hour reads the insides of a driver."""

    def write() -> int:
        raise psycopg2.errors.ReadOnlySqlTransaction("cannot execute CREATE TABLE")

    assert explained(write) == 1
    assert "default_transaction_read_only" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("redirection", "code"), [(">&-", 0), ("| true; exit ${PIPESTATUS[0]}", 141)]
)
def test_output_that_nobody_takes_is_no_traceback(redirection, code):
    """A job without an output, or with `| head`, ends in a traceback."""
    program = (
        "import time; from infra.stack.failures import explained;"
        "raise SystemExit(explained(lambda: (time.sleep(1), print('said'), 0)[2]))"
    )
    done = subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" {redirection}', sys.executable, program],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (code, "")


def test_a_mistake_of_ours_keeps_its_traceback():
    """A fault of the product is reported as one of the stack's, and nobody can find it."""
    with pytest.raises(ZeroDivisionError):
        explained(lambda: 1 // 0)
