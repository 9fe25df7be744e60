"""As which role of the database Superset asks: that of the person who looks.

The files have one connection, so that a chart is one chart for everybody. What somebody reads is
the database's matter, by the role's grants: no expression in a chart and no SQL gets past them.
Runs in Superset, by its DB_CONNECTION_MUTATOR.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from infra.postgres import roles

# Superset's own role of its administrators.
ADMIN = "Admin"
BESIDE_ADMINS = (roles.MANAGER, roles.ANALYST, roles.OPS)
# A role of Superset -> the database's, the one that reads most first.
REACH = {ADMIN: roles.BI} | {name: name for name in BESIDE_ADMINS}


def variable(role: str) -> str:
    """The environment variable with the password of a role of the database."""
    return f"{role.upper()}_DB_PASSWORD"


def role_of(names: Iterable[str]) -> str | None:
    """The database's role for somebody with these roles of Superset, None where none reads."""
    held = set(names)
    return next((role for name, role in REACH.items() if name in held), None)


def connection(
    url: Any, options: dict[str, Any], username: str | None, security_manager: Any, source: Any
) -> tuple[Any, dict[str, Any]]:
    """The connection of the marts as it is for the user who asks; others stay as they are.

    Raises SupersetSecurityException for a user who has none of the roles.
    """
    if url.username != roles.BI:
        return url, options
    user = security_manager.find_user(username=username) if username else None
    held = [role.name for role in security_manager.get_user_roles(user)] if user else []
    role = role_of(held)
    if role is None:
        raise _refusal(username)
    if role == roles.BI:
        return url, options
    return url.set(username=role, password=os.environ[variable(role)]), options


def _refusal(username: str | None) -> Exception:
    from superset.errors import ErrorLevel, SupersetError, SupersetErrorType
    from superset.exceptions import SupersetSecurityException

    return SupersetSecurityException(
        SupersetError(
            message=(
                f"{username or 'nobody'} has none of the roles {', '.join(REACH)}: the database "
                "reads for these. Give the user one of them (Settings, List Users)"
            ),
            error_type=SupersetErrorType.DATABASE_SECURITY_ACCESS_ERROR,
            level=ErrorLevel.ERROR,
        )
    )
