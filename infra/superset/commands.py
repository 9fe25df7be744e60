"""Superset's virtual environment: its programs and their environment variables."""

from __future__ import annotations

import os
import subprocess

from infra.errors import AirlineError
from infra.mail import delivery
from infra.postgres import roles
from infra.settings import Settings, untold_passwords
from infra.stack import venv
from infra.superset import reach

# Its metadata database, on the warehouse's server.
DATABASE = roles.OWN_DATABASES[roles.SUPERSET]


def environment(settings: Settings, *, writes_mail: bool = False) -> dict[str, str]:
    """Superset's environment variables: the stack's settings, and its own secrets."""
    variables = settings.service_environment()
    if writes_mail:
        variables = settings.environment() | delivery.authorities() | untold_passwords()
    return variables | {
        "SUPERSET_CONFIG_PATH": str(settings.root / "infra" / "superset" / "superset_config.py"),
        "SUPERSET_HOME": str(settings.home / "data" / "superset"),
        "AIRLINE_SUPERSET_SECRET_KEY": settings.secret("superset_secret_key"),
        "AIRLINE_SUPERSET_DB": DATABASE,
        "AIRLINE_SUPERSET_DB_USER": roles.SUPERSET,
        "AIRLINE_SUPERSET_DB_PASSWORD": settings.secret(roles.SUPERSET),
        # That of the admins' is with the connection, in Superset's metadata.
        **{reach.variable(role): settings.secret(role) for role in reach.BESIDE_ADMINS},
        # No count of page views is sent anywhere.
        "SCARF_ANALYTICS": "false",
        # A reader of the log can do nothing about its warnings on optional parts.
        "PYTHONWARNINGS": "ignore",
    }


def server(settings: Settings) -> list[str]:
    """The command of the web server: one process, as many queries at a time as threads."""
    return [
        str(venv.python("superset")),
        "-P",
        "-m",
        "gunicorn",
        "--bind",
        f"{settings.host}:{settings.superset_port}",
        "--workers=1",
        "--worker-class=gthread",
        "--threads=12",
        "--timeout=120",
        "--graceful-timeout=10",
        # It would listen below the home folder, outside of the stack's.
        "--no-control-socket",
        "--worker-tmp-dir=/dev/shm" if os.path.isdir("/dev/shm") else "--no-sendfile",
        "superset.app:create_app()",
    ]


def worker() -> list[str]:
    """The command of what runs alerts and reports."""
    return [
        str(venv.python("superset")),
        "-P",
        "-m",
        "celery",
        "--app=superset.tasks.celery_app:app",
        "worker",
        "--hostname=reports@localhost",
        "--loglevel=INFO",
        # There is no other worker to talk to.
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]


def run_inside(settings: Settings, *arguments: str, **variables: str) -> str:
    """Runs `infra.superset.inside` in Superset's environment; returns what it printed, raises
    AirlineError with its end.
    """
    done = subprocess.run(
        [str(venv.python("superset")), "-P", "-m", "infra.superset.inside", *arguments],
        cwd=settings.root,
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ},
            **environment(settings),
            # Whoever makes its logins knows their passwords; the server does not.
            **{
                name: value
                for name, value in settings.environment().items()
                if name.startswith("AIRLINE_SUPERSET_") and name.endswith("PASSWORD")
            },
            **variables,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    log = settings.home / "logs" / f"superset-{arguments[0]}.log"
    log.write_text(done.stdout + done.stderr)
    if done.returncode:
        raise AirlineError(
            f"Superset's {arguments[0]} failed",
            f"see its end below, all of it in {log}",
            "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:]),
        )
    return done.stdout
