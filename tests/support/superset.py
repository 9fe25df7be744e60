"""Superset as people use it: a browser on its pages, and its REST as one of its users."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from infra.settings import Settings
from infra.stack.waiting import wait_until
from infra.superset import assets
from tests.support.browser import PATIENCE, new_page

# As large as the longest dashboard: charts are drawn when they come into sight.
WINDOW = {"width": 1440, "height": 2800}
# As wide as a telephone, and long enough for every chart in one column.
TELEPHONE = {"width": 390, "height": 4800}
DRAWN = """(wanted) => {
    const holders = [...document.querySelectorAll('.dashboard-component-chart-holder')];
    const ready = holders.filter((each) =>
        !each.querySelector('[data-test="loading-indicator"], .loading')
        && each.querySelector('canvas, table tbody tr, .header-line, .ant-empty, [role=alert]'));
    return holders.length === wanted && ready.length === wanted;
}"""


class Dashboard:
    """A dashboard in a browser, and the data its charts were given."""

    def __init__(self, settings: Settings, page: Any) -> None:
        self.settings = settings
        self.page = page
        self.base = settings.superset_url
        # (slice id or 0, HTTP status, what was asked, what came)
        self.answers: list[tuple[int, int, dict, dict]] = []
        # slice id -> seconds from asking for its data to having it
        self.seconds: dict[int, float] = {}
        page.on("response", self._note)

    def _note(self, response: Any) -> None:
        if "/api/v1/chart/data" not in response.url:
            return
        found = re.search(r"slice_id%22%3A(\d+)", response.url)
        asked = response.request.post_data_json
        number = int(found[1]) if found else asked.get("form_data", {}).get("slice_id", 0)
        try:
            came = response.json()
        except Exception:
            came = {}
        self.answers.append((number, response.status, asked, came))
        timing = response.request.timing
        self.seconds[number] = (timing["responseEnd"] - timing["requestStart"]) / 1000

    def beside(self, window: dict[str, int] = WINDOW) -> Dashboard:
        """Another window, that nobody has logged in with."""
        page = self.page.context.browser.new_page(viewport=window)
        page.set_default_timeout(PATIENCE)
        return Dashboard(self.settings, page)

    def log_in(self, user: str, password: str) -> None:
        """By the form, as a person does."""
        # The page notes its own opening, and that answer ends a session that began meanwhile.
        self.page.goto(f"{self.base}/login/", timeout=PATIENCE, wait_until="networkidle")
        self.page.locator("input[type=text]").first.fill(user)
        self.page.locator("input[type=password]").fill(password)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(lambda url: "/login" not in url, timeout=PATIENCE)

    def open(self, slug: str, charts: int) -> None:
        """Opens a dashboard and waits until each of its charts is drawn, or says an error."""
        self.answers.clear()
        self.page.goto(f"{self.base}/superset/dashboard/{slug}/", timeout=PATIENCE)
        # A chart that has not asked yet looks like one without data.
        wait_until(
            lambda: (
                self.page.wait_for_timeout(100)
                or len({each for each, *_ in self.answers}) >= charts
            ),
            PATIENCE / 1000,
            lambda: AssertionError(f"{slug}: {len(self.answers)} answers to {charts} charts"),
        )
        self.wait_until_drawn(charts)

    def wait_until_drawn(self, charts: int) -> None:
        self.page.wait_for_function(DRAWN, arg=charts, timeout=PATIENCE)

    def errors(self) -> list[str]:
        """What charts say instead of data."""
        holders = self.page.locator(".dashboard-component-chart-holder [role=alert]")
        return holders.all_inner_texts()

    def rows(self, number: int) -> list[dict[str, Any]]:
        """The newest data that chart `number` was given."""
        for each, status, _, came in reversed(self.answers):
            if each == number and status == 200 and came.get("result"):
                return came["result"][0]["data"]
        return []

    def choose(self, name: str, value: str) -> None:
        """Picks one value of a filter and applies it."""
        box = self.page.locator(".filter-item-wrapper").filter(has_text=name)
        # Its values are asked for when the dashboard opens: it can be chosen from once they came.
        box.locator(".ant-select:has(input[role=combobox]:enabled)").first.click()
        self.page.keyboard.type(value)
        self.page.locator(".ant-select-item-option").filter(has_text=value).first.click()
        self.page.keyboard.press("Escape")
        self.answers.clear()
        self.page.locator("[data-test='filter-bar__apply-button']").click()


@contextmanager
def opened(settings: Settings) -> Iterator[Dashboard]:
    """A new browser window that nobody has logged in with."""
    with new_page(WINDOW) as page:
        yield Dashboard(settings, page)


def chart_numbers(client: Client) -> dict[str, int]:
    """File name of a chart -> its id in this Superset."""
    by_uuid = {}
    for each in client.list("chart"):
        details = client.call("GET", f"chart/{each['id']}").json()["result"]
        by_uuid[details["uuid"]] = each["id"]
    return {
        Path(name).stem: by_uuid[chart["uuid"]]
        for name, chart in assets.of_kind(assets.read(), "charts").items()
    }


class Client:
    """Superset's REST as one user."""

    def __init__(self, settings: Settings, user: str, password: str) -> None:
        self.user, self.password = user, password
        self.base = f"{settings.superset_url}/api/v1"
        self.session = requests.Session()
        answer = self.session.post(
            f"{self.base}/security/login",
            json={"username": user, "password": password, "provider": "db", "refresh": False},
            timeout=120,
        )
        answer.raise_for_status()
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        self.session.headers["Referer"] = settings.superset_url

    def call(self, method: str, path: str, **given: Any) -> requests.Response:
        if method != "GET":
            token = self.session.get(f"{self.base}/security/csrf_token/", timeout=120)
            if token.ok:
                self.session.headers["X-CSRFToken"] = token.json()["result"]
        return self.session.request(method, f"{self.base}/{path}", timeout=120, **given)

    def list(self, kind: str) -> list[dict[str, Any]]:
        answer = self.call("GET", f"{kind}/?q=(page_size:100)")
        answer.raise_for_status()
        return answer.json()["result"]

    def query(self, dataset: int, metrics: list[str], columns: list[str] = ()) -> requests.Response:
        """What a chart asks: metrics of a dataset by columns."""
        return self.call(
            "POST",
            "chart/data",
            json={
                "datasource": {"id": dataset, "type": "table"},
                "queries": [{"metrics": metrics, "columns": list(columns), "row_limit": 1000}],
                "result_format": "json",
                "result_type": "full",
            },
        )

    def sql(self, database: int, statement: str) -> requests.Response:
        """What a person asks in SQL Lab."""
        return self.call(
            "POST",
            "sqllab/execute/",
            json={"database_id": database, "sql": statement, "runAsync": False},
        )


def text_of(answer: requests.Response) -> str:
    """What an answer says, escapes undone."""
    try:
        return json.dumps(answer.json(), ensure_ascii=False)
    except ValueError:
        return answer.text
