"""Who may do what: each role of the services by what it can and, above all, cannot do."""

from __future__ import annotations

from contextlib import closing

import psycopg2
import psycopg2.extras
import pytest

from infra.postgres import roles

pytestmark = pytest.mark.timeout(2700)

# role, server (or database@server), statement that it needs
CAN = [
    (roles.CDC, "primary", "select count(*) from bookings"),
    (roles.CDC, "primary", "select pg_logical_emit_message(false, 'airline-heartbeat', '')"),
    (roles.AUDIT, "primary", "select count(*) from bookings"),
    (roles.AUDIT, "primary", "select count(*) from tickets"),
    (roles.AUDIT, "primary", "select pg_logical_emit_message(false, 'airline-heartbeat', '')"),
    (roles.INGEST, "dwh", "insert into staging.dead_letter (topic, kafka_partition, kafka_offset,"
     " error) values ('none', 0, 0, 'test')"),
    (roles.DBT, "dwh", "select count(*) from staging.bookings"),
    (roles.DBT, "dwh", "create table presentation.made_by_dbt (x int)"),
    (roles.DBT, "dwh", "select count(*) from dwh_detailed.sat_passenger_details"),
    (roles.BI, "dwh", "select count(*) from dwh_marts.v_airport_traffic_share"),
    (roles.BI, "dwh", "select count(*) from presentation.airport_passenger_flow"),
    (roles.MONITOR, "postgres@primary", "select state, replay_lsn from pg_stat_replication"),
    (roles.AUDIT, "dwh", "select count(*) from dwh_business.current_tickets"),
    (roles.MANAGER, "dwh", "select count(*) from presentation_pii.frequent_flyers_personal"),
    (roles.ANALYST, "dwh", "select count(*) from presentation.frequent_flyers"),
    (roles.OPS, "dwh", "select count(*) from dwh_marts.airport_flights"),
    (roles.MONITOR, "dwh", "select max(next_offset) from staging.ingest_offset"),
    (roles.MONITOR, "dwh", "select count(*) from staging.dead_letter"),
    (roles.MONITOR, "dwh", "select dwh_control.newest_mart_row()"),
    (roles.MONITOR, "dwh", "select dwh_control.oldest_unread_event()"),
]  # fmt: skip
# role, server, statement that must be refused
CANNOT = [
    (roles.REPLICATOR, "primary", "select count(*) from bookings"),
    (roles.REPLICATOR, "primary", "create table mine (x int)"),
    (roles.CDC, "primary", "insert into airports values ('XYZ', '', '', 0, 0, 'UTC')"),
    (roles.CDC, "primary", "delete from bookings"),
    (roles.CDC, "primary", "truncate bookings cascade"),
    (roles.CDC, "primary", "create table mine (x int)"),
    (roles.CDC, "primary", "alter publication airline_publication drop table bookings"),
    (roles.CDC, "primary", "select rolpassword from pg_authid"),
    (roles.MONITOR, "primary", "select count(*) from bookings"),
    (roles.AUDIT, "primary", "insert into airports values ('XYZ', '', '', 0, 0, 'UTC')"),
    (roles.AUDIT, "primary", "delete from bookings"),
    (roles.AUDIT, "primary", "create table mine (x int)"),
    (roles.AUDIT, "primary", "select rolpassword from pg_authid"),
    (roles.AUDIT, "primary", "select pg_drop_replication_slot('airline_cdc')"),
    (roles.AUDIT, "primary", "select pg_read_file('postgresql.conf')"),
    (roles.INGEST, "dwh", "select count(*) from dwh_detailed.hub_bookings"),
    (roles.INGEST, "dwh", "select count(*) from dwh_control.load_batch"),
    (roles.INGEST, "dwh", "select count(*) from presentation.frequent_flyers"),
    (roles.INGEST, "dwh", "create schema mine"),
    (roles.DBT, "dwh", "delete from staging.bookings"),
    (roles.DBT, "dwh", "insert into staging.ingest_offset values ('t', 0, 0)"),
    (roles.DBT, "dwh", "create role mine"),
    (roles.BI, "dwh", "select count(*) from dwh_detailed.sat_passenger_details"),
    (roles.BI, "dwh", "select count(*) from dwh_business.current_tickets"),
    (roles.BI, "dwh", "select count(*) from staging.tickets"),
    (roles.BI, "dwh", "delete from presentation.airport_passenger_flow"),
    (roles.BI, "dwh", "create table presentation.mine (x int)"),
    (roles.BI, "dwh", "create temporary table mine (x int)"),
    (roles.AUDIT, "dwh", "delete from dwh_control.audit_result"),
    (roles.ANALYST, "dwh", "select count(*) from presentation_pii.frequent_flyers_personal"),
    (roles.OPS, "dwh", "select count(*) from presentation.frequent_flyers"),
    (roles.MONITOR, "dwh", "select value from staging.dead_letter"),
    (roles.MONITOR, "dwh", "select count(*) from staging.tickets"),
    (roles.MONITOR, "dwh", "select count(*) from presentation.frequent_flyers"),
    (roles.MONITOR, "dwh", "select count(*) from dwh_detailed.hub_bookings"),
]  # fmt: skip


def run(stack, role: str, server: str, statement: str) -> None:
    """Runs a statement as the role, and takes it back."""
    database, _, server = server.rpartition("@")
    password = stack.settings.secret(role)
    dsn = stack.settings.dsn(server, dbname=database or None, user=role, password=password)
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        connection.rollback()


@pytest.mark.parametrize(("role", "server", "statement"), CAN)
def test_a_role_can_do_its_work(stack, role, server, statement):
    """A service lacks a right that it needs."""
    run(stack, role, server, statement)


@pytest.mark.parametrize(("role", "server", "statement"), CANNOT)
def test_a_role_can_do_nothing_else(stack, role, server, statement):
    """A service that is taken over could read or change what is not its own."""
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run(stack, role, server, statement)


@pytest.mark.parametrize("role", [roles.SUPERSET, roles.AIRFLOW])
def test_a_role_of_metadata_stays_out_of_the_warehouse(stack, role):
    """Whoever takes over Airflow or Superset reads the vault as it.

    What they can do is asked where they run: tests/e2e/whole/test_roles.py.
    """
    with pytest.raises(psycopg2.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg2.connect(stack.settings.dsn("dwh", user=role, password=stack.settings.secret(role)))


@pytest.mark.parametrize("role", [roles.REPLICATOR, roles.CDC])
def test_replication_is_for_replica_and_cdc(stack, role):
    """The replica or Debezium cannot connect to read the log."""
    dsn = stack.settings.dsn("primary", user=role, password=stack.settings.secret(role))
    connection = psycopg2.connect(
        dsn, connection_factory=psycopg2.extras.LogicalReplicationConnection
    )
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("IDENTIFY_SYSTEM")
        assert cursor.fetchone() is not None


@pytest.mark.parametrize("server", ["primary", "dwh"])
def test_no_service_is_a_superuser_or_makes_roles(stack, server):
    """A service could give itself any right."""
    found = stack.sql(
        server,
        "select rolname from pg_roles where rolname like 'airline%%'"
        " and (rolsuper or rolcreaterole or rolcreatedb or rolbypassrls)",
    )
    assert found == []
    mighty = stack.sql(server, "select rolname from pg_roles where rolsuper")
    assert mighty == [(stack.settings.admin_user,)]


def test_nobody_logs_in_without_the_generated_password(stack):
    """A role has no password, or one that can be guessed."""
    for role in (*roles.SOURCE_ROLES, *roles.WAREHOUSE_ROLES):
        server = "primary" if role in roles.SOURCE_ROLES else "dwh"
        for password in ("", role, "password", "adminpassword"):
            dsn = stack.settings.dsn(server, dbname="postgres", user=role, password=password or " ")
            with pytest.raises(psycopg2.OperationalError):
                psycopg2.connect(dsn)
