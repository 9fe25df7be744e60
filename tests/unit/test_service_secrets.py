"""Which secrets each service has in its environment: those that its work asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infra.airflow import config
from infra.connect import worker
from infra.dbt import runner
from infra.kafka import access, artifacts
from infra.parts.registry import registry
from infra.postgres import roles
from infra.settings import PASSWORDS, Settings
from infra.superset import commands, reach
from infra.warehouse import IDENTITY_KEY

SUPERSET = {roles.SUPERSET, "superset_secret_key", *reach.BESIDE_ADMINS}
KNOWN = {
    "auto-restart": {roles.MONITOR, access.WATCH},
    "ingest": {roles.INGEST, access.INGEST, IDENTITY_KEY},
    "metrics": {roles.MONITOR, access.METRICS},
    "superset": SUPERSET,
    "superset-worker": SUPERSET,
}


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    """A stack whose passwords all differ."""
    monkeypatch.setattr(artifacts, "plugin_path", lambda _: tmp_path)
    monkeypatch.setattr("infra.stack.runtime.postgres_bin", lambda _: tmp_path)
    made = {name: f"password of {name}" for name in PASSWORDS}
    return replace(Settings.from_environment(made), home=tmp_path, cache=tmp_path)


def told(settings: Settings, environment: dict[str, str]) -> set[str]:
    """The secrets in an environment: names of files, and variables of people's passwords."""
    secrets = {file.name: file.read_text() for file in (settings.home / "secrets").glob("*")}
    secrets |= {name: settings.environment()[name] for name in PASSWORDS}
    text = "\n".join(environment.values())
    return {name for name, secret in secrets.items() if secret in text}


def test_a_service_knows_the_secrets_that_it_needs_and_no_others(settings):
    """Whoever takes over one service has the passwords of all."""
    principals = {each.principal for each in access.grants()}
    own = (access.ADMIN, access.CONTROLLER_SECRET, worker.REST_SECRET, IDENTITY_KEY)
    for name in (*roles.SOURCE_ROLES, *roles.WAREHOUSE_ROLES, *principals, *own):
        settings.secret(name)
    for service in registry(settings):
        known = told(settings, service.program().environment)
        assert known == KNOWN.get(service.name, set()), service.name


def test_who_makes_supersets_logins_knows_their_passwords(settings, monkeypatch):
    """An import would give manager and analyst the stand-in for their password."""
    seen = {}
    monkeypatch.setattr(
        commands.subprocess,
        "run",
        lambda *_, env, **__: (
            seen.update(env) or commands.subprocess.CompletedProcess("", 0, "", "")
        ),
    )
    (settings.home / "logs").mkdir()
    commands.run_inside(settings, "setup")
    assert told(settings, seen) - told(settings, commands.environment(settings)) == {
        "AIRLINE_SUPERSET_PASSWORD",
        "AIRLINE_SUPERSET_MANAGER_PASSWORD",
        "AIRLINE_SUPERSET_ANALYST_PASSWORD",
    }


def test_airflow_and_dbt_have_no_password_of_a_person(settings):
    """A DAG or a model could print the admin's password."""
    for environment in (config.environment(settings), runner.environment(settings)):
        assert not told(settings, environment) & {*PASSWORDS}
