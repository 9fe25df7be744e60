"""`load`: rows of CSV files in the place of the source's."""

from __future__ import annotations

import argparse

from infra.cli import report
from infra.loading import catch_up
from infra.parts import running
from infra.settings import Settings
from infra.source.csv_load import load_csv
from infra.stack import home
from infra.stack.progress import Progress


def load(settings: Settings, options: argparse.Namespace) -> int:
    """Replaces the source's rows by those of the CSV files, and brings them through.

    Their folder may also be a tar archive of them.
    """
    progress = Progress()
    running.refuse_down(settings)
    with home.alone(settings, progress.say):
        with progress.step("load"):
            load_csv(settings.dsn("primary"), options.folder, progress.say)
        with progress.step("landing"):
            catch_up.land(settings, progress)
        catch_up.build(settings, progress, always=True)
    print(report.marts(settings))
    progress.print_steps()
    return 0
