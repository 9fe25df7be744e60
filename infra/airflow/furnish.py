"""Puts users and the warehouse's Connections into Airflow's database; runs with Airflow's settings.

Reads JSON from standard input (written by infra/airflow/metadata.py). Idempotent: the password of
an existing user or Connection is set again.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from airflow.models import Connection, Pool
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from airflow.utils.session import create_session

from infra.stack import known_logins


@providers_configuration_loaded
def main(given: dict[str, Any]) -> None:
    with get_application_builder() as builder:
        manager = builder.sm
        manager.sync_roles()
        _user(manager, given["admin"], "Admin")
        _user(manager, given["operator"], "Op")
        if given["is_production"]:
            known_logins.close(manager)
    with create_session() as session:
        Pool.create_or_update_pool(
            name=given["pool"]["pool"],
            slots=given["pool"]["slots"],
            description="Tasks that run dbt",
            include_deferred=False,
            session=session,
        )
        for wanted in given["connections"]:
            for present in session.query(Connection).filter_by(conn_id=wanted["conn_id"]):
                session.delete(present)
            session.flush()
            session.add(Connection(conn_type="postgres", **wanted))


def _user(manager: Any, given: dict[str, str], role: str) -> None:
    user = manager.find_user(username=given["name"])
    if user:
        # An earlier name may have been closed, and be in use again.
        user.active = True
        manager.reset_password(user.id, given["password"])
        return
    made = manager.add_user(
        username=given["name"],
        first_name=given["name"].capitalize(),
        last_name=role,
        email=f"{given['name']}@airline.example",
        role=manager.find_role(role),
        password=given["password"],
    )
    if not made:
        raise SystemExit(f"Airflow refused to make the user {given['name']!r}")


if __name__ == "__main__":
    main(json.load(sys.stdin))
