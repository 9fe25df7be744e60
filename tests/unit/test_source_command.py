"""The command line of the booking system."""

from __future__ import annotations

import pytest

from infra.source.command import main


@pytest.mark.parametrize(
    "words",
    [
        ["simulate", "--rate", "-1"],
        ["simulate", "--rate", "nan"],
        ["simulate", "--duration", "0"],
        ["history", "--scale", "0"],
        ["history", "--now", "yesterday"],
        ["load"],
        [],
    ],
)
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A meaningless option would start a run, or fail without saying how the command is used."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: python -m infra.source" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["setup", "history", "load", "simulate"])
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A command would not explain itself."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "--dsn" in capsys.readouterr().out


def test_no_database(capsys: pytest.CaptureFixture[str]) -> None:
    """A server that is down would end in a traceback, or show the password."""
    dsn = "host=127.0.0.1 port=1 user=admin password=hidden dbname=airline_tickets"
    assert main(["setup", "--dsn", dsn]) == 1
    said = capsys.readouterr().err
    assert "127.0.0.1:1/airline_tickets" in said
    assert "./airline up" in said
    assert "hidden" not in said
