"""Who checks Airflow's logins in production.

The form has the provider's own limit ([fab] auth_rate_limit); the routes that give tokens have
none.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager

from infra.airflow.login_limit import LoginLimit


class LimitedAuthManager(FabAuthManager):
    def get_fastapi_middlewares(self) -> list[tuple[type, dict[str, Any]]]:
        return [*super().get_fastapi_middlewares(), (LoginLimit, {})]
