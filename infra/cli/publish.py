"""`docs` and `superset`: what people are shown, made anew."""

from __future__ import annotations

import argparse

from infra.settings import Settings
from infra.stack import home
from infra.stack.progress import Progress, complain


def docs(settings: Settings, _options: argparse.Namespace) -> int:
    """Makes the docs site, and says where it is."""
    from infra.dbt import site
    from infra.dbt.service import Docs

    progress = Progress()
    site.build(settings, progress.say)
    service = Docs(settings)
    if service.answers():
        print(service.address())
    else:
        print(f"{site.folder(settings)}; './airline up' serves it at {service.address()}")
    return 0


def superset(settings: Settings, options: argparse.Namespace) -> int:
    """Brings dashboards into Superset, or writes the files anew from what it shows."""
    from infra.superset import assets, dashboards

    with home.alone(settings, complain):
        if options.action == "import":
            dashboards.import_now(settings, print)
        else:
            dashboards.export(settings, (options.to or assets.FOLDER).absolute(), print)
    return 0
