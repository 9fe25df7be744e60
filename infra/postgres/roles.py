"""The roles that services log in as, with generated passwords. People log in as admin."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from infra.settings import Settings, untold_passwords

REPLICATOR = "airline_replicator"
CDC = "airline_cdc"
INGEST = "airline_ingest"
DBT = "airline_dbt"
BI = "airline_bi"
MONITOR = "airline_monitor"
SUPERSET = "airline_superset"
AIRFLOW = "airline_airflow"
AUDIT = "airline_audit"
# Superset logs in as one of these, by who asks (infra/superset/reach.py): BI for its own admins,
# the others for the roles of their names in infra/superset/assets/roles.yml.
MANAGER = "airline_manager"
ANALYST = "airline_analyst"
OPS = "airline_ops"
READERS = (BI, MANAGER, ANALYST, OPS)
# Of them those who see passengers' names and documents; the others see pseudonyms. Managers do, for
# their dashboard lists the best customers by name.
SEE_NAMES = (BI, MANAGER)

SOURCE_ROLES = {REPLICATOR: "replication", CDC: "replication", MONITOR: "", AUDIT: ""}
WAREHOUSE_ROLES = dict.fromkeys((INGEST, DBT, *READERS, SUPERSET, AIRFLOW, MONITOR, AUDIT), "")
# Of roles that have a database of their own in the warehouse's server, and come into no other.
OWN_DATABASES = {SUPERSET: "superset", AIRFLOW: "airflow"}
# A role that somebody made: `grant airline_people to …` lets it into the server's database.
PEOPLE = "airline_people"
# Owns what tells the monitor how sessions and replicas are; nobody logs in as it.
FIGURES = "airline_figures"
FIGURES_SQL = Path(__file__).with_name("figures.sql")

# A load whose way to the warehouse is gone cannot say so: the server ends what it had begun, for
# its locks hold up every later load. No load thinks for so long within a transaction.
LOAD_SILENT_FOR = "2min"


def environment(settings: Settings, role: str) -> dict[str, str]:
    """The variables of a process of ours that logs in as `role` where others do as admin."""
    return {
        **settings.environment(),
        **untold_passwords(),
        "AIRLINE_ADMIN_USER": role,
        "AIRLINE_ADMIN_PASSWORD": settings.secret(role),
    }


def login(settings: Settings, server: str, role: str) -> str:
    """libpq connection string to the database on `server` that people mean, as `role`. A process
    that logs in as that role anyway (`environment`) needs no file for it.
    """
    if settings.admin_user == role:
        return settings.dsn(server)
    return settings.dsn(server, user=role, password=settings.secret(role))


def make(settings: Settings, server: str, dsn: str) -> None:
    """Makes the roles of `server` (primary or dwh), or gives them the password on file again.

    `dsn`: the database that figures are asked in, as a superuser. Running it again changes nothing.
    """
    roles = WAREHOUSE_ROLES if server == "dwh" else SOURCE_ROLES
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        # PostgreSQL refuses one of two sessions that alter a role at the same moment. Not an
        # advisory lock: any role could hold that.
        cursor.execute("lock table pg_catalog.pg_authid in share row exclusive mode")
        cursor.execute("select rolname from pg_roles")
        there = {name for (name,) in cursor}
        for name, options in roles.items():
            cursor.execute(
                sql.SQL(
                    "{} role {} login {} password {} connection limit -1 valid until 'infinity'"
                ).format(
                    sql.SQL("alter" if name in there else "create"),
                    sql.Identifier(name),
                    sql.SQL(options),
                    # What the server stores of it: a statement may be logged, or be seen by others.
                    sql.Literal(
                        encrypt_password(settings.secret(name), name, connection, "scram-sha-256")
                    ),
                )
            )
        for name in {PEOPLE, FIGURES} - there:
            cursor.execute(sql.SQL("create role {} nologin").format(sql.Identifier(name)))
        if DBT in roles:
            cursor.execute(
                sql.SQL("alter role {} set idle_in_transaction_session_timeout = {}").format(
                    sql.Identifier(DBT), sql.Literal(LOAD_SILENT_FOR)
                )
            )
        cursor.execute(FIGURES_SQL.read_text())


def make_database(dsn: str, name: str, owner: str | None = None) -> bool:
    """Makes the database `name` unless it is there. Returns whether it did.

    With an `owner` nobody else may connect to it.
    """
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("select from pg_database where datname = %s", (name,))
            if cursor.rowcount:
                return False
            database = sql.Identifier(name)
            cursor.execute(sql.SQL("create database {}").format(database))
            if owner is not None:
                cursor.execute(
                    sql.SQL("alter database {} owner to {}").format(database, sql.Identifier(owner))
                )
                cursor.execute(sql.SQL("revoke all on database {} from public").format(database))
            return True
