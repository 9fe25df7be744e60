"""Asks many questions at once, and waits for no answer for ever.

What hangs (a stopped process, a lock, a connection of which the other end is gone) cannot always
be ended from here: it is left behind in its thread, and the others answer in time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from infra.postgres import sessions


class Asker:
    """Asks each question in a thread of its own.

    A question that still hangs from an earlier round is not asked again meanwhile, so that a
    process that asks for days has at most one thread for each.
    """

    def __init__(self) -> None:
        self._threads: dict[str, threading.Thread] = {}

    def ask(
        self, questions: Mapping[str, Callable[[], Any]], seconds: float
    ) -> dict[str, tuple[Any] | None]:
        """Name -> (its answer,), or None where there is none after `seconds`.

        An exception of a question is raised here: questions catch what they expect.
        """
        deadline = time.monotonic() + seconds
        answers: dict[str, tuple[Any]] = {}
        failures: list[BaseException] = []

        def run(name: str, question: Callable[[], Any]) -> None:
            try:
                # A little less, so that the reason comes from the query.
                with sessions.patience(seconds * 0.8):
                    answers[name] = (question(),)
            except BaseException as error:
                failures.append(error)

        for name, question in questions.items():
            if name in self._threads and self._threads[name].is_alive():
                continue
            # A daemon: a process that ends does not wait for it.
            thread = threading.Thread(target=run, args=(name, question), name=name, daemon=True)
            self._threads[name] = thread
            thread.start()
        for name in questions:
            self._threads[name].join(max(0.0, deadline - time.monotonic()))
        if failures:
            raise failures[0]
        # What comes after this is for nobody.
        found = dict(answers)
        return {name: found.get(name) for name in questions}


ASKER = Asker()
