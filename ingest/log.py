"""One JSON object a line on stderr: time, level, event, and the event's own fields."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.name != "ingest":
            line["logger"] = record.name
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up(level: str) -> None:
    """Sends every logger of the process to stderr; libraries only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("ingest").setLevel(level)
    # These log several errors per attempt to connect (logged once by us instead), and a warning
    # for each fetch that takes 0.1 s to parse, as every full one does.
    for chatty in ("kafka.net", "kafka.cluster"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)


def say(event: str, level: int = logging.INFO, **fields: object) -> None:
    """Logs an event with its fields. Never pass a payload or a password."""
    logging.getLogger("ingest").log(level, event, extra={"fields": fields})
