"""`load-loop`: loads batch after batch in one process, which parses the project once.

A load by `./airline dbt run` spends most of its time on starting Python and reading the project.
Here dbt stays in memory: what was committed at the source is in the marts a few seconds later. It
may run beside other loads: where two meet, one says so and its next turn goes on.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2

from infra.dbt import packages, runner
from infra.errors import AirlineError
from infra.settings import Settings
from infra.stack.log import say
from infra.warehouse import figures_dsn
from infra.warehouse.pending import pending

# The vault alone: the views on it show new rows by themselves.
LOAD = ("run", "--selector", "vault", "--exclude", "config.materialized:view", "--quiet")
# How often to look whether something has landed, in seconds.
LOOK_EVERY = 0.2
FIRST_RETRY, LAST_RETRY = 1.0, 60.0
# How long to rest at most while all that landed is held back, in seconds.
LAST_HELD = 8.0


class Loader:
    """dbt in this process, with the project in memory."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        os.environ.update(runner.environment(settings))
        from dbt.cli.main import dbtRunner

        self._runner = dbtRunner
        self._manifest = self._invoke("parse", "--quiet").result

    def load(self) -> None:
        """Loads one batch. Raises AirlineError with what failed."""
        done = self._invoke(*LOAD)
        if not done.success:
            raise AirlineError(
                "a batch was not loaded",
                "the next turn loads it, unless another run has by then",
                _errors(done),
            )

    def _invoke(self, *arguments: str) -> Any:
        runner = self._runner(manifest=getattr(self, "_manifest", None))
        done = runner.invoke(
            [
                *arguments,
                *("--project-dir", str(self._settings.root)),
                *("--profiles-dir", str(self._settings.root)),
                # Apart from what a person's dbt writes meanwhile.
                *("--target-path", str(self._settings.home / "dbt" / "load-loop")),
                *("--log-path", str(self._settings.home / "dbt" / "load-loop")),
                *("--log-level-file", "none", "--no-write-json"),
            ]
        )
        if done.exception is not None:
            raise AirlineError("dbt stopped", "see below", str(done.exception))
        return done


def main(settings: Settings, options: argparse.Namespace) -> int:
    """Loads until SIGTERM or SIGINT, which end it after the batch in hand. Returns 0."""
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: stopping.append(received))
    packages.put_in_place(lambda text: say(text))

    loader = Loader(settings)
    say("ready")
    run(
        loader.load,
        lambda: bool(pending(figures_dsn(settings))),
        lambda: read_nothing(settings),
        lambda seconds: _rest(seconds, stopping),
        is_stopping=lambda: bool(stopping),
        once=options.once,
    )
    say("stopped")
    return 0


def run(
    load: Callable[[], None],
    is_pending: Callable[[], bool],
    read_nothing: Callable[[], bool],
    rest: Callable[[float], None],
    *,
    is_stopping: Callable[[], bool],
    once: bool,
) -> None:
    """Loads until it is to stop; with `once` until nothing is pending.

    `read_nothing`: whether the batch just loaded had no event, as those that landed wait for the
    rest of their transaction. After such a batch, and after an error, it rests longer each time.
    """
    retry = FIRST_RETRY
    while not is_stopping():
        try:
            if not is_pending():
                if once:
                    break
                rest(LOOK_EVERY)
                continue
            begun = time.monotonic()
            load()
            say("loaded", seconds=round(time.monotonic() - begun, 2))
            if read_nothing():
                # The events wait for the rest of their transaction, which dbt does not hasten.
                say("held back by a transaction that has not landed whole", in_seconds=retry)
                rest(retry)
                retry = min(retry * 2, LAST_HELD)
            else:
                retry = FIRST_RETRY
        except (AirlineError, psycopg2.Error) as error:
            detail = getattr(error, "detail", "") or ""
            say("failed, trying again", error=str(error).strip(), detail=detail, in_seconds=retry)
            rest(retry)
            retry = min(retry * 2, LAST_RETRY)


def read_nothing(settings: Settings) -> bool:
    """Whether the newest load batch had no event to read."""
    with (
        closing(psycopg2.connect(figures_dsn(settings))) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "select coalesce(sum(to_offset - from_offset), 0) = 0 from dwh_control.load_batch_range"
            " where load_batch_id = (select max(load_batch_id) from dwh_control.load_batch)"
        )
        return cursor.fetchone()[0]


def _rest(seconds: float, stopping: list[int]) -> None:
    deadline = time.monotonic() + seconds
    while not stopping and time.monotonic() < deadline:
        time.sleep(min(0.2, seconds))


def _errors(done: Any) -> str:
    return "\n".join(
        f"{result.node.name}: {result.message}"
        for result in done.result or []
        if result.status not in ("success", "pass", "skipped")
    )


if __name__ == "__main__":
    sys.exit(main(Settings.from_environment(), sys.argv[1:]))
