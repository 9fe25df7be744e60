"""Commands that need Superset's code: `python -m infra.superset.inside setup|import|export`.

Runs in Superset's environment (commands.run_inside), not in that of ./airline. Files are exchanged
through a folder in the format of infra/superset/assets.py.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from pathlib import Path

from infra.settings import Settings
from infra.stack import known_logins
from infra.superset import asked, assets, canonical, queries, reports, schedules


def setup(settings: Settings) -> None:
    """Makes the metadata's tables, permissions, built-in roles and the admin. Idempotent."""
    import superset
    from flask_migrate import upgrade
    from superset import appbuilder, db, security_manager

    upgrade(directory=str(Path(superset.__file__).parent / "migrations"))
    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()
    db.session.commit()
    user = security_manager.find_user(settings.superset_user)
    if user is None:
        made = security_manager.add_user(
            settings.superset_user,
            "Airline",
            "Admin",
            f"{settings.superset_user}{reports.NOBODY}",
            security_manager.find_role("Admin"),
            settings.superset_password,
        )
        if not made:
            raise SystemExit(f"user {settings.superset_user!r} could not be made")
    else:
        # An earlier name may have been closed, and be in use again.
        user.active = True
        security_manager.reset_password(user.id, settings.superset_password)
    db.session.commit()
    if settings.is_production:
        known_logins.close(security_manager)


def bring_in(settings: Settings, folder: Path) -> None:
    """Makes Superset show what is in `folder`: objects as there, roles as there, no others of ours.

    Prints the uuids of the objects as JSON: what a later import may remove.
    """
    from superset import db, security_manager
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.utils.core import override_user

    bundle = assets.read(folder)
    contents = assets.for_import(bundle, settings)
    database = next(name for name in bundle if name.startswith("databases/"))
    password = os.environ["AIRLINE_BI_PASSWORD"]
    with override_user(security_manager.find_user(settings.superset_user)):
        ImportAssetsCommand(contents, passwords={database: password}).run()
        _remove(json.loads(os.environ.get("AIRLINE_SUPERSET_STALE", "[]")))
        db.session.commit()
        _note_what_is_asked(bundle)
        _grant(assets.read_roles(folder), bundle)
        _let_in(settings)
        db.session.commit()
        _save_queries(settings, bundle)
        if os.environ.get("AIRLINE_SUPERSET_EXAMPLES"):
            schedules.make(settings, bundle)
        db.session.commit()


def _remove(uuids: list[str]) -> None:
    """Removes objects that were in the files earlier and are not any more; dashboards first."""
    from superset import db
    from superset.connectors.sqla.models import SqlaTable
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice

    for kind in (Dashboard, Slice, SqlaTable):
        for each in uuids:
            for found in db.session.query(kind).filter_by(uuid=each):
                db.session.delete(found)
        db.session.flush()


def _note_what_is_asked(bundle: canonical.Bundle) -> None:
    """Gives each chart the query that reports by text and CSV ask."""
    from superset import db
    from superset.models.slice import Slice

    for each in assets.of_kind(bundle, "charts").values():
        chart = db.session.query(Slice).filter_by(uuid=each["uuid"]).one()
        context = asked.query_context(json.loads(chart.params), chart.datasource_id)
        chart.query_context = json.dumps(context, ensure_ascii=False) if context else None


def _grant(roles: dict[str, assets.Role], bundle: canonical.Bundle) -> None:
    """Gives each role of roles.yml exactly the permissions listed there."""
    from superset import db, security_manager
    from superset.connectors.sqla.models import SqlaTable
    from superset.models.core import Database

    database = next(iter(assets.of_kind(bundle, "databases").values()))
    connection = db.session.query(Database).filter_by(uuid=database["uuid"]).one()
    catalog = connection.get_default_catalog()
    for name, wanted in roles.items():
        pairs = list(wanted.permissions)
        for schema in wanted.schemas:
            where = security_manager.get_schema_perm(connection.database_name, catalog, schema)
            pairs.append(("schema_access", where))
        for table in wanted.datasets:
            dataset = db.session.query(SqlaTable).filter_by(
                table_name=table, database_id=connection.id
            )
            pairs.append(("datasource_access", dataset.one().get_perm()))
        role = security_manager.add_role(name)
        role.permissions = [_permission(*pair) for pair in pairs]


def _let_in(settings: Settings) -> None:
    """Makes the logins of those who look at dashboards, each with its one role."""
    from superset import security_manager

    if settings.superset_user in logins(settings):
        raise SystemExit(
            f"AIRLINE_SUPERSET_USER={settings.superset_user} is the login of another role: choose "
            "another name for the admin"
        )
    for name, (role, password) in logins(settings).items():
        user = security_manager.find_user(name)
        wanted = security_manager.find_role(role)
        if user is None:
            email = f"{name}{reports.NOBODY}"
            made = security_manager.add_user(
                name, "Airline", name.capitalize(), email, wanted, password
            )
            if not made:
                raise SystemExit(f"user {name!r} could not be made")
        else:
            user.roles = [wanted]
            security_manager.reset_password(user.id, password)


def logins(settings: Settings) -> dict[str, tuple[str, str]]:
    """Name of a login beside the admin's -> its role and its password."""
    return {
        "manager": ("airline_manager", settings.superset_manager_password),
        "analyst": ("airline_analyst", settings.superset_analyst_password),
    }


def _save_queries(settings: Settings, bundle: canonical.Bundle) -> None:
    """Saves the docs' questions for those who ask by SQL: Superset shows each his own queries."""
    from superset import db, security_manager
    from superset.models.core import Database
    from superset.models.sql_lab import SavedQuery

    database = next(iter(assets.of_kind(bundle, "databases").values()))
    connection = db.session.query(Database).filter_by(uuid=database["uuid"]).one()
    for name in ("analyst", settings.superset_user):
        user = security_manager.find_user(name)
        for number, each in enumerate(queries.questions(settings.language, settings.root), 1):
            known = uuid.uuid5(uuid.UUID(database["uuid"]), f"{name}/{number}")
            query = db.session.query(SavedQuery).filter_by(uuid=known).one_or_none()
            if query is None:
                query = SavedQuery(uuid=known)
                db.session.add(query)
            query.user_id = query.created_by_fk = query.changed_by_fk = user.id
            query.db_id, query.schema = connection.id, "dwh_marts"
            query.catalog = connection.get_default_catalog()
            query.label, query.description, query.sql = each.title, each.about, each.sql


def _permission(permission: str, view: str):
    from superset import security_manager

    found = security_manager.find_permission_view_menu(permission, view)
    if found is None and permission in ("schema_access", "datasource_access"):
        found = security_manager.add_permission_view_menu(permission, view)
    if found is None:
        raise SystemExit(f"roles.yml: Superset has no permission {permission!r} on {view!r}")
    return found


def take_out(settings: Settings, folder: Path) -> None:
    """Writes what Superset shows on the warehouse's connection over the files in `folder`."""
    from superset import security_manager
    from superset.commands.export.assets import ExportAssetsCommand
    from superset.utils.core import override_user

    with override_user(security_manager.find_user(settings.superset_user)):
        exported = {name: content() for name, content in ExportAssetsCommand().run()}
    for line in assets.write_export(exported, folder, settings):
        print(f"changed: {line}")


def main(arguments: list[str]) -> int:
    from superset.app import create_app

    settings = Settings.from_environment()
    with create_app().app_context():
        match arguments:
            case ["setup"]:
                setup(settings)
            case ["import", folder]:
                bring_in(settings, Path(folder))
            case ["export", folder]:
                take_out(settings, Path(folder))
            case _:
                print("setup, import FOLDER or export FOLDER", file=sys.stderr)
                return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
