"""A booking goes from the source through Debezium, Kafka, staging and vault into the marts."""

from __future__ import annotations

import json

import pytest
import requests
from kafka import KafkaConsumer

import catalogue
from infra.connect import worker
from infra.kafka import access
from tests.support.dags import unread
from tests.support.schemas import faults
from tests.support.topics import topic_offsets
from tests.support.traffic import Traffic

pytestmark = pytest.mark.timeout(2700)

TRAFFIC = "select * from airport_traffic order by airport_code"


def test_up_shows_filled_marts_and_where_everything_is(stack):
    """`up` ends without data in a mart, or does not say where to look."""
    for mart in (
        "v_active_airports_30d",
        "v_airport_traffic_share",
        "v_passenger_metrics_30d",
        "v_passenger_groups_revenue",
    ):
        assert f"dwh_marts.{mart}" in stack.first_up
    assert "presentation.frequent_flyers" in stack.first_up
    assert stack.settings.connect_url in stack.first_up
    [(flyers, groups)] = stack.sql(
        "dwh", "select count(*), count(distinct customer_group) from presentation.frequent_flyers"
    )
    assert flyers > 100
    assert groups == 5, "a customer group is empty"
    # The tests' history is small: who flies ten times in a month is in the full one only, see
    # tests/unit/test_source_simulator.py.
    filled = stack.sql(
        "dwh",
        "select passenger_group from dwh_marts.v_passenger_groups_revenue where passengers > 0",
    )
    assert {("Occasional Traveler",), ("Regular Customer",)} <= set(filled)


def test_a_second_up_does_no_work(stack):
    """`up` on a running stack restarts, loads or builds something."""
    pids = stack.pids()
    batches = stack.sql("dwh", "select count(*) from dwh_control.load_batch")
    again = stack.up().stdout
    assert "dbt build" not in again
    assert stack.pids() == pids
    assert stack.sql("dwh", "select count(*) from dwh_control.load_batch") == batches


def test_status_is_healthy_and_names_what_is_used(stack):
    """A whole stack is called ill, or status hides which AutomateDV runs."""
    done = stack.healthy_status()
    assert "healthy" in done.stdout
    assert "AutomateDV" in done.stdout
    stack.wait(lambda: stack.status()["healthy"] is True, "status says the same as JSON")


def test_traffic_is_the_same_on_primary_replica_and_in_the_vault(stack):
    """A figure changes on its way through replication, CDC or the vault."""
    stack.assert_audit_clean()
    primary = stack.sql("primary", TRAFFIC)
    assert len(primary) > 50
    stack.wait(lambda: stack.sql("replica", TRAFFIC) == primary, "the replica has caught up")
    columns = "airport_code, departure_flights_num, departure_psngr_num, arrival_flights_num,"
    vault = stack.sql(
        "dwh",
        f"select {columns} arrival_psngr_num from dwh_marts.airport_traffic order by airport_code",
    )
    assert vault == primary


@pytest.mark.parametrize(
    "words", ["status", "audit", "topics", "evolve", "version", "dead-letters list"]
)
def test_what_a_program_is_told_is_as_its_schema_says(stack, words):
    """A program that reads a running stack meets a field that no schema has."""
    done = stack.airline(*words.split(), "--json", check=False)
    told = json.loads(done.stdout)
    assert faults(words.replace(" ", "-"), told) == []
    if words == "topics":
        landed = {each["topic"] for each in told if each["landed"]}
        assert {topic.rsplit(".", 1)[-1] for topic in landed} >= {"bookings", "tickets"}


def test_the_seeds_own_checks_work_as_written(stack):
    """A command of the user's description no longer does what it says."""
    stack.airline(
        "psql",
        "primary",
        "-c",
        "INSERT INTO airports VALUES ('XXX', 'Test Airport', 'Test City', 0, 0, 'UTC');",
    )
    shown = "SELECT * FROM airports WHERE airport_code = 'XXX';"
    stack.wait(
        lambda: "Test Airport" in stack.airline("psql", "replica", "-c", shown).stdout,
        "the new airport is on the replica",
    )
    answer = requests.get(
        f"{stack.settings.connect_url}/connectors/airline-connector/status",
        auth=worker.login(stack.settings),
    ).json()
    assert answer["connector"]["state"] == "RUNNING"
    assert [task["state"] for task in answer["tasks"]] == ["RUNNING"]
    with KafkaConsumer(**access.client(stack.settings)) as consumer:
        topics = consumer.topics()
    assert {f"airline.public.{table}" for table in catalogue.names()} <= set(topics)

    stack.assert_audit_clean()
    hub = "SELECT count(*) FROM dwh_detailed.hub_airports WHERE airport_code = 'XXX'"
    assert stack.sql("dwh", hub) == [(1,)]
    stack.commit("DELETE FROM airports WHERE airport_code = 'XXX'")
    stack.assert_audit_clean()
    assert stack.sql("dwh", hub) == [(1,)], "a delete took history away"


def test_live_traffic_arrives_whole_whatever_is_killed(stack):
    """A kill of ingester or Connect loses or doubles an event."""
    stack.airline("simulate", "--rate", "0", "--changes", "3000", "--seed", "11")
    stack.kill("ingest")
    stack.airline("simulate", "--rate", "0", "--changes", "3000", "--seed", "12")
    stack.kill("connect")
    stack.airline("simulate", "--rate", "0", "--changes", "3000", "--seed", "13")
    stack.kill("ingest")
    stack.up()
    stack.assert_audit_clean()
    assert landed_events(stack) == {
        table: topic_offsets(stack.settings, table) for table in catalogue.names()
    }


def test_no_batch_ends_within_a_booking(stack):
    """A mart shows a booking without all of its segments, or the reverse."""
    before = stack.half_bookings("primary", "{}")
    loaded = "select count(*) from dwh_control.load_batch where outcome = 'loaded'"
    [(batches,)] = stack.sql("dwh", loaded)
    with Traffic(rate=500, seed=14) as traffic:
        stack.wait(lambda: traffic.changes, "there is traffic")
        for _ in range(5):
            stack.wait(lambda: unread(stack), "there is something to load")
            stack.airline("dbt", "run", "--quiet", "--selector", "vault")
            assert stack.half_bookings("dwh", "dwh_business.current_{}") == before
    assert stack.sql("dwh", loaded) == [(batches + 5,)], "there was nothing to load"
    stack.assert_audit_clean()


def test_load_loop_loads_by_itself_until_it_is_told_to_stop(stack):
    """Nothing is loaded, or the process dies with a batch in hand."""
    new = "SELECT count(*) FROM dwh_business.current_airports WHERE airport_code = 'YYY'"
    loop = stack.start("load-loop")
    try:
        for expected, statement in (
            (
                1,
                "INSERT INTO airports (airport_code, airport_name, city, coordinates_lon,"
                " coordinates_lat, timezone) VALUES ('YYY', 'Test', 'Test', 10, 50, 'UTC')",
            ),
            (0, "DELETE FROM airports WHERE airport_code = 'YYY'"),
        ):
            stack.commit(statement)
            stack.wait(
                lambda expected=expected: stack.sql("dwh", new) == [(expected,)],
                f"load-loop brings {statement.split()[0]} into the vault",
            )
    finally:
        loop.terminate()
        # A load that has begun is ended first.
        said, _ = loop.communicate(timeout=900)
    assert loop.returncode == 0, said
    assert said.count('"event": "loaded"') >= 2, said
    assert '"event": "stopped"' in said
    stack.assert_audit_clean()
    # With nothing left to load it ends by itself.
    assert '"event": "stopped"' in stack.airline("load-loop", "--once").stdout


def test_a_full_refresh_gives_the_same_current_rows(stack):
    """The vault cannot be made again from what was landed."""
    stack.airline("dbt", "build", "--full-refresh")
    stack.assert_audit_clean()


def landed_events(stack) -> dict[str, set[int]]:
    """Table -> offsets in staging or kept as dead letters. The primary keys allow none twice."""
    return {
        table: {
            offset
            for (offset,) in stack.sql(
                "dwh",
                f"select kafka_offset from staging.{table} union all"
                " select kafka_offset from staging.dead_letter"
                f" where topic = 'airline.public.{table}'",
            )
        }
        for table in catalogue.names()
    }


def test_events_are_raw_debezium_json(stack):
    """The ingester lands something else than Debezium wrote."""
    [(value, key)] = stack.sql(
        "dwh", "select value, key from staging.flights where value ->> 'op' = 'r' limit 1"
    )
    assert {"before", "after", "source", "op", "ts_ms", "transaction"} <= set(value)
    assert set(key) == {"flight_id"}
    assert json.dumps(value["after"]["flight_id"]) == json.dumps(key["flight_id"])
