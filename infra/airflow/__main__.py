"""`python -m infra.airflow …`: becomes Airflow's own command, with this stack's configuration.

The services run through here as well: secrets are read now, and stand in no service's definition.
"""

from __future__ import annotations

import os
import sys

from infra.airflow import config
from infra.settings import Settings


def main(arguments: list[str]) -> None:
    # What Airflow does not need to know it is not told: nothing of a caller's AIRFLOW__ either.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW_", "AIRLINE_", "DBT_"))
        or name in ("AIRLINE_SERVICE", "AIRLINE_HOME")
    }
    environment |= config.environment(Settings.from_environment())
    os.execve(sys.executable, [sys.executable, "-m", "airflow", *arguments], environment)


if __name__ == "__main__":
    main(sys.argv[1:])
