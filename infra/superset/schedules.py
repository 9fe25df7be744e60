"""An alert and a report to begin with, switched off: people change the address and switch them on.

Made once. What people change or remove stays so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from infra.mail.owners import owner_of, owners
from infra.settings import Settings
from infra.superset import assets, canonical, reports
from infra.superset.language import RUSSIAN

# Minutes: more than any load and its pause take.
OLD = 120


@dataclass(frozen=True)
class Schedule:
    """`chart` or `dashboard` is the name of its file; `group` the one of dbt whose owner gets it.
    `sql`: of an alert, the number that must not be above `threshold`.
    """

    name: str
    about: str
    crontab: str
    format: str
    group: str
    chart: str = ""
    dashboard: str = ""
    sql: str = ""
    threshold: float = 0


def examples(language: str, *, pictures: bool) -> list[Schedule]:
    """Those that begin in a Superset of that language."""
    is_russian = language == RUSSIAN
    week = (
        "Обзор недели" if is_russian else "The week at a glance",
        "Показатели последних 30 дней рядом с 30 днями до них, по понедельникам."
        if is_russian
        else "Figures of the last 30 days beside the 30 days before, on Mondays.",
        "0 6 * * 1",
    )
    return [
        Schedule(
            "Данные устарели" if is_russian else "The data is old",
            f"Данным больше {OLD} минут: загрузка стоит или падает."
            if is_russian
            else f"The data is more than {OLD} minutes old: loads do not run, or fail.",
            "*/10 * * * *",
            "TEXT",
            "data_vault",
            chart="data_freshness",
            sql="select max(minutes_old) from dwh_marts.data_freshness",
            threshold=OLD,
        ),
        Schedule(*week, "PNG", "operations", dashboard="overview")
        if pictures
        else Schedule(*week, "TEXT", "operations", chart="two_periods"),
    ]


def make(settings: Settings, bundle: canonical.Bundle) -> None:
    """Makes the examples that are not there. In Superset's environment."""
    from superset import db, security_manager
    from superset.models.core import Database
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice
    from superset.reports.models import ReportRecipients, ReportSchedule

    [database] = assets.of_kind(bundle, "databases").values()
    addresses = owners(settings.root / "models")
    admin = security_manager.find_user(settings.superset_user)
    for each in examples(settings.language, pictures=bool(reports.driver())):
        kind = "Alert" if each.sql else "Report"
        if db.session.query(ReportSchedule).filter_by(name=each.name, type=kind).first():
            continue
        made = ReportSchedule(
            type=kind,
            name=each.name,
            description=each.about,
            crontab=each.crontab,
            timezone="UTC",
            report_format=each.format,
            active=False,
            owners=[admin],
            recipients=[
                ReportRecipients(
                    type="Email",
                    recipient_config_json=json.dumps(
                        {"target": owner_of(addresses, each.group).email}
                    ),
                )
            ],
        )
        if each.sql:
            made.database = db.session.query(Database).filter_by(uuid=database["uuid"]).one()
            made.sql = each.sql
            made.validator_type = "operator"
            made.validator_config_json = json.dumps({"op": ">", "threshold": each.threshold})
        if each.chart:
            uuid = bundle[f"charts/{each.chart}.yaml"]["uuid"]
            made.chart = db.session.query(Slice).filter_by(uuid=uuid).one()
        else:
            made.dashboard = db.session.query(Dashboard).filter_by(slug=each.dashboard).one()
        db.session.add(made)
