"""The configuration that supervisord reads."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from infra.errors import AirlineError
from infra.settings import Settings
from infra.stack.program import Program
from infra.stack.supervisord import LONGEST_WAIT


def text(
    settings: Settings, programs: Iterable[Program], *, folder: Path, socket: Path, logs: Path
) -> str:
    """`folder` is for its pid, `socket` where it is asked, `logs` for all that is logged.

    Raises AirlineError for what its file cannot hold.
    """
    sections = [
        "[supervisord]",
        f"logfile={_value(logs / 'supervisord.log')}",
        "logfile_maxbytes=10MB",
        "logfile_backups=1",
        f"pidfile={_value(folder / 'supervisord.pid')}",
        "nodaemon=true",
        "umask=077",
        "[unix_http_server]",
        f"file={_value(socket)}",
        "chmod=0700",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
    ]
    for program in programs:
        sections += _program(settings, program, logs)
    return "\n".join([*sections, ""])


def _program(settings: Settings, program: Program, logs: Path) -> list[str]:
    marks = {"AIRLINE_SERVICE": program.name, "AIRLINE_HOME": str(settings.home)}
    variables = {"LC_ALL": "C", **program.environment, **marks}
    return [
        f"[program:{program.name}]",
        f"command={_value(shlex.join(program.command))}",
        f"directory={_value(program.directory)}",
        "environment="
        + ",".join(f'{key}="{_value(value, key)}"' for key, value in variables.items()),
        # `up` starts them in order; after that supervisord starts them again.
        "autostart=false",
        "autorestart=true",
        "startsecs=2",
        # More than there are in a row: infra/stack/supervisord.py never gives up.
        f"startretries={LONGEST_WAIT + 1}",
        f"stopsignal={program.stop_signal}",
        f"stopwaitsecs={program.stop_seconds}",
        "redirect_stderr=true",
        f"stdout_logfile={_value(logs / f'{program.name}.log')}",
        "stdout_logfile_maxbytes=20MB",
        "stdout_logfile_backups=3",
    ]


def _value(value: object, variable: str = "") -> str:
    """The value as it stands in the file. An error names it; of a `variable` its name alone, for
    the value may be a password.
    """
    text = str(value)
    if any(part in text for part in ('"', "\n", " ;", " #")):
        raise AirlineError(
            f"supervisord cannot be given the value {f'of {variable}' if variable else repr(text)}",
            "use one without quotes, and without semicolons and number signs after a space",
        )
    return text.replace("%", "%%")
