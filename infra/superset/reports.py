"""Alerts and reports: what Superset is told of the clock, the queue, the browser and the mail.

Superset runs them by Celery. Here one worker does (the service `superset-worker`), its queue is a
file of SQLite, and its mail goes the way of all other mail (infra/superset/worker.py). Read in
Superset's environment, but for what the service asks.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

from infra.mail.owners import PLATFORM, owners
from infra.settings import Settings
from infra.superset.language import RUSSIAN

# Debian's, Ubuntu's, Google's, and what drives each of them.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"
PICTURES = ("PNG", "PDF")
NO_BROWSER = "there is no chromium with its chromedriver here: choose text or CSV of a chart"
TODO = "or install both (Debian: apt-get install chromium-driver), then ./airline up"
# Seconds that a look at what is due may take; a report has a limit of its own in Superset.
LOOK_LIMIT = 120
SCHEDULER = "reports.scheduler"
# Superset shows everybody who may read reports the logs of all of them.
LOGS = ("ReportExecutionLogRestApi.get_list", "ReportExecutionLogRestApi.get")
# The end of the addresses of the logins that `up` makes (inside.py).
NOBODY = "@localhost.invalid"
# How late a look may still be made up for: Superset reckons its moment from when it expires.
EXPIRES = timedelta(hours=1)


def driver() -> str:
    """The path of chromedriver where it has a browser too, else ''."""
    has_browser = any(shutil.which(each) for each in BROWSERS)
    return (shutil.which(DRIVER) or "") if has_browser else ""


def queue(settings: Settings) -> Path:
    """The queue of the worker: a file that `reset` removes."""
    return settings.home / "data" / "superset" / "queue.sqlite"


def mark(settings: Settings) -> Path:
    """Has the worker's process number; touched each time that it has looked at what is due."""
    return settings.home / "run" / "superset-worker.looked"


def configuration(settings: Settings) -> dict[str, Any]:
    """Of Superset's configuration what is about alerts and reports."""
    url = f"{settings.superset_url}/"
    # What stands in a letter is for whoever reads it.
    link = f"{(settings.superset_public_url or settings.superset_url).rstrip('/')}/"
    chrome = driver()
    return {
        "CELERY_CONFIG": celery(settings),
        "CELERY_BEAT_SCHEDULER_EXPIRES": EXPIRES,
        # No server: nothing goes out but by infra/mail.
        "SMTP_HOST": "",
        "SMTP_USER": "",
        "SMTP_PASSWORD": "",
        "SMTP_MAIL_FROM": settings.smtp_from,
        "EMAIL_REPORTS_SUBJECT_PREFIX": "[airline]",
        "EMAIL_REPORTS_CTA": (
            "Открыть в Superset" if settings.language == RUSSIAN else "Open in Superset"
        ),
        "WEBDRIVER_BASEURL": url,
        "WEBDRIVER_BASEURL_USER_FRIENDLY": link,
        # Where there is none, a picture ends with its name in the error.
        "WEBDRIVER_TYPE": "chrome" if chrome else f"none: {NO_BROWSER}, {TODO}",
        # With a path of its driver, Selenium looks for none elsewhere.
        "WEBDRIVER_CONFIGURATION": {"service": {"executable_path": chrome}},
        "WEBDRIVER_OPTION_ARGS": arguments(sandbox=can_be_shut_in()),
        # On a busy machine a page takes longer than Superset expects, in seconds.
        "SCREENSHOT_LOCATE_WAIT": 60,
        "SCREENSHOT_LOAD_WAIT": 180,
        "WEBDRIVER_WINDOW": {"dashboard": (1440, 2800), "slice": (1200, 800), "pixel_density": 1},
    }


def can_be_shut_in() -> bool:
    """Whether the browser's sandbox works here: it is made of namespaces, and many a container lets
    nobody make them.
    """
    program = shutil.which("unshare")
    if program is None:
        return True
    tried = [program, "--user", "--map-root-user", "--net", "true"]
    return not subprocess.run(tried, capture_output=True).returncode


def arguments(*, sandbox: bool) -> list[str]:
    """The browser's arguments: it opens pages of this Superset and asks nobody else."""
    return [
        "--headless",
        "--hide-scrollbars",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        # Maps are drawn by WebGL, and a server has no graphics card.
        "--enable-unsafe-swiftshader",
        "--ignore-gpu-blocklist",
        # Without one it does not start.
        *([] if sandbox else ["--no-sandbox"]),
    ]


def celery(settings: Settings) -> dict[str, Any]:
    """Celery's configuration: one report at a time, and nothing is asked or told from outside."""
    from celery.schedules import crontab

    return {
        "broker_url": f"sqla+sqlite:///{queue(settings)}",
        "broker_connection_retry_on_startup": True,
        "imports": ("superset.tasks.scheduler", "infra.superset.worker"),
        "accept_content": ["json"],
        "task_serializer": "json",
        "task_ignore_result": True,
        "task_annotations": {SCHEDULER: {"time_limit": LOOK_LIMIT}},
        "worker_concurrency": 1,
        "worker_prefetch_multiplier": 1,
        # What a process has gathered in memory by then goes with it: some hours.
        "worker_max_tasks_per_child": 300,
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "beat_schedule": {
            SCHEDULER: {
                "task": SCHEDULER,
                "schedule": crontab(),
                "options": {"expires": int(EXPIRES.total_seconds())},
            },
            "reports.prune_log": {"task": "reports.prune_log", "schedule": timedelta(hours=1)},
        },
    }


def reachable(settings: Settings, to: list[str]) -> list[str]:
    """The addresses; in the place of the demo's logins, which have none, that of the platform's
    owner: an error of their report goes there.
    """
    found = [each for each in to if not each.endswith(NOBODY)]
    if len(found) < len(to):
        platform = owners(settings.root / "models")[PLATFORM].email
        found += [each.strip() for each in platform.split(",")]
    return list(dict.fromkeys(found))


def refusal(given: dict[str, Any], *, is_new: bool, has_browser: bool) -> str:
    """Why a schedule cannot be saved as it is given; '' if it can.

    Superset saves what no picture can be made of, and a crontab that never comes, at which it stops
    to look at everybody else's.
    """
    # Without a word on it Superset takes a picture.
    if not has_browser and given.get("report_format", "PNG" if is_new else "") in PICTURES:
        return f"{NO_BROWSER}, {TODO}"
    crontab = given.get("crontab")
    if crontab is not None and not comes(str(crontab)):
        return (
            f"the schedule '{crontab}' is not one of five fields that comes again: minute, hour, "
            "day of the month, month, day of the week, such as '0 6 * * 1'"
        )
    return ""


def comes(crontab: str) -> bool:
    """Whether a crontab of five fields has a next moment."""
    from croniter import croniter

    try:
        return len(crontab.split()) == 5 and bool(croniter(crontab).get_next())
    except (ValueError, KeyError):
        return False


def install(app: Any) -> None:
    """Says at once what cannot be sent, and shows a report's log to whom it shows the report; for
    Superset's FLASK_APP_MUTATOR.
    """
    from flask import Response, jsonify, request

    @app.before_request
    def refuse() -> Any:
        method = {"POST": "post", "PUT": "put"}.get(request.method)
        if method and request.endpoint == f"ReportScheduleRestApi.{method}":
            given = request.get_json(silent=True)
            if isinstance(given, dict):
                why = refusal(given, is_new=method == "post", has_browser=bool(driver()))
                if why:
                    return jsonify({"message": why}), 422
        return None

    # Not before: who asks by a token is known once Superset has looked at it.
    @app.after_request
    def hide(answer: Response) -> Response:
        if request.endpoint in LOGS and answer.status_code == 200 and not is_ones_own():
            answer.set_data(json.dumps({"message": "Not found"}))
            answer.status_code = 404
        return answer

    def is_ones_own() -> bool:
        from superset import db
        from superset.daos.report import ReportScheduleDAO
        from superset.reports.models import ReportExecutionLog

        asked = request.view_args or {}
        if ReportScheduleDAO.find_by_id(asked["pk"]) is None:
            return False
        if "log_id" not in asked:
            return True
        log = db.session.get(ReportExecutionLog, asked["log_id"])
        return log is not None and log.report_schedule_id == asked["pk"]
