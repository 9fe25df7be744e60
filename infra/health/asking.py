"""Runs many queries concurrently, each with a time limit.

A query that hangs (on a stopped process, a lock, a dead connection) cannot always be cancelled: it
is left behind in its thread, and the others answer in time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from infra.postgres import sessions


class Asker:
    """Runs each query in a thread of its own.

    A query that still hangs from an earlier round is not started again, so that a process that runs
    for days has at most one thread for each.
    """

    def __init__(self) -> None:
        self._threads: dict[str, threading.Thread] = {}

    def ask(
        self, questions: Mapping[str, Callable[[], Any]], seconds: float
    ) -> dict[str, tuple[Any] | None]:
        """Name -> (its answer,), or None if there is none after `seconds`.

        An exception of a query is raised here: queries catch the errors that they expect.
        """
        deadline = time.monotonic() + seconds
        answers: dict[str, tuple[Any]] = {}
        failures: list[BaseException] = []

        def run(name: str, question: Callable[[], Any]) -> None:
            try:
                # A little less, so that the query itself reports the timeout.
                with sessions.patience(seconds * 0.8):
                    answers[name] = (question(),)
            except BaseException as error:
                failures.append(error)

        for name, question in questions.items():
            if name in self._threads and self._threads[name].is_alive():
                continue
            # A daemon thread, so that the process can end without waiting for it.
            thread = threading.Thread(target=run, args=(name, question), name=name, daemon=True)
            self._threads[name] = thread
            thread.start()
        for name in questions:
            self._threads[name].join(max(0.0, deadline - time.monotonic()))
        if failures:
            raise failures[0]
        # An answer that comes later is ignored.
        found = dict(answers)
        return {name: found.get(name) for name in questions}


ASKER = Asker()
