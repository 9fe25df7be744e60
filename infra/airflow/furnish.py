"""Puts users and the warehouse's Connections into Airflow's database; runs with Airflow's settings.

What to put there comes as JSON on standard input (infra/airflow/metadata.py). Again is harmless: a
user's or Connection's password becomes the one told.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from airflow.models import Connection, Pool
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from airflow.utils.session import create_session


@providers_configuration_loaded
def main(told: dict[str, Any]) -> None:
    with get_application_builder() as builder:
        manager = builder.sm
        manager.sync_roles()
        _user(manager, told["admin"], "Admin")
        _user(manager, told["operator"], "Op")
    with create_session() as session:
        Pool.create_or_update_pool(
            name=told["pool"]["pool"],
            slots=told["pool"]["slots"],
            description="Tasks that run dbt",
            include_deferred=False,
            session=session,
        )
        for wanted in told["connections"]:
            for present in session.query(Connection).filter_by(conn_id=wanted["conn_id"]):
                session.delete(present)
            session.flush()
            session.add(Connection(conn_type="postgres", **wanted))


def _user(manager: Any, told: dict[str, str], role: str) -> None:
    user = manager.find_user(username=told["name"])
    if user:
        manager.reset_password(user.id, told["password"])
        return
    made = manager.add_user(
        username=told["name"],
        first_name=told["name"].capitalize(),
        last_name=role,
        email=f"{told['name']}@airline.example",
        role=manager.find_role(role),
        password=told["password"],
    )
    if not made:
        raise SystemExit(f"Airflow refused to make the user {told['name']!r}")


if __name__ == "__main__":
    main(json.load(sys.stdin))
