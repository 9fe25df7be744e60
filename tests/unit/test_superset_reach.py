"""As which role of the database Superset asks for whom."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from infra.postgres import roles
from infra.superset import assets, reach


class Url(SimpleNamespace):
    def set(self, **changes: str) -> Url:
        return Url(**vars(self) | changes)


class Manager:
    """Superset's security manager, with users and their roles."""

    def __init__(self, **users: list[str]) -> None:
        self.users = users

    def find_user(self, username: str) -> str | None:
        return username if username in self.users else None

    def get_user_roles(self, user: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=name) for name in self.users[user]]


@pytest.fixture(autouse=True)
def passwords(monkeypatch):
    for role in reach.BESIDE_ADMINS:
        monkeypatch.setenv(reach.variable(role), f"of {role}")
    monkeypatch.setattr(reach, "_refusal", lambda username: PermissionError(username))


def asks_as(user: str | None, role: str = roles.BI, **users: list[str]) -> tuple[str, str]:
    url = Url(username=role, password="given")
    found, options = reach.connection(url, {"poolclass": 1}, user, Manager(**users), None)
    assert options == {"poolclass": 1}
    return found.username, found.password


def test_each_role_of_the_files_asks_as_its_own():
    """A role of Superset would read as another one, or not at all."""
    for role in assets.read_roles():
        assert asks_as("somebody", somebody=[role]) == (role, f"of {role}")
    assert asks_as("somebody", somebody=["Admin"]) == (roles.BI, "given")


def test_who_has_several_roles_reads_what_the_widest_does():
    """A manager who is an analyst too would lose what managers see."""
    held = [roles.OPS, roles.ANALYST, "Gamma", roles.MANAGER]
    assert asks_as("somebody", somebody=held)[0] == roles.MANAGER
    assert asks_as("somebody", somebody=[*held, "Admin"])[0] == roles.BI


@pytest.mark.parametrize("user", ["nobody", "gamma", "public", None])
def test_who_has_none_of_the_roles_is_refused(user):
    """Whoever is let in by another way asks with the rights of the connection: all marts."""
    with pytest.raises(PermissionError):
        asks_as(user, gamma=["Gamma"], public=[])


def test_another_connection_stays_as_it_is():
    """A connection that somebody adds in the UI asks as one of our roles, with its password."""
    assert asks_as("somebody", role="theirs", somebody=[roles.OPS]) == ("theirs", "given")
