"""What a stack writes is for its own account, and its configuration tells no password."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.errors import AirlineError
from infra.postgres.server import Server
from infra.settings import Settings
from infra.stack import configuration, home, runtime
from infra.stack.program import Program
from infra.stack.supervision import Supervisor


@pytest.fixture
def settings(tmp_path) -> Settings:
    before = os.umask(0o000)
    yield Settings.from_environment({"AIRLINE_HOME": str(tmp_path / "above" / "home")})
    os.umask(before)


def test_folders_are_for_their_owner_alone(settings):
    """Any account of the machine reads logs, rows and passwords."""
    home.make(settings)
    for folder in (settings.home.parent, settings.home, settings.home / "data", settings.cache):
        assert folder.stat().st_mode & 0o777 == 0o700, folder
    # Those of a version before this one too.
    settings.home.chmod(0o755)
    home.make(settings)
    assert settings.home.stat().st_mode & 0o777 == 0o700


def test_a_shared_cache_stays_as_its_owner_made_it(settings, tmp_path):
    """A stack takes a cache away from another account, or does not start where it may not."""
    shared = runtime.make_folder(settings, tmp_path / "shared", mode=0o755)
    home.make(Settings.from_environment({
        "AIRLINE_HOME": str(settings.home), "AIRLINE_CACHE": str(shared)
    }))  # fmt: skip
    assert shared.stat().st_mode & 0o777 == 0o755


def test_a_link_in_the_place_of_a_servers_configuration_is_not_followed(settings, tmp_path):
    """Whoever may write in a data folder has the file behind the link rewritten."""
    home.make(settings)
    data = runtime.make_folder(settings, settings.home / "data" / "primary")
    other = tmp_path / "other"
    other.write_text("somebody's")
    (data / ".airline.conf.half").symlink_to(other)
    assert Server(settings, "primary", data, 5432).configure({"wal_level": "logical"})
    assert other.read_text() == "somebody's"
    assert "wal_level = 'logical'" in (data / "airline.conf").read_text()


def written(settings: Settings, **variables: str) -> str:
    program = Program("one", ["true"], Path("/"), variables)
    return configuration.text(
        settings, [program], folder=settings.home, socket=settings.home / "s", logs=settings.home
    )


def test_services_write_files_for_their_own_account(settings):
    """Logs are readable by everybody."""
    assert "umask=077" in written(settings).splitlines()


@pytest.mark.parametrize("password", ['two "words"', "a\nb", "a ;b"])
def test_a_password_that_cannot_be_handed_on_is_not_told(settings, password):
    """It stands on the screen, and in whatever keeps what was printed."""
    with pytest.raises(AirlineError, match="AIRLINE_SUPERSET_PASSWORD") as refused:
        written(settings, AIRLINE_SUPERSET_PASSWORD=password)
    assert password not in str(refused.value) and repr(password) not in str(refused.value)


def test_the_supervisors_files_are_its_own(settings):
    """Its configuration has passwords, and its socket starts programs."""
    home.make(settings)
    supervisor = Supervisor(settings)
    supervisor._write([])
    for folder in (supervisor.logs, settings.home / "run"):
        assert folder.stat().st_mode & 0o777 == 0o700, folder
    assert (settings.home / "run" / "supervisord.conf").stat().st_mode & 0o777 == 0o600
