"""The dashboards in a real browser, over the whole stack; who may see what; files and UI."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import uuid
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import requests
import yaml

from infra.postgres import roles
from infra.settings import ROOT
from infra.superset import assets, canonical, commands, queries
from tests.support import clicks
from tests.support.browser import PATIENCE, needs_browser
from tests.support.superset import Client, text_of

pytestmark = pytest.mark.timeout(1200)

BUNDLE = assets.read()
BOARDS = {each["slug"]: each for each in assets.of_kind(BUNDLE, "dashboards").values()}
# The window's figures move with the clock; a comparison that met such a moment is made again.
TRIES = 5


@pytest.fixture(scope="module")
def datasets(admin) -> dict[str, int]:
    return {each["table_name"]: each["id"] for each in admin.list("dataset")}


def add_user(admin: Client, stack, role: str) -> Client:
    """A new user with one role, logged in."""
    [number] = [each["id"] for each in admin.list("security/roles") if each["name"] == role]
    name, password = f"{role}_{secrets.token_hex(4)}", secrets.token_hex(12)
    answer = admin.call(
        "POST",
        "security/users/",
        json={
            "username": name,
            "password": password,
            "first_name": role,
            "last_name": "test",
            "email": f"{name}@localhost.invalid",
            "active": True,
            "roles": [number],
        },
    )
    assert answer.status_code == 201, answer.text
    return Client(stack.settings, name, password)


def day_of(row: dict[str, Any]) -> str:
    """The day of a row of a chart, in which a moment is in milliseconds."""
    return str(datetime.fromtimestamp(row["flight_date"] / 1000, UTC).date())


@needs_browser
@pytest.mark.parametrize("slug", sorted(BOARDS))
def test_each_dashboard_opens_with_data_in_every_chart(stack, dashboard, numbers, slug):
    """A person opens a dashboard and finds an error or an empty chart."""
    charts = list(canonical.charts_of(BOARDS[slug]))
    dashboard.open(slug, len(charts))
    folder = Path(os.environ.get("AIRLINE_SCREENSHOTS") or stack.home / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    bottom = dashboard.page.evaluate(
        "() => Math.max(...[...document.querySelectorAll('.dashboard-component-chart-holder')]"
        ".map((each) => each.getBoundingClientRect().bottom))"
    )
    dashboard.page.wait_for_timeout(2000)
    dashboard.page.screenshot(
        path=folder / f"superset-{slug}.png",
        clip={"x": 0, "y": 0, "width": 1440, "height": bottom + 16},
    )
    assert dashboard.errors() == []
    assert BOARDS[slug]["dashboard_title"] in dashboard.page.title()
    failed = [(number, status) for number, status, _, _ in dashboard.answers if status != 200]
    assert not failed
    by_uuid = {chart["uuid"]: Path(n).stem for n, chart in assets.of_kind(BUNDLE, "charts").items()}
    for name in {by_uuid[each] for each in charts} - clicks.MAY_BE_EMPTY:
        assert dashboard.rows(numbers[name]), f"{name} got no data"


@needs_browser
def test_the_figures_are_the_marts(stack, dashboard, numbers):
    """A chart shows something else than the mart says."""
    asked = {
        "active_airports_30d": (
            "select max(active_airports_30d) from dwh_marts.v_active_airports_30d"
        ),
        "unique_passengers_30d": (
            "select max(unique_passengers_30d) from dwh_marts.v_passenger_metrics_30d"
        ),
        "avg_check_30d": "select max(avg_check_30d) from dwh_marts.v_passenger_metrics_30d",
        "flights_per_passenger_30d": (
            "select max(avg_flights_per_passenger_30d) from dwh_marts.v_passenger_metrics_30d"
        ),
        "revenue_by_day": (
            "select revenue from dwh_marts.v_passenger_metrics_30d where is_whole_day order by 1"
        ),
        "unique_passengers_by_day": (
            "select unique_passengers from dwh_marts.v_passenger_metrics_30d"
            " where is_whole_day order by 1"
        ),
        "active_airports_by_day": (
            "select active_airports from dwh_marts.v_active_airports_30d"
            " where is_whole_day order by 1"
        ),
        "revenue_by_group": (
            "select group_revenue / 1000000 from dwh_marts.v_passenger_groups_revenue order by 1"
        ),
        "flight_share": (
            "select flight_share_percent / 100 from dwh_marts.v_airport_traffic_share"
            " order by flight_share_percent desc limit 15"
        ),
        "passenger_share": (
            "select passenger_share_percent / 100 from dwh_marts.v_airport_traffic_share"
            " order by passenger_share_percent desc limit 15"
        ),
        "bookings_by_day": (
            "select bookings from dwh_marts.sales_by_day where is_whole_day order by 1"
        ),
        "route_outlook": (
            "select seats_sold::numeric / nullif(seats, 0) from dwh_marts.route_outlook order by 1"
        ),
        "revenue_30d": "select revenue from dwh_marts.network_30d order by 1",
        "passengers_30d": "select passengers from dwh_marts.network_30d order by 1",
        "network_revenue_by_day": "select revenue from dwh_marts.network_by_day order by 1",
        "two_periods": (
            "select on_time_percent / 100 from dwh_marts.network_30d where period is not null"
            " order by 1"
        ),
        "flyers_revenue": "select sum(purchase_sum) from presentation.frequent_flyers",
        "passengers_carried": "select sum(passengers_out) from presentation.airport_passenger_flow",
    }
    metric = {
        Path(name).stem: (chart["params"].get("metric") or chart["params"].get("metrics", [""])[0])
        for name, chart in assets.of_kind(BUNDLE, "charts").items()
    }

    def marts() -> dict[str, list[Decimal]]:
        return {
            name: sorted(Decimal(str(value)) for (value,) in stack.sql("dwh", statement))
            for name, statement in asked.items()
        }

    labels = {
        each["metric_name"]: each["verbose_name"]
        for dataset in assets.of_kind(BUNDLE, "datasets").values()
        for each in dataset["metrics"]
    }

    def charts() -> dict[str, list[Decimal]]:
        found = {}
        for slug, board in BOARDS.items():
            dashboard.open(slug, len(list(canonical.charts_of(board))))
            for name in asked:
                rows = dashboard.rows(numbers[name])
                if rows:
                    found[name] = sorted(Decimal(str(figure(name, row))) for row in rows)
        return found

    def figure(name: str, row: dict) -> float:
        for key in (metric[name], labels[metric[name]]):
            if key in row:
                return row[key]
        # A chart with dimensions: a column for each series, and one of them in a row.
        axis = BUNDLE[f"charts/{name}.yaml"]["params"]["x_axis"]
        [value] = [each for key, each in row.items() if key != axis and each is not None]
        return value

    for _ in range(TRIES):
        before, shown, after = marts(), charts(), marts()
        if before == after:
            break
    assert shown.keys() == before.keys()
    for name in asked:
        # The marts' shares are rounded.
        rounded = Decimal("0.0001") if name.endswith("_share") else None
        assert shown[name] == pytest.approx(before[name], abs=rounded), name


@needs_browser
def test_a_filter_changes_the_figures(stack, dashboard, numbers):
    """A filter is there for show, or filters what it should leave alone."""
    charts = len(list(canonical.charts_of(BOARDS["passengers"])))
    dashboard.open("passengers", charts)
    before = dashboard.rows(numbers["revenue_by_group"])
    assert len(before) == 3
    dashboard.choose("Группа по частоте полетов", "2. Летают регулярно")
    stack.wait(
        lambda: dashboard.page.wait_for_timeout(200) or dashboard.rows(numbers["passenger_groups"]),
        "the filter was applied",
    )
    dashboard.wait_until_drawn(charts)
    [only] = dashboard.rows(numbers["revenue_by_group"])
    assert only["passenger_group_bar"] == "2. Летают регулярно"
    asked = {number for number, *_ in dashboard.answers}
    assert numbers["revenue_by_day"] not in asked, "a chart by day was filtered by group"

    charts = len(list(canonical.charts_of(BOARDS["airports"])))
    dashboard.open("airports", charts)
    busiest = max(
        dashboard.rows(numbers["airport_routes"]), key=lambda row: row["passengers_total"]
    )
    # "Frankfurt am Main (FRA)", found by its code.
    code = busiest["airport"][-4:-1]
    dashboard.choose("Аэропорт", code)
    stack.wait(
        lambda: dashboard.page.wait_for_timeout(200) or dashboard.rows(numbers["airport_flights"]),
        "the filter was applied",
    )
    dashboard.wait_until_drawn(charts)
    for name in ("airport_routes", "airport_flights"):
        shown = {row["airport"] for row in dashboard.rows(numbers[name])}
        assert shown == {busiest["airport"]}, name
    # Who is linked with it, by the code that ends each name.
    linked = {row["linked_airport"][-4:-1] for row in dashboard.rows(numbers["airport_routes"])}
    traffic = dashboard.rows(numbers["airport_traffic"])
    assert {row["linked_airport_code"] for row in traffic} == linked
    # The map has a circle for each of them that anybody flew to or from.
    on_the_map = dashboard.rows(numbers["airport_map"])
    assert {row["linked_airport"][-4:-1] for row in on_the_map} == {
        row["linked_airport_code"] for row in traffic if row["passengers_total"]
    }


@needs_browser
def test_a_booking_shows_up_without_touching_superset(stack, dashboard, numbers):
    """Dashboards show yesterday's copy, or do not refresh by themselves."""
    dashboard.open("passengers", len(list(canonical.charts_of(BOARDS["passengers"]))))

    def revenue() -> Decimal:
        rows = dashboard.rows(numbers["revenue_by_group"])
        return sum(
            (
                Decimal(str(value))
                for row in rows
                for value in row.values()
                if isinstance(value, int | float)
            ),
            Decimal(0),
        )

    before = revenue()
    [(reported,)] = stack.sql(
        "dwh", "select moment from dwh_marts.known_moments order by known_at desc limit 1"
    )
    [(flight, day)] = stack.sql(
        "primary",
        "select flight_id, to_char(scheduled_departure at time zone 'UTC', 'YYYY-MM-DD')"
        " from flights where status = 'Arrived' and scheduled_departure"
        " between now() - interval '20 days' and now() - interval '2 days' limit 1",
    )
    # The chart shows millions.
    amount = 98_765_432
    stack.commit(
        "insert into bookings (book_ref, book_date, total_amount)"
        f" values ('ZZSUP1', now() - interval '25 days', {amount})",
        "insert into tickets (ticket_no, book_ref, passenger_id, passenger_name, contact_data)"
        " values ('9999900000001', 'ZZSUP1', '9999 900001', 'SUPERSET TEST', '{}')",
        "insert into ticket_flights (ticket_no, flight_id, fare_conditions, amount)"
        f" values ('9999900000001', {flight}, 'Economy', {amount})",
    )
    try:
        stack.assert_audit_clean()
        # The page stays open and nobody touches it: it refreshes every minute.
        stack.wait(
            lambda: (
                dashboard.page.wait_for_timeout(1000) or revenue() > before + amount // 2_000_000
            ),
            "the open dashboard shows the booking",
        )
        # What was reported before it stays, beside what is known now.
        charts = len(list(canonical.charts_of(BOARDS["as-reported"])))
        dashboard.open("as-reported", charts)
        moment = dashboard.page.locator(".filter-item-wrapper").filter(has_text="Момент отчета")
        if reported not in moment.inner_text():
            # A full hour has begun meanwhile.
            dashboard.choose("Момент отчета", reported)
        stack.wait(
            lambda: (
                dashboard.page.wait_for_timeout(200) or dashboard.rows(numbers["days_reported"])
            ),
            "the day with the booking is among those that changed",
        )
        changes = {day_of(row): row for row in dashboard.rows(numbers["days_reported"])}
        assert changes.keys() == {day}
        assert amount in changes[day].values()
    finally:
        stack.commit(
            "delete from ticket_flights where ticket_no = '9999900000001'",
            "delete from tickets where ticket_no = '9999900000001'",
            "delete from bookings where book_ref = 'ZZSUP1'",
        )
        stack.assert_audit_clean()


def test_an_analyst_reads_all_marts_and_changes_nothing(stack, admin, datasets):
    """An analyst cannot work, or can alter dashboards or leave the marts."""
    analyst = add_user(admin, stack, "airline_analyst")
    titles = {each["dashboard_title"] for each in analyst.list("dashboard")}
    assert titles == {each["dashboard_title"] for each in BOARDS.values()}
    answer = analyst.query(datasets["v_passenger_groups_revenue"], ["group_revenue_total"])
    assert answer.status_code == 200, answer.text

    [database] = [each["id"] for each in admin.list("database")]
    read = analyst.sql(database, "select count(*) as n from presentation.frequent_flyers")
    assert read.status_code == 200, text_of(read)
    for table in ("dwh_detailed.sat_passenger_details", "staging.tickets"):
        refused = analyst.sql(database, f"select * from {table} limit 1")
        assert refused.status_code >= 400, f"{table}: {text_of(refused)}"
    refused = analyst.sql(database, "delete from presentation.frequent_flyers")
    assert refused.status_code >= 400, text_of(refused)

    [board] = [each for each in analyst.list("dashboard") if each["slug"] == "airports"]
    changed = analyst.call("PUT", f"dashboard/{board['id']}", json={"dashboard_title": "mine"})
    assert changed.status_code in (403, 404), text_of(changed)
    assert analyst.call("GET", "security/users/").status_code in (401, 403)


def test_a_manager_reads_every_dashboard_and_edits_nothing(stack, admin, datasets):
    """The demo's login for managers is missing, or changes what everybody sees."""
    manager = Client(stack.settings, "manager", stack.settings.superset_manager_password)
    boards = {each["slug"]: each for each in manager.list("dashboard")}
    assert boards.keys() == BOARDS.keys()
    answer = manager.query(datasets["v_passenger_groups_revenue"], ["group_revenue_total"])
    assert answer.status_code == 200, text_of(answer)
    number = boards["airports"]["id"]
    for method, path, given in (
        ("PUT", f"dashboard/{number}", {"dashboard_title": "mine"}),
        ("DELETE", f"dashboard/{number}", None),
        ("POST", "dashboard/", {"dashboard_title": "mine"}),
        ("POST", "chart/", {"slice_name": "mine", "datasource_id": 1, "datasource_type": "table"}),
        ("GET", "security/users/", None),
    ):
        refused = manager.call(method, path, json=given)
        assert refused.status_code in (401, 403, 404), f"{method} {path}: {text_of(refused)}"
    [database] = [each["id"] for each in admin.list("database")]
    refused = manager.sql(database, "select 1 from dwh_marts.flight_load limit 1")
    assert refused.status_code in (401, 403), text_of(refused)


def test_the_docs_questions_wait_in_sql_lab_and_run(stack):
    """The analyst's SQL Lab is empty, or a question of the docs ends in an error there."""
    analyst = Client(stack.settings, "analyst", stack.settings.superset_analyst_password)
    saved = {each["label"]: each for each in analyst.list("saved_query")}
    asked = queries.questions(stack.settings.language, ROOT)
    assert saved.keys() == {each.title for each in asked}
    for each in asked:
        assert saved[each.title]["sql"] == each.sql
        answer = analyst.sql(saved[each.title]["database"]["id"], each.sql)
        assert answer.status_code == 200, f"{each.title}: {text_of(answer)}"


@needs_browser
def test_the_analyst_finds_the_questions(stack, dashboard):
    """The questions are there, and the page that lists them is forbidden."""
    theirs = dashboard.beside()
    theirs.log_in("analyst", stack.settings.superset_analyst_password)
    theirs.page.goto(f"{theirs.base}/savedqueryview/list/")
    for each in queries.questions(stack.settings.language, ROOT):
        theirs.page.get_by_text(each.title, exact=True).first.wait_for(timeout=PATIENCE)
    theirs.page.close()


def test_the_analysts_sql_lab_lists_what_may_be_read(stack):
    """SQL Lab offers schemas whose tables end in 'permission denied'."""
    analyst = Client(stack.settings, "analyst", stack.settings.superset_analyst_password)
    [database] = {each["database"]["id"] for each in analyst.list("saved_query")}
    answer = analyst.call("GET", f"database/{database}/schemas/")
    assert answer.status_code == 200, text_of(answer)
    assert set(answer.json()["result"]) == {"dwh_marts", "presentation"}


@needs_browser
def test_the_pages_speak_russian(dashboard):
    """Half of a page is Russian and half English."""
    dashboard.open("airports", len(list(canonical.charts_of(BOARDS["airports"]))))
    apply = dashboard.page.locator("[data-test='filter-bar__apply-button']")
    assert apply.inner_text() == "Применить"
    said = dashboard.page.locator("body").inner_text()
    for word in ("Search", "entries per page", "Show ", "No filter", "Clear", "Edit dashboard"):
        assert word not in said, word


@needs_browser
def test_people_come_in_at_the_overview(stack, dashboard):
    """Who logs in sees a list of what was opened last, which is empty."""
    theirs = dashboard.beside()
    theirs.log_in("manager", stack.settings.superset_manager_password)
    theirs.page.wait_for_url(lambda url: "/superset/dashboard/overview" in url, timeout=PATIENCE)
    theirs.wait_until_drawn(len(list(canonical.charts_of(BOARDS["overview"]))))
    theirs.page.close()


def test_the_words_that_superset_lacks_reach_the_page(stack):
    """'Search by' stays English in a Russian page; the page to log in is English."""
    answer = requests.get(
        f"{stack.settings.superset_url}/superset/language_pack/ru/",
        timeout=120,
        allow_redirects=False,
    )
    assert answer.status_code == 200, text_of(answer)
    words = answer.json()["locale_data"]["superset"]
    assert words["Search by"] == ["Искать в столбце"]
    assert len(words) > 1000 and "ETag" not in answer.headers


def test_operations_see_airports_only(stack, admin, datasets):
    """Somebody who needs airports sees passengers' names or revenue."""
    operations = add_user(admin, stack, "airline_ops")
    assert {each["slug"] for each in operations.list("dashboard")} == {"airports"}
    assert {each["table_name"] for each in operations.list("dataset")} == {
        "v_active_airports_30d",
        "v_airport_traffic_share",
        "v_airport_map",
        "airport_flights",
        "airport_data_freshness",
    }
    allowed = operations.query(
        datasets["v_airport_traffic_share"], ["flight_share"], ["airport_code"]
    )
    assert allowed.status_code == 200, text_of(allowed)
    for table, metric in (
        ("v_passenger_groups_revenue", "group_revenue_total"),
        ("data_freshness", "minutes_old_now"),
        ("v_passenger_metrics_30d", "revenue_window"),
        ("frequent_flyers", "purchases"),
        ("airport_passenger_flow", "passengers_departed"),
    ):
        refused = operations.query(datasets[table], [metric])
        assert refused.status_code in (401, 403), f"{table}: {text_of(refused)}"
    [database] = [each["id"] for each in admin.list("database")]
    refused = operations.sql(database, "select * from dwh_marts.v_airport_traffic_share")
    assert refused.status_code in (401, 403), text_of(refused)


def test_who_looks_decides_whether_names_are_shown(stack, admin, datasets):
    """Analysts read names and documents, or managers lose the names of their best customers."""
    asked = (datasets["frequent_flyers"], ["flyers"], ["passenger_id", "passenger_name"])
    manager = Client(stack.settings, "manager", stack.settings.superset_manager_password)
    analyst = Client(stack.settings, "analyst", stack.settings.superset_analyst_password)
    [named, pseudonymous, of_admin] = [
        who.query(*asked).json()["result"][0]["data"] for who in (manager, analyst, admin)
    ]
    assert named and len(named) == len(pseudonymous) == len(of_admin)
    assert all(row["passenger_name"] == row["passenger_id"] for row in pseudonymous)
    assert all(re.fullmatch("P-[0-9a-f]{16}", row["passenger_id"]) for row in pseudonymous)
    assert not any(re.fullmatch("P-.*", row["passenger_name"]) for row in named + of_admin)
    # Nor by SQL of one's own.
    [database] = [each["id"] for each in admin.list("database")]
    for table in ("presentation_pii.frequent_flyers_personal", "dwh_secrets.pseudonym_key"):
        refused = analyst.sql(database, f"select * from {table}")
        assert refused.status_code >= 400, f"{table}: {text_of(refused)}"


def test_an_expression_in_a_chart_reads_no_more_than_its_reader(stack, admin, datasets):
    """A column's expression names no table to Superset: the role for airports reads names."""
    operations = add_user(admin, stack, "airline_ops")
    for expression in (
        "(presentation_pii.frequent_flyers_personal_as_of(now())).passenger_name",
        "(presentation.frequent_flyers_as_of(now())).passenger_name",
        "(dwh_marts.v_passenger_metrics_30d_as_of(now())).revenue",
        "pg_try_advisory_lock(hashtext('airline load batch'))",
    ):
        column = {"expressionType": "SQL", "sqlExpression": expression, "label": "mine"}
        refused = operations.query(datasets["v_airport_traffic_share"], ["flight_share"], [column])
        assert "permission denied" in text_of(refused), f"{expression}: {text_of(refused)}"


def test_who_has_none_of_the_roles_reads_nothing(stack, admin, datasets):
    """Whoever is given Superset's own roles asks with the rights of the connection: all marts."""
    stranger = add_user(admin, stack, "Alpha")
    refused = stranger.query(datasets["frequent_flyers"], ["flyers"])
    assert "none of the roles" in text_of(refused), text_of(refused)


@needs_browser
def test_operations_open_their_dashboard_in_the_browser(stack, admin, dashboard, numbers):
    """The role lacks what Superset's own pages need."""
    operations = add_user(admin, stack, "airline_ops")
    theirs = dashboard.beside()
    theirs.log_in(operations.user, operations.password)
    # They come in at their own: the overview has revenue.
    theirs.page.goto(f"{stack.settings.superset_url}/", timeout=PATIENCE)
    assert theirs.page.url.endswith("/superset/dashboard/airports/")
    theirs.open("airports", len(list(canonical.charts_of(BOARDS["airports"]))))
    assert theirs.errors() == []
    assert theirs.rows(numbers["flight_share"])
    theirs.page.close()


def test_the_connections_role_reads_marts_and_nothing_else(stack):
    """Whoever gets the dashboards' password gets personal data or writes."""
    settings = stack.settings
    dsn = settings.dsn("dwh", user=roles.BI, password=settings.secret(roles.BI))
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for table in ("dwh_marts.v_airport_traffic_share", "presentation.frequent_flyers"):
                cursor.execute(f"select 1 from {table} limit 1")
                assert cursor.fetchall()
            for statement in (
                "select 1 from dwh_detailed.sat_passenger_details",
                "select 1 from dwh_business.current_tickets",
                "select 1 from staging.tickets",
                "select 1 from dwh_control.load_batch",
                "delete from presentation.booking_curve",
                "delete from presentation_pii.frequent_flyers_personal",
                "create table dwh_marts.mine (n int)",
                "create table public.mine (n int)",
                "create temporary table mine (n int)",
            ):
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(statement)
    for database in (commands.DATABASE,):
        with pytest.raises(psycopg2.OperationalError, match=r"no pg_hba\.conf entry"):
            psycopg2.connect(
                settings.dsn(
                    "dwh", dbname=database, user=roles.BI, password=settings.secret(roles.BI)
                )
            )


def test_what_is_changed_in_the_ui_is_a_small_change_of_its_file(stack, admin, numbers, tmp_path):
    """Export loses a change or rewrites other files; import keeps it."""
    number = numbers["revenue_by_day"]
    before = admin.call("GET", f"chart/{number}").json()["result"]["slice_name"]
    answer = admin.call("PUT", f"chart/{number}", json={"slice_name": "Revenue by another name"})
    assert answer.status_code == 200, answer.text
    try:
        folder = tmp_path / "assets"
        shutil.copytree(assets.FOLDER, folder)
        said = stack.airline("superset", "export", "--to", str(folder)).stdout
        assert said.strip() == f"changed: {folder / 'charts' / 'revenue_by_day.yaml'}"
        old = (assets.FOLDER / "charts" / "revenue_by_day.yaml").read_text().splitlines()
        new = (folder / "charts" / "revenue_by_day.yaml").read_text().splitlines()
        assert [line for line in new if line not in old] == ["slice_name: Revenue by another name"]
    finally:
        stack.airline("superset", "import")
    after = admin.call("GET", f"chart/{number}").json()["result"]["slice_name"]
    assert after == before
    said = stack.airline("superset", "export", "--to", str(tmp_path / "again")).stdout
    for name in BUNDLE:
        [made] = [
            path
            for path in (tmp_path / "again").rglob("*.yaml")
            if yaml.safe_load(path.read_text())["uuid"] == BUNDLE[name]["uuid"]
        ]
        assert made.read_text() == (assets.FOLDER / name).read_text()


def test_an_export_says_what_cannot_be_imported(stack, admin, numbers, tmp_path):
    """A chart whose click empties its dashboard comes back by way of the UI."""
    number = numbers["revenue_by_group"]
    before = admin.call("GET", f"chart/{number}").json()["result"]["params"]
    params = json.loads(before) | {"groupby": []}
    answer = admin.call("PUT", f"chart/{number}", json={"params": json.dumps(params)})
    assert answer.status_code == 200, answer.text
    try:
        folder = tmp_path / "assets"
        shutil.copytree(assets.FOLDER, folder)
        said = stack.airline("superset", "export", "--to", str(folder)).stdout
        [line] = [each for each in said.splitlines() if "to mend" in each]
        assert "charts/revenue_by_group.yaml" in line
        assert "a click on a horizontal bar filters its category by the bar's value" in line
    finally:
        stack.airline("superset", "import")


def test_a_chart_taken_out_of_the_files_is_gone(stack, admin, tmp_path):
    """An edit of the files is not what is shown, or old charts stay for ever."""
    folder = tmp_path / "assets"
    shutil.copytree(assets.FOLDER, folder)
    extra = str(uuid.uuid4())
    chart = yaml.safe_load((folder / "charts" / "avg_check_30d.yaml").read_text())
    chart |= {"uuid": extra, "slice_name": "Ещё один чек"}
    (folder / "charts" / "extra.yaml").write_text(assets.dump(chart))
    bring = lambda source, stale: commands.run_inside(  # noqa: E731
        stack.settings,
        "import",
        str(source),
        AIRLINE_BI_PASSWORD=stack.settings.secret(roles.BI),
        AIRLINE_SUPERSET_STALE=stale,
    )
    bring(folder, "[]")
    assert "Ещё один чек" in {each["slice_name"] for each in admin.list("chart")}
    bring(assets.FOLDER, f'["{extra}"]')
    assert "Ещё один чек" not in {each["slice_name"] for each in admin.list("chart")}


def test_a_second_up_imports_nothing(stack):
    """Every `up` pays for an import and undoes what people tried in the UI."""
    assert "dashboards imported" not in stack.up().stdout
    assert (ROOT / "infra" / "superset" / "assets").exists()
