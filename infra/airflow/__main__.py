"""`python -m infra.airflow …`: becomes Airflow's own command, with this stack's configuration.

The services run through here as well: secrets are read now, and stand in no service's definition.
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
    # What Airflow does not need to know it is not told: nothing of a caller's AIRFLOW__ either.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW_", "AIRLINE_", "DBT_"))
        or name in ("AIRLINE_SERVICE", "AIRLINE_HOME")
    }
    environment |= config.environment(Settings.from_environment())
    os.execve(sys.executable, [sys.executable, "-m", "airflow", *arguments], environment)


def end_leftovers() -> None:
    """Ends what a killed service left behind: in supervisord's session, of a group whose leader
    is gone.

    A killed scheduler's workers live on, and with them its connections: the row of the DAG run
    that it was about stays locked, and the next scheduler passes that run by for ever.
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
