"""Imports the files into Superset, and exports changes made in the UI back into the files."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2

from infra.errors import AirlineError
from infra.postgres import roles
from infra.settings import Settings
from infra.stack.program import RUNNING
from infra.stack.supervision import Supervisor
from infra.superset import assets, canonical, chain, commands

Say = Callable[[str], None]


def bring(settings: Settings, say: Say, *, always: bool = False) -> bool:
    """Imports the files unless Superset has them already. Returns whether it imported.

    Raises AirlineError, before anything is changed, if a chart uses a column that no mart has.
    """
    before = _brought(settings)
    digest = assets.digest(settings)
    bundle = assets.read()
    if not always and before.get("digest") == digest and _are_there(settings, bundle):
        return False
    problems = chain.problems(bundle, settings.root)
    if problems:
        raise AirlineError(
            f"the dashboards' files do not hold together ({len(problems)} problems)",
            f"mend what is named below in {assets.FOLDER.relative_to(settings.root)}",
            "\n".join(problems),
        )
    uuids = [asset["uuid"] for asset in bundle.values()]
    stale = [each for each in before.get("uuids", []) if each not in uuids]
    commands.run_inside(
        settings,
        "import",
        str(assets.FOLDER),
        AIRLINE_BI_PASSWORD=settings.secret(roles.BI),
        AIRLINE_SUPERSET_STALE=json.dumps(stale),
        # Once: what people changed or removed stays so.
        AIRLINE_SUPERSET_EXAMPLES="" if before.get("has_examples") else "1",
    )
    _note(settings, digest, uuids)
    boards = assets.of_kind(bundle, "dashboards").values()
    charts = assets.of_kind(bundle, "charts")
    titles = ", ".join(sorted(board["dashboard_title"] for board in boards))
    say(f"dashboards imported: {titles} ({len(charts)} charts)")
    return True


def export(settings: Settings, folder: Path, say: Say) -> None:
    """Writes what Superset shows over the files in `folder`."""
    _refuse_down(settings)
    before = {path: path.read_bytes() for path in assets.files(folder)}
    commands.run_inside(settings, "export", str(folder))
    after = {path: path.read_bytes() for path in assets.files(folder)}
    changed = [path for path in before | after if before.get(path) != after.get(path)]
    for path in sorted(changed):
        what = "new" if path not in before else "removed" if path not in after else "changed"
        say(f"{what}: {path}")
    for line in chain.problems(assets.read(folder), settings.root):
        say(f"to mend before it can be imported: {line}")
    if not changed:
        say(f"nothing changed: {folder} is what Superset shows")
    elif folder == assets.FOLDER:
        # What the files say now is what Superset shows already.
        uuids = [asset["uuid"] for asset in assets.read().values()]
        _note(settings, assets.digest(settings), uuids)


def import_now(settings: Settings, say: Say) -> None:
    _refuse_down(settings)
    bring(settings, say, always=True)


def _refuse_down(settings: Settings) -> None:
    states = Supervisor(settings).states()
    if "superset" not in states or states["superset"].state != RUNNING:
        raise AirlineError("Superset does not run", "start it with './airline up'")


def _are_there(settings: Settings, bundle: canonical.Bundle) -> bool:
    """Whether the metadata has every dashboard and chart of the files."""
    wanted = {
        kind: {str(uuid.UUID(each["uuid"])) for each in assets.of_kind(bundle, kind).values()}
        for kind in ("dashboards", "charts")
    }
    # As the owner of these tables: a superuser would run what that role put in their place.
    secret = settings.secret(roles.SUPERSET)
    dsn = settings.dsn("dwh", dbname=commands.DATABASE, user=roles.SUPERSET, password=secret)
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        for table, kind in (("dashboards", "dashboards"), ("slices", "charts")):
            cursor.execute(f"select uuid::text from {table}")
            if wanted[kind] - {found for (found,) in cursor}:
                return False
    return True


def _brought(settings: Settings) -> dict:
    try:
        return json.loads(_stamp(settings).read_text())
    except (OSError, ValueError):
        return {}


def _note(settings: Settings, digest: str, uuids: list[str]) -> None:
    """What Superset has now, and whether it was ever given its examples of alerts and reports."""
    known = {"digest": digest, "uuids": uuids, "has_examples": True}
    _stamp(settings).write_text(json.dumps(known))


def _stamp(settings: Settings) -> Path:
    # In the data folder: it goes with the metadata that `reset` removes.
    return settings.home / "data" / "superset-imported"
