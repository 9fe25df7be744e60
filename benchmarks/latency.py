"""How long a commit at the source takes to be a row in a mart, with `load-loop` under live traffic.

On the running stack: traffic at a rate, the loader in a process of its own, and a new airport every
second. It is in the mart when `dwh_marts.airport_traffic` has its row.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import statistics
import string
import subprocess
import time
from contextlib import ExitStack, closing
from typing import Any

import psycopg2

from benchmarks import report
from infra.errors import AirlineError
from infra.settings import ROOT, Settings

# Codes that no airport has: a letter, a digit, a letter.
CODES = ["".join(c) for c in itertools.product("QXZ", string.digits, string.ascii_uppercase)]
PATIENCE = 120.0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="airline bench latency", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--rate", type=int, default=100, metavar="N", help="changes a second (100)")
    parser.add_argument(
        "--seconds", type=int, default=120, metavar="N", help="commits measured (120)"
    )
    options = parser.parse_args(arguments)
    settings = Settings.from_environment()
    results: dict[str, Any] = {"machine": report.machine(), "changes per second": options.rate}
    with ExitStack() as cleanup:
        loader = _start("load-loop")
        cleanup.callback(_stop, loader)
        _wait_until_ready(loader)
        traffic = _start("simulate", "--rate", str(options.rate))
        cleanup.callback(_stop, traffic)
        source = cleanup.enter_context(closing(psycopg2.connect(settings.dsn("primary"))))
        marts = cleanup.enter_context(closing(psycopg2.connect(settings.dsn("dwh"))))
        source.autocommit = marts.autocommit = True
        cleanup.callback(_remove, source)
        _remove(source)
        before = _changes(source)
        begun = time.monotonic()
        seconds = _measure(source, marts, CODES[: options.seconds])
        results["changes per second, measured"] = (_changes(source) - before) / (
            time.monotonic() - begun
        )
    quantiles = statistics.quantiles(seconds, n=20)
    results |= {
        "commits": len(seconds),
        "p50 seconds": statistics.median(seconds),
        "p95 seconds": quantiles[18],
        "worst seconds": max(seconds),
    }
    report.table(
        ("commit → row in the mart", "seconds"),
        [(name.split()[0], f"{results[name]:.1f}") for name in results if "seconds" in name],
    )
    report.keep("latency", results)
    return 0


def _measure(source: Any, marts: Any, codes: list[str]) -> list[float]:
    committed: dict[str, float] = {}
    taken: list[float] = []
    waiting = list(codes)
    next_commit = time.monotonic()
    while waiting or committed:
        now = time.monotonic()
        if waiting and now >= next_commit:
            code, next_commit = waiting.pop(0), now + 1
            with source.cursor() as cursor:
                cursor.execute(
                    "insert into airports values (%s, 'Latency', 'Latency', 0, 0, 'UTC')", (code,)
                )
            committed[code] = time.monotonic()
        with marts.cursor() as cursor:
            cursor.execute(
                "select airport_code from dwh_marts.airport_traffic where airport_code = any(%s)",
                (list(committed),),
            )
            seen = [code for (code,) in cursor]
        now = time.monotonic()
        taken += [now - committed.pop(code) for code in seen]
        if committed and now - min(committed.values()) > PATIENCE:
            raise AirlineError(
                f"a commit was not in the mart after {PATIENCE:.0f} s", "see './airline status'"
            )
        time.sleep(0.2)
    return taken


def _changes(source: Any) -> int:
    with source.cursor() as cursor:
        cursor.execute("select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_user_tables")
        return int(cursor.fetchone()[0])


def _remove(source: Any) -> None:
    with source.cursor() as cursor:
        cursor.execute("delete from airports where airport_name = 'Latency'")


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["./airline", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)


def _wait_until_ready(loader: subprocess.Popen[str]) -> None:
    for line in loader.stdout:
        if '"ready"' in line:
            return
    raise AirlineError("load-loop did not start", "see what it said above")
