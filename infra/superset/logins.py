"""Superset's logins in production: a limit on guesses, of the form and where programs log in."""

from __future__ import annotations

from typing import Any

from infra.settings import LOGIN_LIMIT

# The blueprint of the routes that give tokens, which Flask-AppBuilder leaves without a limit.
TOKENS = "SecurityApi"


def configuration(is_production: bool) -> dict[str, Any]:
    """The settings of the limiter. Without the first there is none, whatever the others say:
    Superset's own default is a variable of the environment that nobody sets.
    """
    return {
        "RATELIMIT_ENABLED": is_production,
        "AUTH_RATE_LIMITED": True,
        "AUTH_RATE_LIMIT": LOGIN_LIMIT,
        # Of pages and their data there is none.
        "RATELIMIT_APPLICATION": None,
        # Counted in the memory of the one process.
        "RATELIMIT_STORAGE_URI": "memory://",
    }


def install(app: Any) -> None:
    app.appbuilder.sm.limiter.limit(LOGIN_LIMIT, methods=["POST"])(app.blueprints[TOKENS])
