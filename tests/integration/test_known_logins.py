"""A demo becomes production with another name for the admin: the demo's admin comes in no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg2
import pytest

from infra.airflow.services import ApiServer
from infra.postgres import roles
from infra.settings import Settings
from infra.stack import home, venv
from infra.stack.service import Service
from infra.superset.services import Superset
from infra.warehouse.service import Warehouse
from tests.integration.conftest import PostgresServer, scratch_folder, settings_in

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture
def demo() -> Iterator[Settings]:
    """A demo's warehouse, without a table."""
    with scratch_folder("airline-known-") as folder:
        settings = settings_in(folder / "demo")
        server = PostgresServer(settings)
        server.start()
        home.make(settings)
        (settings.home / "logs").mkdir(exist_ok=True)
        make_roles(settings)
        yield settings
        server.stop()


def make_roles(settings: Settings) -> None:
    with closing(psycopg2.connect(Warehouse(settings).server.dsn())) as connection:
        connection.autocommit = True
        for role in roles.OWN_DATABASES:
            connection.cursor().execute(
                f"create role {role} login password %s", (settings.secret(role),)
            )


def production_of(demo: Settings, **variables: str) -> Settings:
    settings = Settings.from_environment(
        {
            "AIRLINE_HOME": str(demo.home),
            "AIRLINE_CACHE": str(demo.cache),
            "AIRLINE_DWH_PORT": str(demo.dwh_port),
            "AIRLINE_MODE": "production",
            **variables,
        }
    )
    # The first question gives the server's admin the password of production.
    server = Warehouse(settings).server
    assert server.answers() or server.answers()
    return settings


def made(service: Service) -> list[str]:
    """What `up` says when it has made the service's logins."""
    service.prepare()
    return service.furnish()


def admins(settings: Settings, role: str) -> dict[str, bool]:
    """Each login with the role Admin, and whether it comes in."""
    dsn = Warehouse(settings).server.dsn(roles.OWN_DATABASES[role])
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select username, active from ab_user join ab_user_role on user_id = ab_user.id "
            "join ab_role on ab_role.id = role_id where ab_role.name = 'Admin'"
        )
        return dict(cursor.fetchall())


@pytest.mark.parametrize(
    ("service", "role", "variable"),
    [
        pytest.param(ApiServer, roles.AIRFLOW, "AIRLINE_AIRFLOW_USER", id="airflow"),
        pytest.param(
            Superset,
            roles.SUPERSET,
            "AIRLINE_SUPERSET_USER",
            id="superset",
            marks=pytest.mark.skipif(
                not venv.python("superset").exists(), reason="Superset is not installed"
            ),
        ),
    ],
)
def test_the_demos_admin_is_closed(
    demo: Settings, service: Callable[[Settings], Service], role: str, variable: str
):
    """Whoever read the README is Admin of a stack in production."""
    assert made(service(demo)) == []
    assert admins(demo, role) == {"admin": True}
    renamed = production_of(demo, **{variable: "boss"})
    said = made(service(renamed))
    assert admins(renamed, role) == {"admin": False, "boss": True}
    assert "'admin'" in "".join(said)
    # Named again, it has the password of production.
    assert made(service(production_of(demo))) == []
    assert admins(renamed, role) == {"admin": True, "boss": True}
