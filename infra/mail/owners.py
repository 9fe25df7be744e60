"""Who owns which models: the groups of dbt, in models/**/groups.yml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from infra.errors import AirlineError

# The group whose owner is told of all that is nobody else's.
PLATFORM = "data_vault"


@dataclass(frozen=True)
class Owner:
    name: str
    email: str


def owners(models: Path) -> dict[str, Owner]:
    """Group -> its owner. Raises AirlineError where the platform's group has no address."""
    found: dict[str, Owner] = {}
    for file in sorted(models.rglob("groups.yml")):
        try:
            groups = (yaml.safe_load(file.read_text()) or {}).get("groups") or []
            for group in groups:
                owner = group.get("owner") or {}
                email = owner.get("email") or ""
                # dbt takes several addresses as a list.
                email = ", ".join(email) if isinstance(email, list) else str(email)
                if email:
                    found[group["name"]] = Owner(str(owner.get("name") or group["name"]), email)
        except (OSError, ValueError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
            raise AirlineError(
                f"{file} cannot be read as groups of dbt ({type(error).__name__})",
                "mend it: './airline dbt parse' says where",
            ) from None
    if PLATFORM not in found:
        raise AirlineError(
            f"the group {PLATFORM} has no owner with an address",
            f"give it one in {models / 'groups.yml'}: all that is nobody else's goes there",
        )
    return found


def owner_of(found: dict[str, Owner], group: str) -> Owner:
    """The group's owner, or the platform's where the group has none."""
    return found.get(group, found[PLATFORM])
