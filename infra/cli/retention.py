"""`retention`: the upkeep that Airflow's DAG `maintenance` does, by hand."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from infra.settings import Settings
from infra.stack.arguments import Parser

if TYPE_CHECKING:
    import psycopg2


def parser() -> Parser:
    """Its arguments; the settings' values are their defaults. Needs no package."""
    settings = Settings.from_environment()
    parser = Parser(
        prog="airline retention",
        description="The vault keeps the history; raw events are needed only to build the vault"
        " again. So nothing is dropped while raw is small, nor what was loaded recently, what an"
        " open or unread batch needs, or the newest batch, which tests read."
        " staging.removed_event records what was dropped, and dbt then refuses a full refresh"
        " unless a variable accepts the loss of history.",
    )
    parser.add_argument(
        "--keep-days",
        type=float,
        default=settings.retention_days,
        metavar="N",
        help="keep what was loaded in the last N days (AIRLINE_RETENTION_DAYS, now %(default)s)",
    )
    parser.add_argument(
        "--above-gb",
        type=float,
        default=settings.retention_gb,
        metavar="N",
        help="drop nothing while raw events take no more than N GB (AIRLINE_RETENTION_GB, "
        "now %(default)s)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be dropped")
    return parser


def main(settings: Settings, arguments: list[str]) -> int:
    """Drops what may go, and says what; returns the exit code."""
    from infra.postgres import roles
    from infra.stack.progress import Progress
    from infra.warehouse import event_retention

    options = parser().parse_args(arguments)
    with (
        closing(_connect(settings, roles.INGEST)) as landing,
        closing(_connect(settings, roles.DBT)) as warehouse,
    ):
        event_retention.drop(
            landing,
            warehouse,
            keep_days=options.keep_days,
            above_gb=options.above_gb,
            say=Progress().say,
            dry_run=options.dry_run,
        )
    return 0


def _connect(settings: Settings, role: str) -> psycopg2.extensions.connection:
    import psycopg2

    connection = psycopg2.connect(settings.dsn("dwh", user=role, password=settings.secret(role)))
    connection.autocommit = True
    return connection
