"""What a person does wrong gets a clear error that says what to do, and harms nothing."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import closing

import pytest

pytestmark = pytest.mark.timeout(1800)


def test_a_wrong_password_is_named_and_nothing_is_stopped(stack):
    """`up` hangs, or shows a traceback, where the password is another."""
    before = stack.pids()
    done = stack.up(check=False, AIRLINE_ADMIN_PASSWORD="mistyped")
    assert done.returncode == 1
    assert "AIRLINE_ADMIN_PASSWORD" in done.stderr
    assert "Traceback" not in done.stderr
    assert "mistyped" not in done.stderr + done.stdout
    stack.healthy_status()
    assert stack.pids() == before


@pytest.mark.parametrize("service", ["primary", "kafka", "connect"])
def test_a_taken_port_is_refused_by_name_before_anything_starts(stack, tmp_path, service):
    """A service dies in its log, and nobody says who has its port."""
    with closing(socket.socket()) as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        home = tmp_path / "home"
        done = stack.up(
            check=False,
            AIRLINE_HOME=str(home),
            AIRLINE_PORT_OFFSET=str(stack.settings.port_offset + 37),
            **{f"AIRLINE_{service.upper()}_PORT": str(port)},
        )
    assert done.returncode == 1
    assert f"port {port} for {service} is taken by process" in done.stderr
    assert f"AIRLINE_{service.upper()}_PORT=<port>" in done.stderr
    assert not (home / "data" / service).exists()


def test_a_stack_that_does_not_run_says_what_to_start(stack, tmp_path):
    """A command against no stack hangs or ends without a word."""
    elsewhere = {
        "AIRLINE_HOME": str(tmp_path / "none"),
        "AIRLINE_PORT_OFFSET": str(stack.settings.port_offset + 37),
    }
    for verb in (["audit"], ["load", str(tmp_path)], ["status"]):
        done = stack.airline(*verb, check=False, **elsewhere)
        assert done.returncode == 1, verb
        assert "./airline up" in done.stdout + done.stderr, verb
        assert "Traceback" not in done.stderr, verb


def test_a_half_started_stack_is_completed(stack):
    """After a crash of one part only a `reset` helps."""
    stack.supervisor.halt("kafka")
    stack.supervisor.halt("ingest")
    ill = stack.airline("status", check=False)
    assert ill.returncode == 1
    assert "not running" in ill.stdout
    stack.up()
    stack.healthy_status()


def test_services_that_outlived_their_supervisor_are_taken_over(stack):
    """After a crash of supervisord `up` finds its own ports taken."""
    os.kill(int((stack.home / "run" / "supervisord.pid").read_text()), signal.SIGKILL)
    stack.up()
    stack.healthy_status()
    stack.assert_audit_clean()
