"""The file with Debezium's way to the source."""

from __future__ import annotations

from infra.connect import connector
from infra.connect.worker import Worker
from infra.postgres import roles
from infra.settings import Settings


def test_it_is_for_the_database_that_the_connector_reads(tmp_path, monkeypatch):
    """With a booking system of one's own Debezium has no password."""
    settings = Settings.from_environment({"AIRLINE_HOME": str(tmp_path / "home")})
    text = connector.TEMPLATE.read_text()
    for ours, own in (
        ("${host}", "2001:db8::7"),
        ("${primary_port}", "6432"),
        ("${source_db}", "bookings"),
        (roles.CDC, "reader"),
    ):
        assert f'"{ours}"' in text
        text = text.replace(f'"{ours}"', f'"{own}"')
    template = tmp_path / "connector.json"
    template.write_text(text)
    monkeypatch.setattr(connector, "TEMPLATE", template)
    assert Worker(settings, tmp_path).configure()
    written = (settings.home / "config" / "cdc.pgpass").read_text()
    way = r"2001\:db8\:\:7:6432:bookings:reader"
    assert written == f"{way}:{settings.secret(roles.CDC)}\n"
