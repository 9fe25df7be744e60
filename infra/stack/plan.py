"""Steps that wait for one another: what can be done at the same time is."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

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
    waiting = {step.name: step for step in steps}
    _refuse_circles(waiting)
    done: set[str] = set()
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

    while waiting or under_way:
        ready = [step for step in waiting.values() if done.issuperset(step.needs)]
        for step in ready if failure is None else ():
            del waiting[step.name]
            under_way += 1
            # Daemons: Ctrl-C ends `up` without waiting for a service.
            threading.Thread(target=work, args=(step,), name=step.name, daemon=True).start()
        if not under_way:
            break
        name, error = ended.get()
        under_way -= 1
        if error is None:
            done.add(name)
        else:
            failure = failure or error
    if failure is not None:
        raise failure


def _refuse_circles(steps: dict[str, Step]) -> None:
    done: set[str] = set()
    left = dict(steps)
    while left:
        free = [name for name, step in left.items() if done.issuperset(step.needs)]
        if not free:
            raise ValueError(f"steps that can never begin: {', '.join(sorted(left))}")
        for name in free:
            done.add(name)
            del left[name]
