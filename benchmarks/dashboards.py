"""How long the dashboards take to open in a browser, and each chart's query, on the running stack.

With ten times the default history: `./airline up --scale 10`, on a stack of its own.
"""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2

from benchmarks import report
from infra.errors import AirlineError
from infra.settings import Settings
from infra.superset import assets, canonical
from tests.support.superset import Client, browser_path, chart_numbers, opened


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="airline bench dashboards", description=__doc__.splitlines()[0]
    )
    parser.parse_args(arguments)
    settings = Settings.from_environment()
    if browser_path() is None:
        raise AirlineError(
            "there is no browser to open the dashboards with",
            "apt-get install chromium (Debian, Ubuntu), or install Chrome",
        )
    user, password = settings.superset_user, settings.superset_password
    bundle = assets.read()
    names = {
        number: name for name, number in chart_numbers(Client(settings, user, password)).items()
    }
    results: dict[str, Any] = {"machine": report.machine(), "segments": _segments(settings)}
    results["dashboards"] = {}
    with opened(settings) as dashboard:
        dashboard.log_in(user, password)
        for name, board in sorted(assets.of_kind(bundle, "dashboards").items()):
            charts = list(canonical.charts_of(board))
            dashboard.open(
                board["slug"], len(charts)
            )  # the browser's own cache is warm from now on
            dashboard.seconds.clear()
            begun = time.perf_counter()
            dashboard.open(board["slug"], len(charts))
            results["dashboards"][Path(name).stem] = {
                "seconds until all charts are drawn": time.perf_counter() - begun,
                "seconds of each chart's query": {
                    names[number]: seconds
                    for number, seconds in dashboard.seconds.items()
                    # a filter's values are no chart
                    if number in names
                },
            }
    rows = []
    for name, board in results["dashboards"].items():
        rows.append((name, f"{board['seconds until all charts are drawn']:.1f}"))
        queries = board["seconds of each chart's query"]
        rows += [(f"  {chart}", f"{queries[chart]:.2f}") for chart in sorted(queries)]
    print(f"On {results['segments']:,} segments")
    report.table(("dashboard: all drawn, and each chart's query", "seconds"), rows)
    report.keep("dashboards", results)
    return 0


def _segments(settings: Settings) -> int:
    with closing(psycopg2.connect(settings.dsn("primary"))) as source, source.cursor() as cursor:
        cursor.execute("select count(*) from ticket_flights")
        return int(cursor.fetchone()[0])
