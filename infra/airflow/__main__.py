"""`python -m infra.airflow …`: becomes Airflow's own command, with this stack's configuration.

The services start through here too, so that secrets are read at start and are in no service's
definition.
"""

from __future__ import annotations

import os
import sys

import psutil

from infra.airflow import config
from infra.settings import Settings


def main(arguments: list[str]) -> None:
    if os.environ.get("AIRLINE_SERVICE"):
        end_leftovers()
    # Airflow gets no variable that it does not need, and none of the caller's AIRFLOW__ variables.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW_", "AIRLINE_", "DBT_"))
        or name in ("AIRLINE_SERVICE", "AIRLINE_HOME")
    }
    environment |= config.environment(Settings.from_environment())
    module = "infra.airflow.triggerer" if arguments[:1] == ["triggerer"] else "airflow"
    os.execve(sys.executable, [sys.executable, "-m", module, *arguments], environment)


def end_leftovers() -> None:
    """Ends processes that a killed service left behind: those in supervisord's session whose
    process group has no leader any more.

    The workers of a killed scheduler live on with its database connections. The row of the DAG run
    stays locked, and the next scheduler skips that run for ever.
    """
    session = os.getsid(0)
    for process in psutil.process_iter():
        try:
            group = os.getpgid(process.pid)
            if os.getsid(process.pid) == session and not psutil.pid_exists(group):
                process.kill()
        except (psutil.Error, OSError):
            continue


if __name__ == "__main__":
    main(sys.argv[1:])
