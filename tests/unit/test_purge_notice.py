"""What a purge of Kafka that was killed left is said."""

from __future__ import annotations

from infra.health.commands import under_way
from infra.kafka import segments
from infra.settings import Settings


def test_files_that_were_left_short_are_said(tmp_path):
    """A topic gets ten new files a second for ever, and nobody hears of it."""
    settings = Settings.from_environment({"AIRLINE_HOME": str(tmp_path)})
    assert under_way(settings).problem == ""
    segments._journal(settings).write(topics=["airline.public.tickets"])
    assert "airline.public.tickets" in under_way(settings).problem
    assert "./airline up" in under_way(settings).problem
    segments._journal(settings).end()
    assert under_way(settings).problem == ""
