"""Steps that wait for one another: what can be done at the same time is."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter

from infra.stack.progress import Progress


@dataclass(frozen=True)
class Step:
    """One thing to do once every step in `needs` is done."""

    name: str
    do: Callable[[], None]
    needs: tuple[str, ...] = ()


def run(steps: Iterable[Step], progress: Progress) -> None:
    """Does every step, each as soon as what it needs is done.

    When one fails no further one begins; those under way are waited for and the first failure is
    raised. Raises ValueError for steps that wait for each other or for one that is not there.
    """
    named = {step.name: step for step in steps}
    if missing := {need for step in named.values() for need in step.needs} - set(named):
        raise ValueError(f"steps wait for some that are not there: {', '.join(sorted(missing))}")
    order = TopologicalSorter({step.name: step.needs for step in named.values()})
    order.prepare()
    under_way = 0
    failure: BaseException | None = None
    ended: queue.Queue[tuple[str, BaseException | None]] = queue.Queue()

    def work(step: Step) -> None:
        error = None
        try:
            with progress.step(step.name):
                step.do()
        except BaseException as caught:
            error = caught
        ended.put((step.name, error))

    while order.is_active():
        for name in order.get_ready() if failure is None else ():
            under_way += 1
            # Daemons: Ctrl-C ends `up` without waiting for a service.
            threading.Thread(target=work, args=(named[name],), name=name, daemon=True).start()
        if not under_way:
            break
        name, error = ended.get()
        under_way -= 1
        if error is None:
            order.done(name)
        else:
            failure = failure or error
    if failure is not None:
        raise failure
