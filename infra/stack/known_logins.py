"""Logins with a password of the demo, which everybody knows, in a stack that became production.

Airflow and Superset have the same Flask-AppBuilder security manager, each in its own process; what
that prints is read by `./airline up`.
"""

from __future__ import annotations

from typing import Any

from infra.settings import DEMO_PASSWORDS

_CLOSED = "closed login: "


def close(manager: Any) -> None:
    """Deactivates each active Admin whose password is one of the demo's, and prints whom."""
    # Imported here, since `up` has this module too, and not every lock has werkzeug.
    from werkzeug.security import check_password_hash

    for user in manager.get_all_users():
        if not user.active or not user.password or "Admin" not in _roles(user):
            continue
        if any(check_password_hash(user.password, word) for word in set(DEMO_PASSWORDS.values())):
            user.active = False
            if manager.update_user(user) is False:
                raise SystemExit(f"the login {user.username!r} could not be deactivated")
            print(f"{_CLOSED}{user.username}", flush=True)


def told(printed: str, where: str) -> list[str]:
    """What `up` says of what `close` printed among other lines."""
    return [
        f"{where}: the Admin {line.removeprefix(_CLOSED)!r} had a password of the demo and is "
        "deactivated"
        for line in printed.splitlines()
        if line.startswith(_CLOSED)
    ]


def _roles(user: Any) -> set[str]:
    """Of the user and of the user's groups."""
    of_groups = [role for group in getattr(user, "groups", ()) for role in group.roles]
    return {role.name for role in (*user.roles, *of_groups)}
