"""Failing dbt tests of each kind, in real runs of the DAGs: which tasks turn red."""

from __future__ import annotations

import pytest

from tests.support.dags import land, states

pytestmark = pytest.mark.timeout(3600)

CURVE_ENDS = "build.a_booking_curve_ends_with_the_flights_passengers_test"
GROUP_HAS_A_THRESHOLD = (
    "build.relationships_frequent_flyers_customer_group"
    "__customer_group__ref_customer_group_thresholds__test"
)
HUB_KNOWS_AIRPORT = (
    "load.relationships_vst_airports_airport_hash_key__airport_hash_key__ref_hub_airports__test"
)


def red(tasks) -> set[str]:
    return {name for name, task in tasks.items() if task["state"] == "failed"}


def test_failing_tests_of_marts_turn_their_own_tasks_red(stack, dags):
    """A failing test of one node, of several, or of a relationship is shown
    green, or another task is red for it.
    """
    # Several nodes: the curve, from the history, ends above what is kept as current.
    segment = """
        select kept.ticket_flight_hash_key from dwh_business.kept_ticket_flights as kept
        inner join presentation.booking_curve as curve using (flight_id)
        -- Not a flight that was cancelled since: it would have no curve any more.
        inner join dwh_marts.flight_load as loads using (flight_id)
        where
            curve.scheduled_departure > now()
            and curve.days_before_departure = 0
            and curve.seats_sold = loads.passengers
        limit 1
    """
    [(key,)] = stack.sql("dwh", segment) or stack.sql("dwh", segment.replace("> now()", "< now()"))
    stack.sql(
        "dwh",
        "create table public.taken_away as select * from dwh_business.kept_ticket_flights"
        " where ticket_flight_hash_key = %s",
        key,
    )
    # A relationship: a group without a threshold, in a mart of another DAG.
    [(passenger, group)] = stack.sql(
        "dwh",
        "select passenger_id, customer_group from presentation_pii.frequent_flyers_personal"
        " limit 1",
    )
    set_group = (
        "update presentation_pii.frequent_flyers_personal set customer_group = %s"
        " where passenger_id = %s"
    )
    try:
        stack.sql(
            "dwh",
            "delete from dwh_business.kept_ticket_flights where ticket_flight_hash_key = %s",
            key,
        )
        stack.sql("dwh", set_group, "QQ", passenger)
        # One node: a seed without a name.
        stack.sql(
            "dwh",
            """
            create function public.no_name() returns trigger language plpgsql as
            'begin new.source_system_name := null; return new; end';
            create trigger no_name before insert on reference.source_systems
            for each row execute function public.no_name()
            """,
        )
        state, tasks = dags.run("marts_refresh")
    finally:
        stack.sql("dwh", set_group, group, passenger)
        stack.sql(
            "dwh",
            "drop trigger if exists no_name on reference.source_systems;"
            " drop function if exists public.no_name()",
        )
        stack.sql(
            "dwh",
            "insert into dwh_business.kept_ticket_flights select * from public.taken_away"
            " on conflict do nothing",
        )
        stack.sql("dwh", "drop table public.taken_away")
    assert state == "failed"
    assert red(tasks) == {CURVE_ENDS, "build.source_systems.test", GROUP_HAS_A_THRESHOLD}
    assert states(tasks) == {"failed": 3, "success": len(tasks) - 3}
    log = stack.airline("airflow", "tasks", "logs", "marts_refresh", GROUP_HAS_A_THRESHOLD).stdout
    assert "Got 1 result" in log, "the log does not say what is wrong"

    state, tasks = dags.run("marts_refresh")
    assert state == "success", states(tasks)
    # None of them started dbt once more: each followed the run's one build.
    assert all(task["try_number"] == 1 for task in tasks.values())
    alone = stack.airline("airflow", "tasks", "logs", "marts_refresh", GROUP_HAS_A_THRESHOLD).stdout
    assert "alone" not in alone


def test_a_failing_relationship_of_the_vault_turns_its_own_task_red(stack, dags):
    """A key that its hub lacks is loaded, and every task is green."""
    stack.sql(
        "dwh",
        """
        create function public.swallow() returns trigger language plpgsql as
        'begin return case when new.airport_code = ''AF5'' then null else new end; end';
        create trigger swallow before insert on dwh_detailed.hub_airports
        for each row execute function public.swallow()
        """,
    )
    try:
        land(stack, "INSERT INTO airports VALUES ('AF5', 'Airport AF5', 'nowhere', 0, 0, 'UTC')")
        state, tasks = dags.load()
    finally:
        stack.sql(
            "dwh",
            "drop trigger swallow on dwh_detailed.hub_airports; drop function public.swallow()",
        )
    assert state == "failed"
    assert red(tasks) == {HUB_KNOWS_AIRPORT}
    others = {"failed": 1, "upstream_failed": 1, "success": len(tasks) - 2}
    assert states(tasks) == others, "more than the load's end did not come"
    assert tasks["close_load_batch"]["state"] == "upstream_failed"

    # The next event of the row brings its key.
    land(stack, "DELETE FROM airports WHERE airport_code = 'AF5'")
    state, tasks = dags.load()
    assert state == "success", states(tasks)
    stack.assert_audit_clean()
