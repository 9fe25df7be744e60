"""What the services of this package log: one line of JSON for each thing that happened."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any


def say(event: str, **details: Any) -> None:
    """Writes one line with the time (UTC), the event and its details."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event}
    print(json.dumps(line | details, ensure_ascii=False), flush=True)
