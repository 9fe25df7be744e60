"""In production a password is not tried for as long as it takes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from infra.airflow import config
from infra.settings import Settings
from infra.superset import logins as superset_logins


@pytest.fixture
def production(tmp_path) -> Settings:
    return Settings.from_environment({"AIRLINE_HOME": str(tmp_path), "AIRLINE_MODE": "production"})


def superset(is_production: bool):
    """An application with Flask-AppBuilder's two ways in, and the limiter that it makes."""
    from types import SimpleNamespace

    from flask import Blueprint, Flask
    from flask_limiter import Limiter
    from flask_limiter.util import get_remote_address

    app = Flask(__name__)
    app.config.update(superset_logins.configuration(is_production))
    form, tokens = Blueprint("AuthDBView", __name__), Blueprint("SecurityApi", __name__)
    form.add_url_rule("/login/", view_func=lambda: ("", 401), methods=["GET", "POST"], endpoint="f")
    tokens.add_url_rule("/token", view_func=lambda: ("", 401), methods=["POST"], endpoint="t")
    limiter = Limiter(key_func=get_remote_address)
    limiter.init_app(app)
    app.register_blueprint(form)
    app.register_blueprint(tokens)
    app.appbuilder = SimpleNamespace(sm=SimpleNamespace(limiter=limiter))
    if app.config["AUTH_RATE_LIMITED"]:
        limiter.limit(app.config["AUTH_RATE_LIMIT"], methods=["POST"])(form)
    superset_logins.install(app)
    return app.test_client()


@pytest.mark.parametrize("way", ["/login/", "/token"])
def test_supersets_passwords_cannot_be_tried_on_and_on(way):
    """Superset's limit is off as it comes, and leaves out where programs log in."""
    client = superset(is_production=True)
    answers = [client.post(way).status_code for _ in range(12)]
    assert answers == [401] * 10 + [429] * 2
    # Somebody else's first try counts for itself, and so does a page.
    assert client.get("/login/").status_code == 401
    other = client.post(way, environ_base={"REMOTE_ADDR": "10.0.0.7"})
    assert other.status_code == 401


def test_the_demo_has_no_limit():
    """Whoever clicks around in the demo, and its tests, would be shut out."""
    client = superset(is_production=False)
    assert {client.post("/token").status_code for _ in range(30)} == {401}


def test_airflows_tokens_cannot_be_asked_for_on_and_on():
    """Its form has a limit, and the route that gives tokens has none."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route
    from starlette.testclient import TestClient

    from infra.airflow.login_limit import LoginLimit

    async def refuse(_request):
        return PlainTextResponse("", 401)

    ways = [Route(way, refuse, methods=["GET", "POST"]) for way in ("/token", "/token/cli", "/x")]
    app = Starlette(routes=[Mount("/auth", routes=ways)])
    app.add_middleware(LoginLimit)
    client = TestClient(app)
    answers = [client.post("/auth/token").status_code for _ in range(11)]
    assert answers == [401] * 10 + [429]
    # It is one limit for both, and for no other page.
    assert client.post("/auth/token/cli").status_code == 429
    assert client.post("/auth/x").status_code == client.get("/auth/token").status_code == 401


# What Airflow makes of its configuration.
ASKED = """
from airflow.api_fastapi.app import create_auth_manager
from airflow.configuration import conf
manager = create_auth_manager()
print(type(manager).__name__, [each.__name__ for each, _ in manager.get_fastapi_middlewares()])
print(conf.get("fab", "auth_rate_limited"), conf.get("fab", "auth_rate_limit"))
"""


def test_airflow_takes_its_limits_from_the_configuration(production, tmp_path):
    """All is written, and Airflow runs with another login."""
    told = {"PATH": os.environ["PATH"], **config.environment(production)}
    said = subprocess.run(
        [sys.executable, "-c", ASKED], env=told, capture_output=True, text=True, check=True
    ).stdout
    assert "LimitedAuthManager ['" in said and "LoginLimit" in said, said
    assert "True 10 per minute" in said
    demo = config.environment(Settings.from_environment({"AIRLINE_HOME": str(tmp_path / "demo")}))
    assert demo["AIRFLOW__CORE__AUTH_MANAGER"] == config.FAB
