"""Each DAG against the real stack: what it does, also when something fails, and who may do what."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest

from infra.airflow import config
from infra.airflow.api import Api
from infra.errors import AirlineError
from infra.postgres import roles
from tests.support.dags import MODELS, land, states, unread
from tests.support.traffic import Traffic

pytestmark = pytest.mark.timeout(3600)

# ./airline test --long: as the issue asks; otherwise a few, which takes minutes instead of an hour.
LONG = bool(os.environ.get("AIRLINE_TEST_LONG"))
LOADS = 20 if LONG else 2
DAYS = 30 if LONG else 2

FLOW = """
    select flight_date, airport_code, linked_airport_code, flights_in, flights_out,
        passengers_in, passengers_out
    from presentation.airport_passenger_flow order by 1, 2, 3
"""


def airport(code: str, city: str) -> str:
    return f"INSERT INTO airports VALUES ('{code}', 'Airport {code}', '{city}', 0, 0, 'UTC')"


def test_after_up_every_dag_is_on_and_its_first_run_is_done(stack, dags):
    """A new stack shows paused or failed DAGs."""
    paused = dags.api.dags()
    assert sorted(paused) == config.dag_ids(stack.settings)
    for dag_id, is_paused in paused.items():
        assert not is_paused, dag_id
        # `vault_load` starts that of the models where something landed.
        if dag_id != MODELS:
            assert dags.api.runs(dag_id)[-1]["state"] == "success", dag_id
    assert dags.api.import_errors() == []


def test_a_load_goes_model_by_model_and_skips_when_nothing_landed(stack, dags):
    """Airflow loads nothing, hides a model, or leaves the batch open."""
    land(stack, airport("AF1", "before"), "DELETE FROM airports WHERE airport_code = 'AF1'")
    state, tasks = dags.load()
    assert state == "success", states(tasks)
    assert len(tasks) > 50 and states(tasks) == {"success": len(tasks)}
    assert all(task["try_number"] == 1 for task in tasks.values())
    log = stack.airline("airflow", "tasks", "logs", MODELS, "load.dbt_build").stdout
    assert "Running with dbt" in log and "Unable to do partial parsing" not in log
    hub = "select count(*) from dwh_detailed.hub_airports where airport_code = 'AF1'"
    assert stack.sql("dwh", hub) == [(1,)]
    assert stack.sql("dwh", "select from dwh_control.load_batch where closed_at is null") == []
    events = dags.api.ask("GET", "/api/v2/assets/events?source_dag_id=vault_load_models")
    assert events["total_entries"] >= 1, "the asset was not announced"

    began = dags.models_runs()
    state, tasks = dags.run("vault_load")
    assert state == "success"
    assert states(tasks) == {"skipped": 1}, "it left more behind than that nothing landed"
    assert dags.models_runs() == began
    stack.assert_audit_clean()


def test_a_failing_model_is_retried_fails_and_the_next_run_recovers(stack, dags):
    """A failure is hidden, runs what depends on it, or loses the batch."""
    refused = "alter table dwh_detailed.hub_airports"
    stack.sql("dwh", f"{refused} add constraint refused check (false) not valid")
    try:
        land(stack, airport("AF2", "never seen before"))
        state, tasks = dags.load()
    finally:
        stack.sql("dwh", f"{refused} drop constraint refused")
    assert state == "failed"
    failed = tasks["load.hub_airports_run"]
    assert (failed["state"], failed["try_number"]) == ("failed", 2), "it was not tried again"
    for name, task in tasks.items():
        if "ref_hub_airports_" in name or name == "close_load_batch":
            assert task["state"] == "upstream_failed", name
    assert tasks["load.hub_tickets_run"]["state"] == "success", "others had to wait for it"
    [(batch,)] = stack.sql(
        "dwh", "select load_batch_id from dwh_control.load_batch where closed_at is null"
    )
    log = stack.airline("airflow", "tasks", "logs", MODELS, "load.hub_airports_run").stdout
    assert "refused" in log, "the log does not say what failed"

    state, tasks = dags.load()
    assert state == "success", states(tasks)
    assert stack.sql(
        "dwh", "select outcome from dwh_control.load_batch where load_batch_id = %s", batch
    ) == [("loaded",)]
    stack.commit("DELETE FROM airports WHERE airport_code = 'AF2'")
    stack.assert_audit_clean()


def test_a_scheduler_killed_in_mid_load_costs_nothing(stack, dags):
    """A load is lost, stuck or doubled when the scheduler dies."""
    stack.airline("simulate", "--rate", "0", "--changes", "1000", "--seed", "41")
    stack.wait_until_landed()
    run_id = dags.start("vault_load")
    stack.wait(dags.is_building, "the load is under way")
    stack.kill("airflow-scheduler")
    assert dags.wait("vault_load", run_id, minutes=30) == "success"
    stack.assert_audit_clean()


def test_a_warehouse_killed_in_mid_load_costs_one_more_build(stack, dags):
    """After an outage the load fails, or runs its models one by one."""
    stack.airline("simulate", "--rate", "0", "--changes", "1000", "--seed", "43")
    stack.wait_until_landed()
    began = dags.models_runs()
    run_id = dags.start("vault_load")
    stack.wait(stack.is_loading_vault, "dbt loads the vault")
    stack.kill("dwh")
    stack.wait_for_services()
    assert dags.wait("vault_load", run_id, minutes=30) == "success"
    [started] = dags.models_runs() - began
    tasks = dags.tasks(MODELS, started)
    assert tasks["load.dbt_build"]["try_number"] > 1, "the build was not tried again"
    log = stack.airline("airflow", "tasks", "logs", MODELS, "load.hub_airports_run").stdout
    assert "alone" not in log
    stack.assert_audit_clean()


def test_marts_stay_right_while_bookings_stream_in(stack, dags):
    """A load beside live bookings makes a mart contradict itself."""
    with Traffic(rate=10, seed=42):
        for _ in range(LOADS):
            stack.wait(lambda: unread(stack) > 0, "bookings land")
            state, tasks = dags.load()
            assert state == "success", states(tasks)
            stack.airline("dbt", "test", "--select", "path:models/marts,test_type:data")
    stack.assert_audit_clean()


def test_frequent_flyers_again_gives_the_same_rows(stack, dags):
    """Running the mart's DAG fails, or changes rows although nothing changed."""
    rows = """
        select passenger_id, flights_number, purchase_sum, home_airport, customer_group
        from presentation.frequent_flyers order by 1
    """
    state, tasks = dags.run("frequent_flyer_mart")
    assert state == "success", states(tasks)
    before = stack.sql("dwh", rows)
    assert len(before) > 100
    left = "presentation_pii.frequent_flyers_personal__dbt_backup"
    stack.sql("dwh", f"create table {left} as select 1 as left")
    state, tasks = dags.run("frequent_flyer_mart")
    assert state == "success", states(tasks)
    log = stack.airline(
        "airflow", "tasks", "logs", "frequent_flyer_mart", "compute_and_load.dbt_build"
    ).stdout
    assert "Running with dbt" in log and "Unable to do partial parsing" not in log
    assert stack.sql("dwh", rows) == before
    cleaned = f"select to_regclass('{left}')"
    assert stack.sql("dwh", cleaned) == [(None,)], "stale data was not cleaned"


def test_a_backfill_gives_what_daily_runs_give(stack, dags):
    """A backfilled day is not as its daily run, or a run again changes rows."""
    state, tasks = dags.run("airport_passenger_flow_mart")
    assert state == "success", states(tasks)
    before = stack.sql("dwh", FLOW)
    today = datetime.now(UTC).replace(hour=1, minute=0, second=0, microsecond=0)
    # Intervals that begin at 01:00; the newest whole one ended today at 01:00 at the latest.
    last = today - timedelta(days=2)
    first = last - timedelta(days=DAYS - 1)
    for again in range(2):
        if not again:
            stack.sql(
                "dwh",
                "delete from presentation.airport_passenger_flow"
                " where flight_date between %s and %s",
                first.date(),
                last.date(),
            )
        made = dags.api.ask(
            "POST",
            "/api/v2/backfills",
            {
                "dag_id": "airport_passenger_flow_mart",
                "from_date": first.isoformat(),
                "to_date": last.isoformat(),
                "reprocess_behavior": "completed",
                "max_active_runs": 1,
            },
        )
        deadline = time.monotonic() + DAYS * 300
        while not dags.api.ask("GET", f"/api/v2/backfills/{made['id']}")["completed_at"]:
            assert time.monotonic() < deadline, "the backfill is not over"
            time.sleep(2)
        assert stack.sql("dwh", FLOW) == before


def test_upkeep_makes_docs_that_airflow_shows(stack, dags):
    """Freshness or docs cannot be had, or the UI has no docs site."""
    made = stack.home / "docs-site" / "manifest.json"
    before = made.stat().st_mtime if made.exists() else 0
    state, tasks = dags.run("maintenance")
    assert state == "success", states(tasks)
    assert made.stat().st_mtime > before
    url = f"{stack.settings.airflow_url}/cosmos/airline/dbt_docs_index.html"
    with urllib.request.urlopen(url) as page:
        assert b"dbt" in page.read()


def test_upkeep_removes_what_airflow_has_kept_for_long(stack, dags):
    """Airflow's rows and logs grow for ever, or what is new goes too."""
    old, new = (dags.start("vault_load"), dags.start("vault_load"))
    for run_id in (old, new):
        assert dags.wait("vault_load", run_id) == "success"
    days = timedelta(days=stack.settings.airflow_days + 1)
    with (
        closing(psycopg2.connect(stack.settings.dsn("dwh", dbname=config.DATABASE))) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        for table in ("dag_run", "task_instance"):
            cursor.execute(
                f"update {table} set start_date = start_date - %s where run_id = %s", (days, old)
            )
            assert cursor.rowcount
    runs = config.folder(stack.settings) / "logs" / "dag_id=vault_load"
    for each in (runs / f"run_id={old}", *(runs / f"run_id={old}").rglob("*")):
        os.utime(each, 2 * ((datetime.now(UTC) - days).timestamp(),))
    state, tasks = dags.run("maintenance")
    assert state == "success", states(tasks)
    kept = {run["dag_run_id"] for run in dags.api.runs("vault_load")}
    assert old not in kept and new in kept
    assert not (runs / f"run_id={old}").exists() and (runs / f"run_id={new}").exists()


def test_a_viewer_looks_and_does_not_touch(stack, dags):
    """Somebody with the role Viewer starts or pauses a DAG."""
    stack.airline(
        *("airflow", "users", "create", "--role", "Viewer", "--username", "viewer"),
        *("--password", "only-looks", "--firstname", "V", "--lastname", "V"),
        *("--email", "viewer@airline.example"),
    )
    viewer = Api(stack.settings, "viewer", "only-looks")
    assert "vault_load" in viewer.dags()
    for attempt in (
        lambda: viewer.trigger("vault_load"),
        lambda: viewer.pause("vault_load", True),
        lambda: viewer.ask("GET", "/api/v2/connections"),
    ):
        with pytest.raises(AirlineError, match="403"):
            attempt()
    with pytest.raises(AirlineError, match="401"):
        Api(stack.settings, "viewer", "guessed")
    admin = Api(stack.settings, stack.settings.airflow_user, stack.settings.airflow_password)
    assert admin.ask("GET", "/api/v2/connections")["total_entries"] == 3


def test_no_password_is_in_a_log_or_a_rendered_template(stack, dags):
    """Whoever may read logs can log in to the warehouse."""
    secrets = [
        stack.settings.secret(name)
        for name in (
            *(roles.DBT, roles.INGEST, roles.AUDIT, roles.AIRFLOW),
            *("airflow_operator", "airflow_jwt"),
        )
    ]
    looked_at = 0
    for folder in (config.folder(stack.settings), stack.home / "logs"):
        for file in folder.rglob("*"):
            if file.is_file() and file.suffix in (".log", ".jsonl", ".yml", ".out"):
                looked_at += 1
                text = file.read_text(errors="replace")
                assert not any(secret in text for secret in secrets), file
    assert looked_at > 50
    for dag_id in config.dag_ids(stack.settings):
        for run in dags.api.runs(dag_id, limit=1):
            for task in dags.api.tasks(dag_id, run["dag_run_id"]):
                rendered = str(task["rendered_fields"])
                assert not any(secret in rendered for secret in secrets), (dag_id, task["task_id"])


def test_the_seeds_commands_work(stack, dags):
    """A command of the user's description no longer does what it says."""
    listed = stack.airline("airflow", "dags", "list").stdout
    assert all(dag_id in listed for dag_id in config.dag_ids(stack.settings))
    runs = stack.airline("airflow", "dags", "list-runs", "-d", "frequent_flyer_mart").stdout
    assert "success" in runs
    assert stack.airline("airflow", "dags", "list-runs", "frequent_flyer_mart").stdout == runs
    log = stack.airline("airflow", "tasks", "logs", "frequent_flyer_mart", "create_schema").stdout
    assert "schema presentation_pii is there" in log


def test_nobody_gets_in_without_a_password(stack):
    """Airflow's API answers strangers."""
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{stack.settings.airflow_url}/api/v2/dags")
