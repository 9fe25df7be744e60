"""Superset's alerts and reports: what it is told of queue, browser and mail, and its worker."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
import types
from datetime import timedelta
from email.mime.multipart import MIMEMultipart
from pathlib import Path

import flask
import pytest

from infra.mail import delivery
from infra.mail.owners import PLATFORM, owners
from infra.metrics.service import Metrics
from infra.settings import NOT_TOLD, Settings
from infra.superset import asked, assets, commands, reports, schedules
from infra.superset.services import TOO_OLD, Superset, Worker


@pytest.fixture
def settings(tmp_path) -> Settings:
    return dataclasses.replace(Settings.from_environment({}), home=tmp_path)


@pytest.fixture
def programs(tmp_path, monkeypatch) -> Path:
    """The only folder with programs in it."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


@pytest.fixture(autouse=True)
def celery(monkeypatch) -> None:
    """It is in Superset's environment alone."""
    schedule = types.SimpleNamespace(crontab=lambda: "each minute")
    monkeypatch.setitem(sys.modules, "celery", types.SimpleNamespace(schedules=schedule))
    monkeypatch.setitem(sys.modules, "celery.schedules", schedule)


def install(folder: Path, *names: str) -> None:
    for each in names:
        (folder / each).write_text("#!/bin/sh\n")
        (folder / each).chmod(0o755)


def test_a_browser_counts_with_its_driver_alone(programs):
    """Reports end in an error that a picture was possible, or fetch a driver from elsewhere."""
    assert reports.driver() == ""
    install(programs, "chromium")
    assert reports.driver() == ""
    install(programs, "chromedriver")
    assert reports.driver() == str(programs / "chromedriver")
    (programs / "chromium").unlink()
    assert reports.driver() == ""


def test_without_a_browser_the_error_says_what_to_do(programs, settings):
    """A person reads 'Webdriver name (chrome) not supported' and knows nothing."""
    told = reports.configuration(settings)
    assert "chromedriver" in told["WEBDRIVER_TYPE"] and "apt-get" in told["WEBDRIVER_TYPE"]
    install(programs, "google-chrome", "chromedriver")
    told = reports.configuration(settings)
    assert told["WEBDRIVER_TYPE"] == "chrome"
    path = told["WEBDRIVER_CONFIGURATION"]["service"]["executable_path"]
    assert path == str(programs / "chromedriver")


@pytest.mark.parametrize("code", [0, 1])
def test_the_browser_keeps_its_sandbox_where_it_can(programs, settings, code):
    """A page that breaks out of the browser has the account; or in a container none starts."""
    install(programs, "chromium", "chromedriver", "unshare")
    (programs / "unshare").write_text(f"#!/bin/sh\nexit {code}\n")
    told = reports.configuration(settings)["WEBDRIVER_OPTION_ARGS"]
    assert ("--no-sandbox" in told) == bool(code)


def test_superset_has_no_way_of_its_own_for_mail(settings):
    """Mail goes out without the settings' encryption, or with a password in a configuration."""
    for tls in ("starttls", "tls", "none"):
        mine = dataclasses.replace(
            settings,
            smtp_host="mail.example",
            smtp_tls=tls,
            smtp_user="u",
            smtp_from="airline@example.org",
        )
        told = reports.configuration(mine)
        assert (told["SMTP_HOST"], told["SMTP_USER"], told["SMTP_PASSWORD"]) == ("", "", "")
        assert told["SMTP_MAIL_FROM"] == "airline@example.org"
        assert "mail.example" not in str(told)


def test_the_queue_needs_no_server_and_takes_no_pickle(settings, tmp_path):
    """It asks for a broker that is not there, or runs what somebody put into a message."""
    told = reports.celery(settings)
    assert told["broker_url"] == f"sqla+sqlite:///{tmp_path}/data/superset/queue.sqlite"
    assert told["accept_content"] == ["json"]
    assert told["worker_concurrency"] == 1
    assert told["beat_schedule"][reports.SCHEDULER]["schedule"] == "each minute"


def test_superset_reckons_the_moment_from_when_a_look_expires(settings):
    """A look that was late runs what is due at another moment."""
    told = reports.configuration(settings)
    expires = told["CELERY_CONFIG"]["beat_schedule"][reports.SCHEDULER]["options"]["expires"]
    assert timedelta(seconds=expires) == told["CELERY_BEAT_SCHEDULER_EXPIRES"]


@pytest.mark.parametrize(
    ("method", "given", "status"),
    [
        ("POST", {"report_format": "PNG"}, 422),
        ("POST", {"report_format": "PDF"}, 422),
        ("POST", {}, 422),
        ("POST", {"report_format": "TEXT"}, 201),
        ("POST", {"report_format": "CSV"}, 201),
        ("PUT", {"report_format": "PNG"}, 422),
        ("PUT", {"active": True}, 201),
        ("GET", None, 201),
    ],
)
@pytest.mark.parametrize("has_browser", [True, False])
def test_a_picture_is_refused_where_none_can_be_taken(programs, method, given, status, has_browser):
    """A person learns a week later that the report cannot be made."""
    if has_browser:
        install(programs, "chromium", "chromedriver")
    app = flask.Flask("superset")
    for each in ("post", "put", "get"):
        app.add_url_rule(
            "/", f"ReportScheduleRestApi.{each}", lambda: ("", 201), methods=[each.upper()]
        )
    reports.install(app)
    answer = app.test_client().open("/", method=method, json=given)
    assert answer.status_code == (201 if has_browser else status)
    if answer.status_code == 422:
        assert "choose text or CSV" in answer.get_json()["message"]


@pytest.mark.parametrize(
    ("crontab", "is_taken"),
    [
        ("0 6 * * 1", True),
        ("*/10 * * * *", True),
        ("0 0 29 2 *", True),
        # Superset takes these.
        ("0 0 30 2 *", False),
        ("* * * * * *", False),
        ("@daily", False),
        ("every day", False),
        ("", False),
    ],
)
def test_a_schedule_comes_again(crontab, is_taken):
    """At one that never comes Superset stops to look at everybody's."""
    why = reports.refusal({"crontab": crontab}, is_new=False, has_browser=True)
    assert (why == "") is is_taken and (is_taken or "five fields" in why)


def test_an_error_reaches_somebody(settings):
    """The demo's logins have no address, and an error of their report is told to nobody."""
    platform = owners(settings.root / "models")[PLATFORM].email
    assert reports.reachable(settings, ["analyst@localhost.invalid"]) == [platform]
    assert reports.reachable(settings, ["a@x.example"]) == ["a@x.example"]


def test_reports_push_no_message_out(settings, monkeypatch):
    """A report a minute removes what owners have not read yet; a crash's half stays for ever."""
    monkeypatch.setattr(delivery, "KEPT", 3)
    monkeypatch.setattr(delivery, "KEPT_REPORTS", 2)
    place = delivery.messages(settings)
    letter = MIMEMultipart()
    for number in range(5):
        for name in (f"message-{number}", f"{delivery.REPORT}{number}"):
            delivery.send(settings, letter, name)
            os.utime(place / f"{name}.eml", (number, number))
    for age, name in ((2 * delivery.HALF_FOR, "old.half"), (0, "new.half")):
        (place / name).write_text("")
        then = time.time() - age
        os.utime(place / name, (then, then))
    delivery.send(settings, letter, "message-5")
    delivery.send(settings, letter, f"{delivery.REPORT}5")
    assert sorted(each.name for each in place.iterdir()) == [
        *(f"message-{number}.eml" for number in (3, 4, 5)),
        "new.half",
        *(f"report-{number}.eml" for number in (4, 5)),
    ]


def test_the_worker_alone_knows_of_mail(settings):
    """Another mail server starts Superset again, or does not reach the worker."""
    mine = dataclasses.replace(settings, smtp_host="mail.example")
    assert Worker(mine).program().environment["AIRLINE_SMTP_HOST"] == "mail.example"
    assert "AIRLINE_SMTP_HOST" not in Superset(mine).program().environment
    for service in (Worker(mine), Superset(mine)):
        assert service.program().environment["AIRLINE_ADMIN_PASSWORD"] == NOT_TOLD


def test_a_browser_that_was_installed_starts_both_again(programs, settings):
    """After `apt-get install chromium-driver` and `up` there are still no pictures."""
    worker = Worker(settings)
    assert worker.prepare() and not worker.prepare()
    _, before = Superset(settings)._marks()
    install(programs, "chromium", "chromedriver")
    assert worker.prepare() and not worker.prepare()
    assert Superset(settings)._marks()[1] != before


def test_a_worker_that_looks_at_nothing_is_ill(settings):
    """Its process runs, and no report ever comes."""
    worker = Worker(settings)
    mark = reports.mark(settings)
    assert worker.problem() == "it has not begun yet"
    mark.parent.mkdir(parents=True)
    mark.write_text("1")
    assert worker.problem() == ""
    old = mark.stat().st_mtime - TOO_OLD - 5
    os.utime(mark, (old, old))
    assert "has not looked at what is due for 90" in worker.problem()


def test_a_worker_is_ready_when_the_process_that_runs_said_so(settings, monkeypatch):
    """`up` takes the mark of the one before for the new one's."""
    worker = Worker(settings)
    pids = {"superset-worker": types.SimpleNamespace(pid=7)}
    monkeypatch.setattr("infra.stack.supervision.Supervisor.states", lambda self: pids)
    assert not worker.answers()
    mark = reports.mark(settings)
    mark.parent.mkdir(parents=True)
    for told, ready in (("", False), ("6", False), ("7", True)):
        mark.write_text(told)
        assert worker.answers() is ready


def test_its_command_has_one_process_to_work_and_asks_no_other():
    """Workers that are not there are waited for."""
    assert {"--without-gossip", "--without-mingle"} <= set(commands.worker())


def params(kind: str, **given) -> dict:
    return {"viz_type": kind, "adhoc_filters": [], **given}


def test_a_table_asks_for_its_groups_in_its_order():
    """A report has other rows than the chart, or has them in another order."""
    context = asked.query_context(
        params(
            "table",
            query_mode="aggregate",
            groupby=["route"],
            metrics=["share", "flights"],
            timeseries_limit_metric="share",
            order_desc=False,
            row_limit=15,
            adhoc_filters=[
                {
                    "clause": "WHERE",
                    "expressionType": "SIMPLE",
                    "subject": "arrivals",
                    "operator": ">=",
                    "comparator": "10",
                },
                {
                    "clause": "WHERE",
                    "expressionType": "SIMPLE",
                    "subject": "period",
                    "operator": "IS NOT NULL",
                },
                {"clause": "WHERE", "expressionType": "SQL", "sqlExpression": "a > b"},
                {"clause": "HAVING", "expressionType": "SQL", "sqlExpression": "sum(a) > 1"},
            ],
        ),
        5,
    )
    [query] = context["queries"]
    assert context["datasource"] == {"id": 5, "type": "table"}
    assert query["columns"] == ["route"] and query["metrics"] == ["share", "flights"]
    assert query["orderby"] == [["share", True]] and query["row_limit"] == 15
    assert query["filters"] == [
        {"col": "arrivals", "op": ">=", "val": "10"},
        {"col": "period", "op": "IS NOT NULL"},
    ]
    assert query["extras"] == {"where": "(a > b)", "having": "(sum(a) > 1)"}


def test_a_table_of_rows_asks_for_its_columns():
    """A table of rows is grouped, and twins are one."""
    context = asked.query_context(
        params("table", query_mode="raw", all_columns=["a", "b"], order_by_cols=['["a", false]']), 1
    )
    [query] = context["queries"]
    assert query["columns"] == ["a", "b"] and "metrics" not in query
    assert query["orderby"] == [["a", False]]


def test_a_line_asks_by_its_axis_and_a_number_for_one_row():
    """A curve has one point, or a number has a row for each day."""
    line = params("echarts_timeseries_line", x_axis="day", time_grain_sqla="P1D", metrics=["m"])
    [query] = asked.query_context(line, 1)["queries"]
    assert [each["sqlExpression"] for each in query["columns"]] == ["day"]
    assert query["columns"][0]["timeGrain"] == "P1D"
    assert query["extras"]["time_grain_sqla"] == "P1D" and query["orderby"] == []
    [query] = asked.query_context(params("big_number_total", metric="m"), 1)["queries"]
    assert query["columns"] == [] and query["metrics"] == ["m"] and query["orderby"] == []


def test_each_kind_of_chart_is_known_but_maps():
    """A new kind of chart cannot be sent, and nobody notices."""
    charts = assets.of_kind(assets.read(), "charts")
    unknown = {each["viz_type"] for each in charts.values()} - set(asked.KINDS)
    assert unknown == {"deck_scatter"}
    for chart in charts.values():
        context = asked.query_context(chart["params"], 1)
        if chart["viz_type"] in asked.KINDS:
            [query] = context["queries"]
            assert query["columns"] or query["metrics"]
        else:
            assert context is None


@pytest.mark.parametrize("pictures", [True, False])
@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_examples_name_what_is_there(language, pictures):
    """`up` ends with a KeyError at the examples, or one of them needs a browser."""
    bundle = assets.read()
    boards = {each["slug"] for each in assets.of_kind(bundle, "dashboards").values()}
    made = schedules.examples(language, pictures=pictures)
    assert len({each.name for each in made}) == len(made)
    for each in made:
        assert f"charts/{each.chart}.yaml" in bundle if each.chart else each.dashboard in boards
        assert pictures or each.format not in reports.PICTURES
        assert any("а" <= letter <= "я" for letter in each.name) == (language == "ru")


def test_a_letter_goes_to_those_it_does_not_name(monkeypatch, settings):
    """A report's hidden addresses get nothing."""
    sent = []

    class Session:
        sock = types.SimpleNamespace(settimeout=lambda seconds: None)

        def send_message(self, letter, to_addrs=None):
            sent.append(to_addrs)
            return {}

        def data(self, text):
            return 250, b""

        def quit(self):
            pass

        close = quit

    monkeypatch.setattr(delivery, "_session", lambda settings: Session())
    mine = dataclasses.replace(settings, smtp_host="mail.example")
    letter = MIMEMultipart()
    letter["To"] = "a@x.example"
    assert delivery.send(mine, letter, "1", ["a@x.example", "b@x.example"]) == []
    assert sent == [["a@x.example", "b@x.example"]]


def test_the_stamp_remembers_that_examples_were_given(settings):
    """Examples that people removed come back with the next import."""
    from infra.superset import dashboards

    (settings.home / "data").mkdir(parents=True)
    dashboards._note(settings, "digest", ["uuid"])
    assert dashboards._brought(settings)["has_examples"]
    assert json.loads((settings.home / "data" / "superset-imported").read_text())["uuids"]


def test_who_writes_mail_trusts_whom_the_caller_trusts(settings, monkeypatch):
    """A mail server with a certificate of the company's own is refused, although `up` was told of
    its authority.
    """
    monkeypatch.setenv("SSL_CERT_FILE", "company.pem")
    writers = {
        each.name
        for each in (Superset(settings), Worker(settings), Metrics(settings))
        if each.program().environment.get("SSL_CERT_FILE") == os.path.abspath("company.pem")
    }
    assert writers == {"superset-worker", "metrics"}
