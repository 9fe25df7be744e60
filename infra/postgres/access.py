"""Which role may come into which database of a server: its pg_hba.conf.

Whoever is not named here is refused before a password is asked for. A line `replication` is for
the replica alone: a physical walsender reads the whole server. A logical one names a database.
"""

from __future__ import annotations

from collections.abc import Mapping

from infra.postgres import roles
from infra.settings import Settings

# What a figure about the whole server is asked in.
MAINTENANCE = "postgres"
# All that a server listens on (AIRLINE_HOST).
LOOPBACK = ("127.0.0.0/8", "::1/128")


def source(settings: Settings) -> str:
    """For primary and replica: a promoted replica is the next primary."""
    return _text(
        settings,
        settings.source_db,
        {
            **dict.fromkeys(roles.SOURCE_ROLES, (settings.source_db,)),
            # Slots are synchronised over a connection to a database.
            roles.REPLICATOR: ("replication", settings.source_db),
            roles.MONITOR: (MAINTENANCE, settings.source_db),
        },
    )


def warehouse(settings: Settings) -> str:
    return _text(
        settings,
        settings.dwh_db,
        {
            **dict.fromkeys(roles.WAREHOUSE_ROLES, (settings.dwh_db,)),
            **{role: (database,) for role, database in roles.OWN_DATABASES.items()},
            roles.MONITOR: (MAINTENANCE, settings.dwh_db),
        },
    )


def _text(settings: Settings, database: str, reach: Mapping[str, tuple[str, ...]]) -> str:
    who = {settings.admin_user: ("all",), f"+{roles.PEOPLE}": (database,), **reach}
    lines = [
        f"host {_name(each)} {_name(role)} {address} scram-sha-256"
        for role, databases in who.items()
        for each in databases
        for address in LOOPBACK
    ]
    return "\n".join(["# written by ./airline up", *lines, ""])


def _name(text: str) -> str:
    """Quoted, unless it is a word or a sign that means more than a name."""
    if text in ("all", "replication"):
        return text
    sign, name = ("+", text[1:]) if text.startswith("+") else ("", text)
    return f'{sign}"{name}"'
