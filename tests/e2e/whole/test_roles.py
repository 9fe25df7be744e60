"""The roles of Airflow's and Superset's metadata: each has its own database, nothing else."""

from __future__ import annotations

from contextlib import closing

import psycopg2
import pytest

from infra.airflow import config
from infra.postgres import roles
from infra.superset import commands

pytestmark = pytest.mark.timeout(900)

OWN = {roles.AIRFLOW: config.DATABASE, roles.SUPERSET: commands.DATABASE}


def connect(stack, role: str, database: str) -> psycopg2.extensions.connection:
    settings = stack.settings
    return psycopg2.connect(
        settings.dsn("dwh", dbname=database, user=role, password=settings.secret(role))
    )


@pytest.mark.parametrize("role", OWN)
def test_a_role_of_metadata_works_in_its_own_database(stack, role):
    """An upgrade of Airflow or Superset cannot change its own tables."""
    with closing(connect(stack, role, OWN[role])) as connection, connection.cursor() as cursor:
        cursor.execute("create table made_by_a_migration (x int)")
        connection.rollback()


@pytest.mark.parametrize("role", OWN)
@pytest.mark.parametrize(
    "statement",
    [
        "create role mine",
        "select rolpassword from pg_authid",
        "select pg_read_file('postgresql.conf')",
        "set role airline_dbt",
    ],
)
def test_a_role_of_metadata_can_do_nothing_else(stack, role, statement):
    """Whoever takes over Airflow or Superset has the warehouse's server."""
    with (
        closing(connect(stack, role, OWN[role])) as connection,
        connection.cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute(statement)


@pytest.mark.parametrize("role", OWN)
def test_a_role_of_metadata_gets_into_no_other_database(stack, role):
    """Whoever takes over Airflow or Superset reads the vault, or the other's
    passwords.
    """
    for database in {stack.settings.dwh_db, *OWN.values()} - {OWN[role]}:
        with pytest.raises(psycopg2.OperationalError, match=r"no pg_hba\.conf entry"):
            connect(stack, role, database)
