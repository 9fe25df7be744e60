"""A booking system of somebody's own, on a server that lets people in by its own ways."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest

from infra.settings import PROOF
from infra.source.command import main
from infra.source.database import setup


@pytest.fixture
def own(postgres_server, monkeypatch) -> Iterator[str]:
    """A connection string for `--dsn`; that server asks for no password there."""
    setup(postgres_server.create_database("own_login"))
    doors = postgres_server.server.data / "pg_hba.conf"
    usual = doors.read_text()
    doors.write_text(f"host own_login all {postgres_server.host} 255.255.255.255 trust\n{usual}")
    postgres_server.server.query("select pg_reload_conf()")
    # As ./airline has it.
    monkeypatch.setenv("PGREQUIREAUTH", PROOF["require_auth"])
    yield (
        f"host={postgres_server.host} port={postgres_server.port} dbname=own_login"
        f" user={postgres_server.admin_user}"
    )
    doors.write_text(usual)
    postgres_server.server.query("select pg_reload_conf()")


def test_a_server_of_ones_own_asks_as_it_likes(own):
    """What keeps the stack's passwords from a false server keeps people from their own database."""
    assert main(["setup", "--dsn", own]) == 0
    url = "postgresql://{user}@{host}:{port}/{dbname}".format(**psycopg2.extensions.parse_dsn(own))
    assert main(["setup", "--dsn", url]) == 0


def test_who_asks_for_proof_of_ones_own_server_gets_it(own, capsys):
    """A person says how that server has to ask, and is not heard."""
    assert main(["setup", "--dsn", f"{own} require_auth=scram-sha-256"]) == 1
    assert "own_login" in capsys.readouterr().err
