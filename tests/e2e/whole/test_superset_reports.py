"""Superset's alerts and reports: what falls due is sent, by mail or as a file, to whom it names."""

from __future__ import annotations

import csv
import email
import email.policy
import io
import secrets
from collections.abc import Iterator
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from PIL import Image

from infra.mail import delivery
from infra.mail.owners import PLATFORM, owners
from infra.settings import ROOT
from infra.superset import asked as asked_of
from infra.superset import assets, commands, reports, schedules
from tests.support.mail import Box, mail_server
from tests.support.superset import Client, text_of

pytestmark = pytest.mark.timeout(1800)

EVERY_MINUTE = "* * * * *"
needs_driver = pytest.mark.skipif(
    not reports.driver(), reason="no browser with its driver: apt-get install chromium-driver"
)


@pytest.fixture(scope="module")
def box(stack) -> Iterator[Box]:
    """A mail server on loopback, and the stack told of it."""
    with mail_server() as found:
        stack.up(
            AIRLINE_SMTP_HOST="127.0.0.1",
            AIRLINE_SMTP_PORT=str(found.port),
            AIRLINE_SMTP_TLS="none",
        )
        yield found
    stack.up()


@pytest.fixture(scope="module")
def analyst(stack) -> Client:
    return Client(stack.settings, "analyst", stack.settings.superset_analyst_password)


@pytest.fixture
def made(admin) -> Iterator[list[int]]:
    """The numbers of what a test makes; removed at its end."""
    numbers: list[int] = []
    yield numbers
    for number in numbers:
        admin.call("DELETE", f"report/{number}")


def schedule(client: Client, made: list[int], address: str, **given: Any) -> int:
    """Makes an alert or a report that is due each minute."""
    answer = client.call("POST", "report/", json=asked(address, **given))
    assert answer.status_code == 201, text_of(answer)
    made.append(answer.json()["id"])
    return made[-1]


def asked(address: str, **given: Any) -> dict[str, Any]:
    return {
        "type": "Report",
        "name": f"test {secrets.token_hex(4)}",
        "crontab": EVERY_MINUTE,
        "timezone": "UTC",
        "active": True,
        "creation_method": "alerts_reports",
        "recipients": [{"type": "Email", "recipient_config_json": {"target": address}}],
        **given,
    }


def states(client: Client, number: int) -> list[str]:
    """How it went each time, and why it did not."""
    answer = client.call("GET", f"report/{number}/log/?q=(page_size:100)")
    assert answer.status_code == 200, text_of(answer)
    return [f"{each['state']} {each['error_message'] or ''}" for each in answer.json()["result"]]


def letters(box: Box, address: str) -> list[EmailMessage]:
    return [letter for to, letter in box.letters if to == address]


def first_letter(stack, box: Box, client: Client, number: int, address: str) -> EmailMessage:
    def come() -> list[EmailMessage]:
        failed = [each for each in states(client, number) if each.startswith("Error")]
        assert not failed, failed
        return letters(box, address)

    return stack.wait(come, f"the mail to {address} has come")[0]


# First, for `box` stays until the last test.
def test_without_a_mail_server_a_report_is_a_file(stack, analyst, numbers, made):
    """Without settings reports vanish, and are said to have been sent."""
    folder = delivery.messages(stack.settings)
    before = set(folder.glob("report-*.eml"))
    name = f"a file {secrets.token_hex(4)}"
    schedule(
        analyst,
        made,
        "file@airline.example",
        name=name,
        chart=numbers["two_periods"],
        report_format="TEXT",
    )

    def written() -> list[EmailMessage]:
        found = [
            email.message_from_bytes(each.read_bytes(), policy=email.policy.default)
            for each in set(folder.glob("report-*.eml")) - before
        ]
        return [each for each in found if name in each["Subject"]]

    [letter, *_] = stack.wait(written, "the file was written")
    assert letter["To"] == "file@airline.example"
    assert "<table" in letter.get_body(("html",)).get_content()


def test_an_alert_that_fires_is_one_mail(stack, box, admin, analyst, numbers, made):
    """An analyst's alert reaches nobody, or reaches them every minute."""
    [database] = [each["id"] for each in admin.list("database")]
    address = "alert@airline.example"
    number = schedule(
        analyst,
        made,
        address,
        type="Alert",
        database=database,
        sql="select count(*) from dwh_marts.network_30d",
        validator_type="operator",
        validator_config_json={"op": ">", "threshold": 0},
        grace_period=14_400,
        chart=numbers["two_periods"],
        report_format="TEXT",
    )
    letter = first_letter(stack, box, analyst, number, address)
    assert letter["Subject"].startswith("[airline] ") and letter["Auto-Submitted"]
    body = letter.get_body(("html",)).get_content()
    assert "<table" in body and f"{stack.settings.superset_url}/explore/" in body
    # It fires again, and keeps quiet.
    stack.wait(
        lambda: any("On Grace" in each for each in states(analyst, number)), "it was due again"
    )
    assert len(letters(box, address)) == 1


def test_an_alert_that_does_not_fire_is_none(stack, box, admin, analyst, numbers, made):
    """Every look is a mail."""
    [database] = [each["id"] for each in admin.list("database")]
    number = schedule(
        analyst,
        made,
        "quiet@airline.example",
        type="Alert",
        database=database,
        sql="select count(*) from dwh_marts.network_30d where false",
        validator_type="operator",
        validator_config_json={"op": ">", "threshold": 0},
        chart=numbers["two_periods"],
        report_format="TEXT",
    )
    stack.wait(
        lambda: any("Not triggered" in each for each in states(analyst, number)), "it was looked at"
    )
    assert letters(box, "quiet@airline.example") == []


def test_an_alert_reads_what_dashboards_may(stack, box, admin, analyst, numbers, made):
    """Whoever may write an alert's SQL reads passengers by it."""
    secret = "select count(*) from dwh_detailed.sat_passenger_details"
    assert stack.sql("dwh", secret)
    [database] = [each["id"] for each in admin.list("database")]
    name = f"a curious one {secrets.token_hex(4)}"
    number = schedule(
        analyst,
        made,
        "curious@airline.example",
        name=name,
        type="Alert",
        database=database,
        sql=secret,
        validator_type="operator",
        validator_config_json={"op": ">=", "threshold": 0},
        chart=numbers["two_periods"],
        report_format="TEXT",
    )
    stack.wait(
        lambda: any(each.startswith("Error") for each in states(analyst, number)), "it was refused"
    )
    assert letters(box, "curious@airline.example") == []
    # The demo's logins have no address: somebody is told all the same.
    platform = owners(ROOT / "models")[PLATFORM].email
    stack.wait(
        lambda: any(name in letter["Subject"] for letter in letters(box, platform)),
        "the platform's owner was told",
    )


def test_a_report_that_was_cut_off_goes_on(stack, box, analyst, numbers, made):
    """A worker was killed over a report, and for an hour Superset waits for it to end."""
    address = "cut@airline.example"
    chart = numbers["two_periods"]
    number = schedule(analyst, made, address, active=False, chart=chart, report_format="TEXT")
    dsn = stack.settings.dsn("dwh", dbname=commands.DATABASE)
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "update report_schedule set last_state = 'Working', last_eval_dttm = now() at time zone"
            " 'UTC' where id = %s",
            (number,),
        )
    answer = analyst.call("PUT", f"report/{number}", json={"active": True})
    assert answer.status_code == 200, text_of(answer)
    stack.wait(lambda: letters(box, address), "the report has come")


@pytest.mark.parametrize("crontab", ["0 0 30 2 *", "* * * * * *"])
def test_a_schedule_that_never_comes_stops_nobody_elses(stack, analyst, numbers, made, crontab):
    """At one that has no next moment Superset looks at no other; six fields are a mail a second."""
    wish = asked("never@airline.example", crontab=crontab, chart=numbers["two_periods"])
    answer = analyst.call("POST", "report/", json=wish | {"report_format": "TEXT"})
    assert answer.status_code == 422 and "five fields" in text_of(answer), text_of(answer)


def test_a_report_brings_the_charts_rows(stack, box, analyst, numbers, made):
    """A report by CSV does not come, or comes empty."""
    address = "csv@airline.example"
    number = schedule(analyst, made, address, chart=numbers["bookings_by_day"], report_format="CSV")
    letter = first_letter(stack, box, analyst, number, address)
    [attached] = [each for each in letter.walk() if each.get_content_maintype() == "application"]
    rows = list(csv.reader(io.StringIO(attached.get_payload(decode=True).decode("utf-8-sig"))))
    [(days,)] = stack.sql("dwh", "select count(*) from dwh_marts.sales_by_day")
    assert 2 < len(rows) <= days + 1
    assert all(len(row) == len(rows[0]) for row in rows)


@needs_driver
def test_a_report_shows_a_dashboard(stack, box, analyst, made):
    """The picture is blank, or shows the log-in page."""
    [board] = [each["id"] for each in analyst.list("dashboard") if each["slug"] == "overview"]
    address = "picture@airline.example"
    number = schedule(analyst, made, address, dashboard=board, report_format="PNG")
    letter = first_letter(stack, box, analyst, number, address)
    [attached] = [each for each in letter.walk() if each.get_content_maintype() == "image"]
    content = attached.get_payload(decode=True)
    Path(stack.home / "report.png").write_bytes(content)
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    assert picture.width >= 1000 and picture.height >= 800
    # In each third of its height there is something to see.
    for part in range(3):
        third = picture.crop(
            (0, part * picture.height // 3, picture.width, (part + 1) * picture.height // 3)
        )
        assert len(third.getcolors(maxcolors=1 << 24)) > 50, f"part {part} is blank"


def test_a_manager_has_nothing_sent(stack, admin, numbers):
    """Who only reads sends what others see to any address."""
    manager = Client(stack.settings, "manager", stack.settings.superset_manager_password)
    given = asked("out@airline.example", chart=numbers["two_periods"], report_format="TEXT")
    refused = manager.call("POST", "report/", json=given)
    assert refused.status_code == 403, text_of(refused)
    assert manager.call("GET", "report/").status_code == 403


def test_each_analyst_sees_his_own(stack, admin, analyst, numbers, made):
    """One reads another's addresses, or stops what another relies on."""
    theirs = schedule(
        admin,
        made,
        "a@airline.example",
        active=False,
        chart=numbers["two_periods"],
        report_format="TEXT",
    )
    assert theirs not in {each["id"] for each in analyst.list("report")}
    assert admin.call("GET", f"report/{theirs}/log/").status_code == 200
    for path in (f"report/{theirs}/log/", f"report/{theirs}/log/1"):
        assert analyst.call("GET", path).status_code == 404, path
    assert analyst.call("PUT", f"report/{theirs}", json={"active": True}).status_code in (403, 404)
    assert analyst.call("DELETE", f"report/{theirs}").status_code in (403, 404)


def test_every_chart_can_be_sent_without_a_browser(admin, numbers):
    """A report by text fails with 'no query context', or asks what the chart does not."""
    failed = {}
    charts = assets.of_kind(assets.read(), "charts")
    kinds = {Path(name).stem: each["viz_type"] for name, each in charts.items()}
    for name in sorted(each for each in numbers if kinds[each] in asked_of.KINDS):
        answer = admin.call("GET", f"chart/{numbers[name]}/data/?format=json&type=post_processed")
        # There may be no row: what was reported may still be so.
        if answer.status_code != 200 or answer.json()["result"][0]["error"]:
            failed[name] = text_of(answer)[:300]
    assert not failed


def test_the_examples_are_there_and_switched_off(stack, admin):
    """A new stack writes to people unasked, or what was removed comes back."""
    wanted = {
        each.name
        for each in schedules.examples(stack.settings.language, pictures=bool(reports.driver()))
    }
    found = {each["name"]: each for each in admin.list("report") if each["name"] in wanted}
    assert found.keys() == wanted
    assert not any(each["active"] for each in found.values())
    assert all(each["recipients"] for each in found.values())
    gone = min(found)
    assert admin.call("DELETE", f"report/{found[gone]['id']}").status_code == 200
    stack.airline("superset", "import")
    assert gone not in {each["name"] for each in admin.list("report")}


def test_a_worker_that_was_killed_goes_on(stack):
    """After a crash nothing is due any more, or two clocks run."""
    before = reports.mark(stack.settings).read_text()
    stack.kill("superset-worker")
    stack.wait(
        lambda: reports.mark(stack.settings).read_text() not in ("", before), "it takes again"
    )
    began = reports.mark(stack.settings).stat().st_mtime_ns
    stack.wait(
        lambda: reports.mark(stack.settings).stat().st_mtime_ns > began, "it looks at what is due"
    )
    stack.wait(
        lambda: stack.status()["services"]["superset-worker"]["problem"] is None, "it is well"
    )
