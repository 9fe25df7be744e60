"""What Superset's worker loads beside Superset's tasks: its clock, its mail, its mark of life.

Runs in Superset's environment (`imports` of infra/superset/reports.py).
"""

from __future__ import annotations

import logging
import os
import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import closing
from email.message import Message
from email.utils import make_msgid
from typing import Any

from celery.beat import EmbeddedService
from celery.signals import (
    task_postrun,
    task_prerun,
    task_success,
    worker_ready,
    worker_shutting_down,
)
from superset import db
from superset.reports.models import ReportSchedule, ReportState
from superset.tasks import celery_app
from superset.utils import core

from infra.mail import delivery
from infra.settings import Settings
from infra.superset import reports

logger = logging.getLogger(__name__)
settings = Settings.from_environment()
# For the queue's lock, in seconds.
PATIENCE = 30.0


def send(
    sender: str, to: list[str], letter: Message, config: Mapping[str, Any], dryrun: bool = False
) -> None:
    """In the place of Superset's own, which knows no file, no limit of time and no password file.

    Raises AirlineError where it did not go out: it stands in the report's log then.
    """
    letter["Message-ID"] = make_msgid(domain="airline.invalid")
    # No out-of-office reply, please.
    letter["Auto-Submitted"] = "auto-generated"
    reached = reports.reachable(settings, to)
    if reached != to:
        letter.replace_header("To", ", ".join(reached))
    refused = delivery.send(settings, letter, f"{delivery.REPORT}{uuid.uuid4()}", reached)
    if refused:
        # An error would send it once more to those who have it.
        logger.error("the mail server refused %d of %d addresses", len(refused), len(reached))


def forget() -> None:
    """Removes the messages that were taken from the queue: it keeps them for ever."""
    with closing(sqlite3.connect(reports.queue(settings), timeout=PATIENCE)) as found, found:
        found.execute("delete from kombu_message where not visible")


@worker_ready.connect
def begin(sender: Any, **_: Any) -> None:
    """The clock is a thread: it ends with the process, however that ends, so there are never two.

    It remembers nothing on disk: after a start it goes on from now.
    """
    clock = EmbeddedService(sender.app, thread=True, scheduler_cls="celery.beat:Scheduler")
    # A signal holds what is connected by a weak reference.
    worker_shutting_down.connect(lambda **_: clock.service.stop(), weak=False)
    clock.start()
    reports.mark(settings).write_text(str(os.getpid()))


@task_prerun.connect
def bury(sender: Any, **_: Any) -> None:
    """Whatever is at work when a look at what is due begins is dead, for one task runs at a time: a
    worker was killed. As an error it is tried when it is due next, and not after Superset's hour.
    """
    if sender.name == reports.SCHEDULER:
        with celery_app.flask_app.app_context():
            dead = db.session.query(ReportSchedule).filter_by(last_state=ReportState.WORKING)
            for each in dead:
                logger.warning("%s was cut off: it goes on when it is due next", each.name)
                each.last_state = ReportState.ERROR
            db.session.commit()


@task_success.connect
def looked(sender: Any, **_: Any) -> None:
    if sender.name == reports.SCHEDULER:
        os.utime(reports.mark(settings))
        forget()


core.send_mime_email = send
# It logs an error after each task: by then the context is gone, and has closed the session itself.
task_postrun.disconnect(celery_app.teardown)
